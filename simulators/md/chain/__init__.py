"""A protein as a chain of C-alpha beads: its structure, forces, dynamics, and sixteen replicas at a time."""
