"""What the threads of a block do together."""

from __future__ import annotations

from numba import cuda

from simulators.md.cuda.arithmetic import device


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
