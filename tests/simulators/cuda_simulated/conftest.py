"""Kernels under numba's simulator of CUDA, which has to be chosen before numba is imported.

`test_cuda_simulated.py` runs this folder in a process of its own.
"""

import os

if os.environ.get("NUMBA_ENABLE_CUDASIM") != "1":
    collect_ignore_glob = ["*"]
