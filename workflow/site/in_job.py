"""What runs in a controller's job: `python -m workflow.site.in_job RUN_FOLDER SECONDS`.

It goes on with the run, and before its walltime is over it stops the controller and hands in the next job; so
until the run is finished or somebody stops it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from workflow.chain import Chain, newest
from workflow.events import last_event
from workflow.folder import STALE_AFTER, RunFolder

MOST_IDLE = 3
"""Jobs in a row that may come to nothing."""

LOCKED, RESUMABLE = 4, 75
"""Exit codes of `mlaround resume`."""

SUBMISSIONS, PAUSE = 3, 15.0
"""How often the next job is handed in where Slurm does not take it, and the seconds between."""

GRACE = 5.0
"""Seconds around the end of the walltime: whoever is ended then was ended by it."""


class Warned:
    """What the batch system has told this job.

    Args:
        ends: when its walltime is over.
    """

    def __init__(self, ends: float) -> None:
        self.ends = ends
        self.over = False
        """Whether its walltime is about to be over."""
        self.cancelled = False
        """Whether somebody, or another job, wants its place."""
        self.child: subprocess.Popen[bytes] | None = None

    def told(self) -> bool:
        """Whether it was told anything."""
        return self.over or self.cancelled

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal: the controller stops cleanly, and this process sees to what follows."""
        if number == signal.SIGUSR1 or time.time() > self.ends - GRACE:
            self.over = True
        else:
            self.cancelled = True
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()


def main(run: RunFolder, seconds: float) -> int:
    """Control the run for one job; the exit code of the job.

    Args:
        run: to go on with.
        seconds: the job's walltime.
    """
    chain, job = Chain(run), os.environ.get("SLURM_JOB_ID", "")
    if chain.stopped:
        print("the run was stopped; to go on with it: mlaround resume --submit", flush=True)
        chain.write(over="stopped")
        return 0
    chain.write(job=job, over=None)
    before, began = _progress(run), time.time()
    warned = Warned(began + seconds)
    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, warned)
    code = _control(run, warned)
    if code == LOCKED and not warned.told():
        # Of a controller whose node is gone it is known only after a while that it is.
        time.sleep(STALE_AFTER)
        code = _control(run, warned)
    why = _over(run, chain, code, warned)
    if why is None:
        advanced = _progress(run) > before or _checkpoints(run) > began
        idle = 0 if advanced else int(chain.read().get("idle") or 0) + 1
        why = _follow(chain, idle)
    if why is not None:
        chain.write(over=why)
        print(f"no other job follows: {why}", flush=True)
    return code if why is not None and code > 0 and code != RESUMABLE else 0


def _control(run: RunFolder, warned: Warned) -> int:
    if warned.told():
        return RESUMABLE
    warned.child = subprocess.Popen(
        [sys.executable, "-m", "workflow.cli", "resume", str(run.path)], stdin=subprocess.DEVNULL
    )
    if warned.told():  # by a signal that came just before there was a child
        warned.child.terminate()
    return warned.child.wait()


def _over(run: RunFolder, chain: Chain, code: int, warned: Warned) -> str | None:
    """Why no other controller is to follow; ``None`` if one is."""
    if code == 0 or code == 1:
        return "the run is over"
    if code == LOCKED:
        return "another controller holds the run"
    if chain.stopped or any((run.read_request(name) or {}).get("verb") == "stop" for name in run.requests()):
        return "the run was stopped"
    if warned.cancelled:  # where a job is requeued, Slurm does that
        return "the job was cancelled"
    if code == RESUMABLE:
        last = last_event(run.events) or {}
        # It was asked to stop, say, or has used up the time that the campaign gives it.
        reason = str(last.get("reason")) if last.get("event") == "run_stopped" else "SIGTERM"
        return None if warned.over and reason == "SIGTERM" else reason
    if code > 0:
        return f"the controller ended with {code}"
    return None  # it was killed: for want of memory, say; the next one gets a try


def _progress(run: RunFolder) -> tuple[int, int]:
    """Simulations that are over, and models."""
    status = run.read_status() or {}
    counts, model = status.get("simulations") or {}, status.get("model") or {}
    return counts.get("done", 0) + counts.get("failed", 0), model.get("version") or 0


def _checkpoints(run: RunFolder) -> float:
    """When the newest checkpoint was written: a simulation may take longer than several jobs."""
    return newest(list(run.trajectories.glob("*/*.checkpoint.*")))


def _follow(chain: Chain, idle: int) -> str | None:
    """Hand in the next job; why there is none, if there is none."""
    if idle >= MOST_IDLE:
        return f"{idle} jobs in a row came to nothing; look at {chain.folder}"
    problem = ""
    for attempt in range(SUBMISSIONS):
        if attempt:
            time.sleep(PAUSE)
        try:
            job = chain.submit(idle)
        except (OSError, subprocess.SubprocessError) as error:
            problem = f"Slurm does not take the next job: {error}"
            print(problem, flush=True)
            continue
        print(f"job {job} goes on with the run", flush=True)
        return None
    return problem


if __name__ == "__main__":
    sys.exit(main(RunFolder(Path(sys.argv[1])), float(sys.argv[2])))
