"""Simulators that users bring along: quantities declared in the configuration, programs run and read."""
