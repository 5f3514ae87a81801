"""Shifts the clock of every Python process by the seconds that lie in a file, read anew at each look.

Python imports this module at its start where the folder is on PYTHONPATH. The real time is untouched.
"""

from __future__ import annotations

import mmap
import os
import struct
import time

VARIABLE = "MLAROUND_CHAOS_CLOCK"


def shift() -> None:
    with open(os.environ[VARIABLE], "rb") as file:
        offset = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + struct.unpack("d", offset[:])[0]
    time.time_ns = lambda: now_ns() + int(1e9 * struct.unpack("d", offset[:])[0])


if VARIABLE in os.environ:
    shift()
