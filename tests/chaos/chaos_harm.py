"""Rows of the table in which nothing is killed: disks, files, the log and the clock."""

from __future__ import annotations

import ctypes
import errno
import os
import random
import re
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import chaos_kills
import numpy as np
from chaos_runs import EXPECTED, PATIENT, Controller, Digests, Tally, Watch, is_done, wait_for

from workflow.events import Event
from workflow.folder import RunFolder
from workflow.record import Record

CLOCK = Path(__file__).with_name("shifted_clock")

SHORT = ("simulator.seconds=0.04",)
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000

DISK = 96
"""MiB of the file system that fills up, or breaks."""


class NotHereError(Exception):
    """What is needed to try something is not allowed on this machine; says what."""


def mounts_of_our_own() -> None:
    """Give this process mounts that no other sees and that go with it.

    Raises:
        NotHereError: the system does not let it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    me, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNS | (CLONE_NEWUSER if me else 0)):
        raise NotHereError(f"no mounts of its own for a test: {os.strerror(ctypes.get_errno())}")
    if me:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {me} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _do("mount", "--make-rprivate", "/")


def _do(*command: str, good: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in good:
        raise NotHereError(f"{' '.join(command[:3])}: {done.stderr.strip()}")


# A disk that is full, or turns read-only.


def disk_full(tally: Tally, times: int, chance: random.Random, place: Path, expected: Digests) -> None:
    """Fill the run's disk while a controller works, make room once it has given up, and go on."""
    mounts_of_our_own()
    disk = place / "small"
    disk.mkdir()
    _do("mount", "-t", "tmpfs", "-o", f"size={DISK}m", "none", str(disk))
    filler = disk / "filler"

    def harm() -> None:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 65536)
        with suppress(OSError):  # now and then a little is left, which half a line or half a file fits in
            os.truncate(filler, max(0, filler.stat().st_size - 4096 * chance.choice([0, 0, 1, 2])))

    _harm_and_mend(tally, times, chance, disk / "run", expected, harm, filler.unlink, errno.ENOSPC)


def read_only(tally: Tally, times: int, chance: random.Random, place: Path, expected: Digests) -> None:
    """Let the run's disk report an error, whereupon the system makes it read-only; mend it, and go on."""
    if os.getuid():
        raise NotHereError("only root may mount a disk that breaks")
    mounts_of_our_own()
    disk, image = place / "disk", place / "image"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(2 * DISK * 2**20)
    _do("mkfs.ext4", "-q", str(image))

    def mount() -> None:
        _do("mount", "-o", "loop,errors=remount-ro", str(image), str(disk))

    def harm() -> None:
        device = re.search(rf"/dev/(\S+) {disk} ", Path("/proc/mounts").read_text())
        trigger = Path(f"/sys/fs/ext4/{device[1] if device else ''}/trigger_fs_error")
        try:
            trigger.write_text("1")
        except OSError as error:
            raise NotHereError(f"no disk that breaks when it is told to: {error}") from None

    def mend() -> None:
        _do("umount", str(disk))
        _do("e2fsck", "-p", str(image), good=(0, 1))
        mount()

    mount()
    try:
        _harm_and_mend(tally, times, chance, disk / "run", expected, harm, mend, errno.EROFS)
    finally:
        _do("umount", str(disk))


