"""The forces and energies of every system, each written once for all backends."""
