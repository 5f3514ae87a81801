"""A few Lennard-Jones particles: forces and dynamics, and sixteen replicas at a time."""
