"""Ions between two walls: forces, dynamics, counting, one replica, and one replica over ranks."""