def _harm_and_mend(
    tally: Tally,
    times: int,
    chance: random.Random,
    run: Path,
    expected: Digests,
    harm: Callable[[], None],
    mend: Callable[[], None],
    number: int,
) -> None:
    """Harm the disk of a working controller, which is to end and say why; mend it and start the next one.

    A run is begun anew once its disk is half full.
    """
    said = run.parents[1] / "said"
    part = 0
    while tally.wants(times):
        folder = run.with_name(f"run-{part}")
        controller = Controller(folder, PATIENT, *SHORT, said=said)
        if not wait_for(RunFolder(folder).exists):
            tally.troubles.append("the controller did not start")
            return
        watch, before = _watched(folder)
        if tally.instants and not _record_recovery(tally, controller, watch, before):
            return
        if watch.record.tasks > 15 * (DISK // 8):
            part += 1
            chaos_kills.end([tally], controller, watch, expected)
            subprocess.run(["rm", "-r", str(folder)], check=True)
            continue
        time.sleep(chance.uniform(0, 0.5))
        start = time.monotonic()
        harm()
        code = controller.wait()
        tally.instants += 1
        tally.detect.append(time.monotonic() - start)
        words = said.read_text() if said.exists() else ""
        named = os.strerror(number).lower() in words.lower() or os.strerror(number) in _reason(folder)
        if code not in (EXPECTED, 1) or not named:
            controller.kill()
            tally.troubles.append(f"ended with {code} and not a clear word: {words[-600:]}")
            return
        tally.gone(controller)
        said.unlink(missing_ok=True)
        mend()
    last = Controller(folder, PATIENT, *SHORT, said=said)
    watch, before = _watched(folder)
    _record_recovery(tally, last, watch, before)
    chaos_kills.end([tally], last, watch, expected)


def _watched(run: Path) -> tuple[Watch, int]:
    watch = Watch(run)
    return watch, watch.look()


def _reason(run: Path) -> str:
    """Why the last controller that could still say it let the run go."""
    stopped = Record.read(RunFolder(run).events).run_stopped
    return stopped["reason"] if stopped else ""


def _record_recovery(tally: Tally, controller: Controller, watch: Watch, before: int) -> bool:
    """Wait for a first result; whether one came."""
    pair = chaos_kills.awaited(watch, before, is_done, controller)
    if pair is None:
        controller.kill()
        tally.troubles.append(f"nothing more was done: {controller.said.read_text()[-600:]}")
        return False
    tally.recover.append(pair[0] - controller.started)
    return True


# Files of a run that no controller holds.


def result_files(tally: Tally, times: int, chance: random.Random, place: Path, expected: Digests) -> None:
    """Cut or remove result files of tasks that are done, and go on."""

    def harm(run: Path) -> Callable[[Event], bool]:
        done = np.flatnonzero(Record.read(RunFolder(run).events).task_finished).tolist()
        numbers = set(chance.sample(done, min(3, len(done))))
        for path in map(RunFolder(run).result, sorted(numbers)):
            if chance.random() < 0.4:
                path.unlink()
            else:
                os.truncate(path, chance.randrange(path.stat().st_size))
        tally.instants += len(numbers)
        return lambda event: event["event"] == "task_retried" and event["task"] in numbers

    _between_controllers(tally, times, chance, place / "files", expected, harm)


def log_tail(tally: Tally, times: int, chance: random.Random, place: Path, expected: Digests) -> None:
    """Leave the log as a power failure may: cut anywhere in its last events, or with rubbish at its end."""

    def harm(run: Path) -> Callable[[Event], bool]:
        log = RunFolder(run).events
        data = log.read_bytes()
        lines = data.splitlines(keepends=True)
        back = sum(map(len, lines[-chance.randint(1, min(40, len(lines) - 1)) :]))
        rubbish = chance.choice([b"", b"", b"\0" * 512, b"\0" * 100 + b"\n", b'{"seq":'])
        log.write_bytes(data[: len(data) - chance.randint(0, back)] + rubbish)
        tally.instants += 1
        return lambda event: event["event"] == "run_started"

    _between_controllers(tally, times, chance, place / "log", expected, harm)


def _between_controllers(
    tally: Tally,
    times: int,
    chance: random.Random,
    run: Path,
    expected: Digests,
    harm: Callable[[Path], Callable[[Event], bool]],
) -> None:
    """Kill a controller, harm what it left, start the next one and see that it notices."""
    controller = Controller(run, PATIENT, *SHORT)
    watch = Watch(run)
    wait_for(lambda: watch.find(0, is_done))
    while tally.wants(times):
        time.sleep(chance.uniform(0, 0.3))
        controller.kill()
        tally.gone(controller)
        noticed = harm(run)
        watch, before = _watched(run)
        controller = Controller(run, PATIENT, *SHORT)
        pair = chaos_kills.awaited(watch, before, noticed, controller)
        if pair is None:
            tally.troubles.append("it was not noticed")
            break
        tally.detect.append(pair[0] - controller.started)
        if not _record_recovery(tally, controller, watch, before):
            return
    chaos_kills.end([tally], controller, watch, expected)


# The clock.


def clock(tally: Tally, times: int, chance: random.Random, place: Path, expected: Digests) -> None:
    """Let the clock of all of a run's processes jump, either way, while it goes on."""
    sys.path.append(str(CLOCK))
    import sitecustomize as shifted

    offset = place / "offset"
    paths = filter(None, [str(CLOCK), os.environ.get("PYTHONPATH")])
    environment = {shifted.VARIABLE: str(offset), "PYTHONPATH": os.pathsep.join(paths)}
    overrides = (*chaos_kills.LOCAL, *chaos_kills.TRAINING, "training.every=40")

    number = 0
    while tally.wants(times):
        offset.write_bytes(struct.pack("d", 0.0))
        run = place / f"clock-{number}"
        number += 1
        controller = Controller(run, PATIENT, *overrides, environment=environment, prepare=shifted.shift)
        watch = Watch(run)
        chaos_kills.awaited(watch, 0, is_done, controller)
        ends = min(times, tally.instants + chaos_kills.AT_ONCE)
        while tally.wants(ends):
            time.sleep(chance.uniform(0.05, 0.4))
            if not _jumped(tally, offset, chance, watch, controller):
                break
        chaos_kills.end([tally], controller, watch, expected)


def _jumped(tally: Tally, offset: Path, chance: random.Random, watch: Watch, controller: Controller) -> bool:
    """Let the clock jump; whether the run went on."""
    after = watch.look()
    jump = chance.choice([-1, 1]) * chance.choice([1.0, 60.0, 3600.0, 86400.0])
    with offset.open("r+b") as file:
        file.write(struct.pack("d", jump))
    start = time.monotonic()
    tally.instants += 1
    pair = chaos_kills.awaited(watch, after + 1, is_done, controller)
    if pair is None:
        tally.troubles.append(f"nothing was done after the clock jumped by {jump:g} s")
        return False
    tally.recover.append(pair[0] - start)
    return True
