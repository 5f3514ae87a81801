"""The graphics card: is there one, what is it, and how are kernels launched on it."""

from __future__ import annotations

import importlib.util
import itertools
from dataclasses import dataclass
from typing import Any

from simulators.contract import SimulatorError

WARP = 32

_OTHERWISE = "or compute with backend: cpu"


@dataclass(frozen=True)
class Card:
    """The card that kernels run on.

    Args:
        name: as its driver gives it.
        compute_capability: such as (9, 0).
        multiprocessors: how many blocks run at the same time at least.
        free_bytes: memory that is free now.
    """

    name: str
    compute_capability: tuple[int, int]
    multiprocessors: int
    free_bytes: float


def find_card() -> Card:
    """The card that this process uses: the first one that CUDA_VISIBLE_DEVICES leaves.

    Raises:
        SimulatorError: numba-cuda, a driver that is new enough, or a card is missing; with what to do.
    """
    from numba.core import config

    if config.ENABLE_CUDASIM:
        return Card("numba's simulator of CUDA", (9, 0), 1, float("inf"))
    if importlib.util.find_spec("numba_cuda") is None:
        raise SimulatorError(
            f"backend: cuda needs numba-cuda; install it with pip install 'mlaround[gpu]', {_OTHERWISE}"
        )
    from numba import cuda
    from numba.cuda.core import config as cuda_config
    from numba.cuda.cudadrv.driver import CudaAPIError, CudaSupportError

    # A batch smaller than the card is what the user asked for.
    cuda_config.CUDA_LOW_OCCUPANCY_WARNINGS = 0
    try:
        if not len(cuda.gpus):
            raise CudaSupportError("the driver lists none")
        card = cuda.get_current_device()
        free, _ = cuda.current_context().get_memory_info()
    except (CudaSupportError, CudaAPIError) as error:
        why = " ".join(str(error).split()).rstrip(" :.")
        raise SimulatorError(
            f"backend: cuda finds no CUDA device ({why}); it needs an NVIDIA card, a driver of CUDA 12 or "
            f"newer (nvidia-smi shows both) and pip install 'mlaround[gpu]', {_OTHERWISE}"
        ) from None
    name = card.name.decode() if isinstance(card.name, bytes) else str(card.name)
    return Card(name, tuple(card.compute_capability), int(card.MULTIPROCESSOR_COUNT), float(free))


def chunks(replicas: int, bytes_each: float, card: Card) -> list[range]:
    """Parts of a batch that fit into nine tenths of the free memory, as equal as can be.

    Raises:
        SimulatorError: not even one replica fits.
    """
    at_once = int(min(replicas, 0.9 * card.free_bytes / bytes_each))
    if at_once < 1:
        raise SimulatorError(
            f"one replica needs {bytes_each / 2**20:.0f} MiB and {card.name} has "
            f"{card.free_bytes / 2**20:.0f} MiB free; make it smaller, {_OTHERWISE}"
        )
    parts = -(-replicas // at_once)
    bounds = [replicas * k // parts for k in range(parts + 1)]
    return [range(first, last) for first, last in itertools.pairwise(bounds)]


def threads_per_block(work: list[int], most: int) -> int:
    """The size of blocks that wastes the fewest threads; the larger of two that waste the same.

    Args:
        work: for each replica (a block), how many threads it could use; it goes round if there are fewer.
        most: a multiple of a warp.
    """
    sizes = range(WARP, most + WARP, WARP)
    return min(sizes, key=lambda size: (sum(-(-n // size) * size for n in work), -size))


def launch(kernel: Any, blocks: int, threads: int, *arguments: Any) -> None:
    """Start a kernel; returns before it has ended.

    Args:
        kernel: from `simulators.md.cuda.arithmetic.kernel`.
        blocks: how many.
        threads: of each block.
        arguments: device arrays, numbers, or named tuples of device arrays.
    """
    from simulators.md.cuda.arithmetic import SIMULATED

    if SIMULATED:
        # The simulator looks for arrays among the arguments, not inside of tuples.
        from numba.cuda.simulator.cudadrv.devicearray import FakeWithinKernelCUDAArray as Within

        arguments = tuple(type(a)(*map(Within, a)) if isinstance(a, tuple) else a for a in arguments)
    kernel[blocks, threads](*arguments)
