"""Molecular dynamics on a graphics card: whole batches in one launch, hundreds of steps to a launch.

`device` finds the card and says what is missing, `arithmetic` makes device functions of laws, `block` has
what the threads of a block do together, and `batch` goes through the steps. For each kind of system there are
the kernels (`slit`, `fluid`) and what brings replicas to the card and back (`slit_replicas`, ...).
"""
