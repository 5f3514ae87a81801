"""Kernels under numba's simulator of CUDA, which has to be chosen before numba is imported.

`test_cuda_simulated.py` runs this folder in a process of its own.
"""

import os
import sys
import threading

if os.environ.get("NUMBA_ENABLE_CUDASIM") != "1":
    collect_ignore_glob = ["*"]
else:
    import numpy as np
    from numba.cuda.simulator.kernelapi import FakeCUDAShared

    one_at_a_time = threading.Lock()

    def array(self, shape, dtype, alignment=None):
        """One array for each line that asks for one; the simulator's own may give two threads one each."""
        frame = sys._getframe(1)
        line = (frame.f_code.co_filename, frame.f_lineno)
        with one_at_a_time:
            if line not in self._allocations:
                self._allocations[line] = np.empty(shape, dtype)
            return self._allocations[line]

    FakeCUDAShared.array = array
