"""Who may use which cores of a block, told by tickets.

A ticket is a file in a folder of the node that all of a block's workers run on. Seats are given strictly
in the order of tickets, so that a wide program waits for the narrow ones before it and for none behind
it, and all seats of a program at once, so that no two programs wait for each other. A ticket is good for
as long as somebody holds the lock on its file, which the system releases whatever happens to its holder.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

LOOK = 0.03
"""Seconds between two looks of whoever is next; others look less often."""
LONGEST_LOOK = 0.5
Nodes = Mapping[str, int]
"""Node to cores, or to ranks."""


class NoSeatsError(Exception):
    """The block could never seat so many ranks."""


def allot(free: Nodes, ranks: int, cores: int) -> dict[str, int] | None:
    """Ranks for each node: on one node if they fit, the one that they fill best; else on the emptiest ones.

    Args:
        free: seats of each node.
        ranks: to be placed, all of them.
        cores: seats of a rank.
    """
    room = {node: seats // cores for node, seats in free.items()}
    fitting = [node for node in room if room[node] >= ranks]
    if fitting:
        return {min(fitting, key=lambda node: free[node]): ranks}
    found: dict[str, int] = {}
    for node in sorted(room, key=lambda node: -room[node]):
        if taken := min(room[node], ranks - sum(found.values())):
            found[node] = taken
    return found if sum(found.values()) == ranks else None


class Seats:
    """The seats of a block, as a folder says who has them.

    Args:
        folder: holds tickets; it comes and goes with them.
        nodes: cores of each node.
        end_step: ends what is left of a program, by its name, whose holder died.
    """

    def __init__(
        self, folder: Path, nodes: Nodes, end_step: Callable[[str], None] = lambda name: None
    ) -> None:
        self._folder, self._nodes, self._end_step = folder, nodes, end_step

    @contextmanager
    def taken(self, ranks: int, cores: int, name: str) -> Iterator[tuple[dict[str, int], int, Path]]:
        """Wait for seats and hold them: ranks on each node, the open ticket, and a file to use meanwhile.

        Args:
            ranks: processes of a program.
            cores: of each.
            name: of the program.

        Raises:
            NoSeatsError: the block is too small.
        """
        if allot(self._nodes, ranks, cores) is None:
            each = f" of {cores} cores" if cores > 1 else ""
            has = ", ".join(f"{node}: {seats}" for node, seats in self._nodes.items())
            raise NoSeatsError(
                f"{ranks} ranks{each} do not fit into this block, whose nodes have these cores: {has}. "
                "Ask for larger blocks (resources: nodes, ntasks_per_node), or for fewer ranks."
            )
        with self._alone():
            number = max((int(path.stem) for path in self._tickets()), default=0) + 1
            path = self._folder / f"{number:09d}.ticket"
            holder = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(holder, fcntl.LOCK_EX)
            _write(holder, {"ranks": ranks, "cores": cores, "name": name, "on": None})
        try:
            while True:
                on, before = self._serve(path)
                if on is not None:
                    break
                time.sleep(min(LONGEST_LOOK, LOOK * (1 + before)))
            yield on, holder, path.with_suffix(".hosts")
        finally:
            with self._alone():
                _remove(path)
                os.close(holder)
            self._serve(None)

    def _serve(self, own: Path | None) -> tuple[dict[str, int] | None, int]:
        """Seat whose turn it is; what one ticket has got, and how many wait before it."""
        free, waiting, got, before = dict(self._nodes), 0, None, 0
        with self._alone():
            for path in self._tickets():
                file = os.open(path, os.O_RDWR)
                try:
                    ticket = json.loads(os.pread(file, 2**16, 0))
                    if _unlocked(file):
                        if ticket["on"] is not None:
                            self._end_step(ticket["name"])
                        _remove(path)
                        continue
                    if ticket["on"] is None and not waiting:
                        ticket["on"] = allot(free, ticket["ranks"], ticket["cores"])
                        _write(file, ticket)
                finally:
                    os.close(file)
                if path == own:
                    got, before = ticket["on"], waiting
                waiting += ticket["on"] is None
                for node, ranks in (ticket["on"] or {}).items():
                    free[node] -= ranks * ticket["cores"]
        return got, before

    def _tickets(self) -> list[Path]:
        return sorted(self._folder.glob("*.ticket"))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else reads or writes tickets; the folder is there within, and goes with the last ticket."""
        while True:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if self._folder.stat().st_uid != os.getuid():
                raise PermissionError(f"{self._folder} belongs to somebody else")
            folder = os.open(self._folder, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                if os.fstat(folder).st_nlink == 0:  # it went while this waited
                    continue
                yield
                with suppress(OSError):  # there are tickets
                    self._folder.rmdir()
                return
            finally:
                os.close(folder)


def _remove(path: Path) -> None:
    for each in (path, path.with_suffix(".hosts")):
        each.unlink(missing_ok=True)


def _write(file: int, ticket: dict[str, Any]) -> None:
    data = json.dumps(ticket).encode()
    os.pwrite(file, data, 0)
    os.ftruncate(file, len(data))


def _unlocked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
