"""Ions around a polarizable sphere: multipoles as variables, forces, dynamics, one replica."""
