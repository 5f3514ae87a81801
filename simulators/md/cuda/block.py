"""What the threads of a block do together."""

from __future__ import annotations

import numpy as np
from numba import cuda

from simulators.md.cuda.arithmetic import SIMULATED, device

TILE = 512
"""Particles that a block has in shared memory at a time."""
_WORDS = 4 * TILE

if SIMULATED:

    @device
    def shared_tile():
        """Shared int32 array (4 TILE,): four words to a particle."""
        return cuda.shared.array(_WORDS, np.int32)

else:

    @cuda.jit(device=True, inline="always")
    def shared_tile():
        """Shared int32 array (4 TILE,): four words to a particle, aligned so that one load takes them all."""
        return cuda.shared.array(_WORDS, np.int32, alignment=16)


@device
def block_sum(scratch):
    """The sum of one number from each thread of the block, in an order that depends on their count alone.

    Args:
        scratch: shared array (threads or more,) into which each thread has put its number; overwritten.

    Returns:
        the sum, to every thread; `scratch` may be used again.
    """
    thread, count = cuda.threadIdx.x, cuda.blockDim.x
    cuda.syncthreads()
    while count > 1:
        half = (count + 1) // 2
        if thread < count - half:
            scratch[thread] += scratch[thread + half]
        cuda.syncthreads()
        count = half
    total = scratch[0]
    cuda.syncthreads()
    return total
