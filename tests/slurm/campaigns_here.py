"""Campaigns on the Slurm of these tests: started, watched, and looked at when they are over."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import engine_runs
from cluster import Slurm, wait_until

WORKFLOW = Path(__file__).parents[1] / "workflow"
MLAROUND = [sys.executable, "-m", "workflow.cli"]

SLOWLY = 240.0
"""Seconds for what takes fifteen on a machine that has nothing else to do."""


class Campaign:
    """A campaign on Slurm, from its start to its end.

    Args:
        slurm: where it runs.
        folder: for its file and its run.
        text: the campaign's YAML; plug-ins of the engine's tests lie beside it.
    """

    def __init__(self, slurm: Slurm, folder: Path, text: str) -> None:
        self.slurm, self.text = slurm, text
        self.file, self.run = folder / "campaign.yaml", folder / "run"
        self.file.write_text(text)
        shutil.copy(WORKFLOW / "engine_plugins.py", folder)
        self.output = folder / "output"
        self.controller: subprocess.Popen[bytes] | None = None
        self.job = 0

    @property
    def command(self) -> list[str]:
        """What starts it."""
        return [*MLAROUND, "run", str(self.file), "--run", str(self.run)]

    def start(self) -> None:
        """Start the controller here."""
        with self.output.open("ab") as output:
            self.controller = subprocess.Popen(
                self.command, env=self.slurm.env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def submit(self, command: list[str], *options: str) -> int:
        """Start a controller in a job of its own; the job's number."""
        self.job = self.slurm.submit(f"exec {shlex.join(command)} >> {self.output} 2>&1\n", *options)
        return self.job

    def events(self, *names: str) -> list[dict[str, Any]]:
        """The events of these names so far."""
        try:
            lines = (self.run / "events.jsonl").read_text().splitlines(keepends=True)
        except OSError:
            return []
        found = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in found if event["event"] in names]

    def wait(self, count: int, *names: str, **fields: Any) -> dict[str, Any]:
        """Wait for so many events with these names and fields; the last of them."""

        def those() -> list[dict[str, Any]]:
            return [e for e in self.events(*names) if fields.items() <= e.items()]

        wait_until(lambda: len(those()) >= count or self.over(), f"{names} {fields}", self.slurm, SLOWLY)
        found = those()
        assert len(found) >= count, f"the run ended without {names} {fields}: {self.said()}"
        return found[count - 1]

    def over(self) -> bool:
        """Whether there is no controller any more."""
        if self.controller is not None:
            return self.controller.poll() is not None
        return self.job not in self.slurm.jobs()

    def said(self) -> str:
        """What the controller has printed."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def nodes(self, job: str) -> str:
        """The nodes of a job."""
        return self.slurm.run("squeue", "--noheader", f"--jobs={job}", "--format=%N").strip()

    def end(self) -> None:
        """Wait for the controller's end."""
        assert self.controller is not None
        assert self.controller.wait(SLOWLY) == 0, self.said()

    def check(self, total: int, *otherwise: str) -> None:
        """Nothing was lost, counted twice or left behind, and the numbers are those of an undisturbed run.

        Args:
            total: simulations.
            otherwise: what is other in the undisturbed run, besides where it runs.
        """
        began = time.monotonic()
        wait_until(lambda: not self.slurm.jobs(), "its jobs are over", self.slurm)
        wait_until(lambda: not self.slurm.processes(), "its processes are gone", self.slurm)
        print(f"nothing left {time.monotonic() - began:.1f} s after the end")
        state = engine_runs.whole(self.run, total)
        assert state.failed == 0
        assert not state.open_blocks
        calm = self.run.parent / "calm"
        head, _, _ = self.text.partition("resources:")
        engine_runs.run(calm, head, "resources={kind: threads, workers: 2, task_time: 0.5}", *otherwise)
        assert engine_runs.numbers(self.run) == engine_runs.numbers(calm)
        assert engine_runs.weights(self.run) == engine_runs.weights(calm)
