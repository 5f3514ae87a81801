"""Whether the file system of a folder keeps what a run relies on.

A run relies on renames that replace a file at once, on locks that keep a second controller out, on small
files being cheap, and on clocks that agree. Everything is tried in a folder that is removed again.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workflow.doctor.check import Check
from workflow.doctor.other import taken, whole
from workflow.folder import write_atomically
from workflow.preflight import CLOCKS
from workflow.site.file_systems import file_system, of_one_machine
from workflow.words import duration

TIMES = 50
SLOW = 0.1
"""Seconds for a small file beyond which tasks should be longer than usual."""
LITTLE_SPACE, FEW_FILES = 2e9, 20_000
PATIENCE = 10.0
"""Seconds for what takes milliseconds."""


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A folder of the doctor's own, inside another."""
    with tempfile.TemporaryDirectory(
        prefix=".mlaround-doctor-", dir=folder, ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


def shared(folder: Path, *, many_machines: bool) -> list[Check]:
    """Checks of a folder's file system.

    Args:
        folder: where runs are to be.
        many_machines: whether a batch system will run workers elsewhere.
    """
    subject = f"file system of {folder.resolve()}"
    try:
        with scratch(folder) as place:
            return [
                _type(subject, folder, many_machines),
                _space(subject, folder),
                _rename(subject, place),
                _lock(subject, place),
                _latency(subject, place),
                _clock(subject, place),
            ]
    except OSError as error:
        return [
            Check(subject, "files", error.strerror or str(error), "choose a folder that you can write to")
        ]


def _type(subject: str, folder: Path, many_machines: bool) -> Check:
    where, kind = file_system(folder)
    do = ""
    if many_machines and of_one_machine(folder):
        do = "nodes may not see it: put runs on a file system that all share; --nodes tells"
    return Check(subject, "type", f"{kind or 'unknown'}, mounted at {where or '/'}", do)


def _space(subject: str, folder: Path) -> Check:
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    words = f"{free / 1e9:.3g} GB free"
    few = bool(found.f_files) and found.f_favail < FEW_FILES
    if found.f_files:  # some have no such limit
        words += f", {found.f_favail:,} more files"
    little = free < LITTLE_SPACE or few
    return Check(subject, "space", words, "make room, or choose another file system" if little else "")


def _rename(subject: str, place: Path) -> Check:
    """Replace a file while another process reads it."""
    path, number = place / "replaced", 0
    write_atomically(path, whole(number))
    with _other("read", path) as (reader, _):
        while reader.poll() is None:
            number += 1
            write_atomically(path, whole(number))
        assert reader.stdout is not None
        counts = json.loads(reader.stdout.read())
    bad = counts["parts"] + counts["gaps"]
    words = f"{counts['reads']:,} reads during {number:,} replacements: "
    if not bad:
        return Check(subject, "atomic rename", words + "always a whole file")
    words += f"{counts['parts']:,} saw a part, {counts['gaps']:,} no file"
    do = "use another file system: readers of a run would see files that are not complete"
    return Check(subject, "atomic rename", words, do)


def _lock(subject: str, place: Path) -> Check:
    """Two processes want one lock; then the one that has it is killed."""
    name, path = "locks", place / "locked"
    alone = "until then never resume a run that is being run: only controller.json guards it"
    with _other("hold", path) as (holder, said):
        if said != "held":
            return Check(subject, name, f"none: {said}", f"mount it with locks (Lustre: -o flock); {alone}")
        handle, why = taken(path)
        if handle >= 0:
            os.close(handle)
            do = f"mount it so that locks count between processes and nodes (Lustre: -o flock); {alone}"
            return Check(subject, name, "two processes had the same lock at a time", do)
        holder.kill()
        start = time.monotonic()
        while handle < 0 and time.monotonic() - start < PATIENCE:
            time.sleep(0.001)
            handle, why = taken(path)
        took = time.monotonic() - start
    if handle < 0:
        do = "a run whose controller was killed can be resumed only when the server lets its lock go"
        return Check(subject, name, f"still {why} {duration(took)} after its holder was killed", do)
    os.close(handle)
    return Check(
        subject, name, f"exclude another process, and drop {duration(took)} after their holder is killed"
    )


@contextmanager
def _other(what: str, path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process of this program, and the first line that it prints."""
    command = [sys.executable, "-m", "workflow.doctor.other", what, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        with process:  # closes its pipes, and waits
            process.kill()


def _latency(subject: str, place: Path) -> Check:
    """A small file as the engine writes them: made, flushed to disk, renamed, removed."""
    path, took = place / "small", []
    for _ in range(TIMES):
        start = time.perf_counter()
        write_atomically(path, "x" * 1000, durable=True)
        path.unlink()
        took.append(time.perf_counter() - start)
    middle = statistics.median(took)
    words = f"{duration(middle)} each, {duration(max(took))} at worst, of {TIMES}"
    do = (
        f"let tasks be long: resources.task_time of {duration(300 * middle)} or more" if middle > SLOW else ""
    )
    return Check(subject, "small files", words, do)


def _clock(subject: str, place: Path) -> Check:
    """How far this machine's clock is from the one that stamps files."""
    path, trials = place / "stamped", []
    for _ in range(5):
        before = time.time()
        path.write_bytes(b"0")
        after = time.time()
        trials.append((after - before, (before + after) / 2 - path.stat().st_mtime))
        path.unlink()
    within, ahead = min(trials)
    do = (
        "ask who runs it to synchronise this machine with its file servers (NTP)"
        if abs(ahead) > CLOCKS
        else ""
    )
    within += 0.01  # the system's own clock of files goes in steps
    words = f"agrees with this machine's to within {duration(within)}"
    if abs(ahead) > within:
        words = f"this machine is {duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} it"
    return Check(subject, "clock of files", words, do)
