"""Controllers in jobs of a batch system, one after another: what they leave in the run folder for each other.

Nothing heavy is imported: `mlaround status` looks here too.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from workflow.folder import RunFolder, write_atomically


class Chain:
    """The jobs of a run's controllers: the script that each of them is, and where they have got to.

    Args:
        run: whose folder it is.
    """

    def __init__(self, run: RunFolder) -> None:
        self.folder = run.path / "slurm"
        self.script = self.folder / "controller.sbatch"
        self.output = str(self.folder / "controller-%j.out")
        self._state = self.folder / "controller.json"
        self._stopped = self.folder / "stopped"

    def read(self) -> dict[str, Any]:
        """The last that was written; empty if no controller was ever submitted."""
        with suppress(OSError, ValueError):
            found = json.loads(self._state.read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else {}
        return {}

    def write(self, **fields: Any) -> None:
        """Replace some of what is known: ``job``, ``over`` (why no other follows), ``idle``."""
        write_atomically(self._state, json.dumps({**self.read(), **fields}))

    @property
    def job(self) -> str | None:
        """The job that holds the run or will, as far as the folder says."""
        state = self.read()
        return None if state.get("over") else state.get("job")

    @property
    def stopped(self) -> bool:
        """Whether somebody wanted no further controller."""
        return self._stopped.exists()

    def stop(self) -> None:
        """No further controller; one that is in the queue ends as soon as it starts."""
        self._stopped.touch()

    def begin(self) -> None:
        """Forget what ended an earlier chain."""
        self.folder.mkdir(exist_ok=True)
        self._stopped.unlink(missing_ok=True)
        self._state.unlink(missing_ok=True)

    def submit(self, idle: int = 0) -> str:
        """Hand the script to Slurm, unless somebody wants no further controller; the job's number.

        Args:
            idle: how many jobs before it came to nothing.

        Raises:
            OSError: Slurm does not take it; the message is its own.
        """
        done = subprocess.run(
            ["sbatch", "--parsable", str(self.script)],
            env=outside_of_jobs(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            raise OSError("; ".join(lines) or f"sbatch ended with {done.returncode}")
        job = done.stdout.strip().partition(";")[0]
        self.write(job=job, idle=idle, over=None)
        if self.stopped:  # in just this moment
            cancel(job)
            self.write(over="stopped")
        return job


def outside_of_jobs() -> dict[str, str]:
    """The environment without what Slurm tells a job of itself, which another job would take for its own."""
    kept = ("SLURM_CONF", "SLURM_CLUSTERS")
    return {k: v for k, v in os.environ.items() if not k.startswith("SLURM_") or k in kept}


def queued(job: str) -> str | None:
    """The state of a job that waits, runs or is about to end; ``None`` if it is over or nobody can say."""
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            ["squeue", "-h", "-j", job, "-o", "%T"], capture_output=True, text=True, timeout=20
        )
        state = done.stdout.strip()
        return state.lower() or None
    return None


def cancel(job: str) -> bool:
    """Take a job out of the queue; whether Slurm was there to be asked."""
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(["scancel", job], capture_output=True, text=True, timeout=20)
        return done.returncode == 0
    return False


def newest(paths: list[Path]) -> float:
    """When the newest of some files was written; 0 of none."""
    times = [0.0]
    for path in paths:
        with suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times)
