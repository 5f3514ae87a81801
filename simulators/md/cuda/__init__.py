"""Molecular dynamics on a graphics card: whole batches in one launch, hundreds of steps to a launch.

`device` finds the card and says what is missing, `arithmetic` makes device functions of laws, `batch` keeps the
state on the card and goes through the steps; the kernels are the modules beside them.
"""
