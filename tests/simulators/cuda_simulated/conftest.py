"""Kernels under numba's simulator of CUDA, which has to be chosen before numba is imported.

`test_cuda_simulated.py` runs this folder in a process of its own.
"""

import os
import sys

if os.environ.get("NUMBA_ENABLE_CUDASIM") != "1":
    collect_ignore_glob = ["*"]
else:
    # Who looks whether all threads of a block have met does so without a pause, and keeps them from running
    # for as long as one thread of Python keeps the others: by default a hundred times what they need.
    sys.setswitchinterval(5e-5)
