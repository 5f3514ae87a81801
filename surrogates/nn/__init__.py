"""Machinery of the network ensembles: training with torch, forward passes with numpy."""
