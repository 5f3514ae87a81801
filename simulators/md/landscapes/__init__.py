"""A particle or two dimensions: deterministic flights, walkers on a surface, escape over a barrier."""
