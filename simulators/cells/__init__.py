"""Cells: a colony with a gene circuit as fields over the radius, reactions in one cell as noisy kinetics."""
