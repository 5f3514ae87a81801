"""Constants of electrolytes in nanometres, moles a litre and elementary charges."""

AVOGADRO = 0.602214076
"""Particles in a cubic nanometre at 1 mol/L."""
ELEMENTARY = 6.241509074
"""Elementary charges in a square nanometre at 1 C/m^2."""
BJERRUM = 0.714
"""Bjerrum length of water at 298 K and a relative permittivity of 80, as in the published models, nm."""
