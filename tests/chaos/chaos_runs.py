"""Campaigns for chaos, controllers to be killed, and how a run's end is judged."""

from __future__ import annotations

import hashlib
import importlib
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from chaos_plugins import MARK
from chaos_processes import Family, kill

from workflow.engine import resume, run_campaign
from workflow.events import Event, EventTail
from workflow.folder import RunFolder
from workflow.reading import parse_campaign
from workflow.record import Record, State

SOURCE = Path(__file__).with_name("chaos_runs.yaml")  # never read: the plug-ins lie beside it

PATIENT = """
name: patient
simulator: {kind: "chaos_plugins:Patient"}
space: {x: [0, 1]}
surrogate: {kind: "chaos_plugins:Teacher"}
steering: {kind: sobol}
training: {first: 1000000, held_out: 0.25}
stop: {simulations: 6000}
resources: {kind: threads, workers: 2, task_time: 0.05}
seed: 7
"""

STEERED = """
name: steered
simulator: {kind: harmonic, samples: 64}
space: {stiffness: [1, 10], temperature: [0.5, 2]}
surrogate: {kind: "engine_plugins:Quadratic"}
steering: {kind: active_learning, candidates: 64}
training: {first: 12, every: 8, held_out: 0.25}
stop: {simulations: 40}
resources: {kind: threads, workers: 2, task_time: 0.01}
deterministic: true
seed: 11
"""
"""Decided by models, round by round: what is lost or done twice would show in all that comes after."""

NEEDED = (
    *("chaos_plugins", "surrogates", "h5py", "psutil", "scipy.stats", "safetensors.numpy"),
    *("parsl.executors", "parsl.providers", "workflow.training_task", "workflow.dashboard.server"),
)
"""Modules that a controller or a dashboard imports only when it needs them."""

PROMPT = 60.0
"""Seconds after which what should have happened did not."""

LOOK = 0.02
"""Seconds between two looks at whether something happened."""

EXPECTED = 3
"""Exit code of a controller that ended with an error of the file system, which it named."""


class Controller:
    """A controller in a process forked from this one, which has imported all that it needs.

    Args:
        run: its folder; gone on with if it holds a run already.
        text, overrides: of the campaign, else.
        environment: variables for it and its workers.
        prepare: called in the process before anything else.
        said: file for what it prints; by default beside the run.
    """

    def __init__(
        self,
        run: Path,
        text: str = PATIENT,
        *overrides: str,
        environment: Mapping[str, str] | None = None,
        prepare: Callable[[], None] = lambda: None,
        said: Path | None = None,
    ) -> None:
        self.run, self.code = run, None
        self.family = Family(run)
        self.said = said or run.with_name(run.name + ".said")
        self.started = time.monotonic()
        self.pid = os.fork()
        if self.pid:
            self.family.roots.add(self.pid)
            return
        code = 99
        try:
            with self.said.open("a") as said:
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
            os.environ.update({MARK: str(run), **(environment or {})})
            prepare()
            code = _work(run, text, overrides)
        except OSError as error:
            print(f"OSError: {error}", file=sys.stderr, flush=True)
            code = EXPECTED
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def poll(self) -> int | None:
        """Its exit code, once it has one."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self, seconds: float = PROMPT) -> int | None:
        """Its exit code; ``None`` if it does not end."""
        wait_for(lambda: self.poll() is not None, seconds)
        return self.code

    def kill(self) -> None:
        """Kill it with -9."""
        if self.poll() is None:
            self.family.look()
            kill(self.pid)
            self.wait()


def _work(run: Path, text: str, overrides: tuple[str, ...]) -> int:
    if RunFolder(run).exists():
        return resume(run).exit_code
    campaign = parse_campaign(text, "campaign.yaml", overrides)
    source = SOURCE if "chaos_plugins" in text else Path(__file__).parents[1] / "workflow" / "any.yaml"
    return run_campaign(campaign, run, source=source).exit_code


def preload() -> None:
    """Import all that controllers need, so that each that is forked from here need not."""
    for name in NEEDED:
        importlib.import_module(name)


def wait_for(condition: Callable[[], object], seconds: float = PROMPT) -> bool:
    """Whether something became so in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(LOOK)
    return True


class Watch:
    """Follows a run's events, and knows when each was seen here: the run's own clock may be shifted."""

    def __init__(self, run: Path) -> None:
        self.tail, self.record = EventTail(RunFolder(run).events), Record()
        self.seen: list[tuple[float, Event]] = []
        self.hit: set[int] = set()
        """Tasks that ran when something was killed, or were lost."""

    def look(self) -> int:
        """Read what is new; the number of events so far."""
        for event in self.tail.read():
            self.record.apply(event)
            self.seen.append((time.monotonic(), event))
        return len(self.seen)

    def find(self, after: int, wanted: Callable[[Event], bool]) -> tuple[float, Event] | None:
        """The first event of a kind from a place on, and when it was seen."""
        self.look()
        return next((pair for pair in self.seen[after:] if wanted(pair[1])), None)


def is_done(event: Event) -> bool:
    return event["event"] == "task_done"


@dataclass
class Tally:
    """One row of the table, as it grows.

    Args:
        name: what happens.
        instants: how often it did.
        detect, recover: seconds, one for each instant where there is one.
        troubles: what should not have happened, in words.
        missing: why it could not be tried here.
        until: when to begin with no further instant (monotonic clock, s).
    """

    name: str
    instants: int = 0
    simulations: int = 0
    lost: int = 0
    twice: int = 0
    wrong: int = 0
    left: int = 0
    detect: list[float] = field(default_factory=list)
    recover: list[float] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    missing: str = ""
    until: float = math.inf

    def wants(self, times: int) -> bool:
        """Whether it should happen once more: not yet so often, and there is time."""
        return self.instants < times and time.monotonic() < self.until

    @property
    def good(self) -> bool:
        return not (self.lost or self.twice or self.wrong or self.left or self.troubles)

    def gone(self, controller: Controller) -> float:
        """Wait for the end of all that a controller had started; seconds that it took."""
        left, seconds = controller.family.wait_until_gone()
        self.left += left
        return seconds

    def finish(self, controller: Controller, expected: Digests) -> None:
        """Let a run come to its end, and judge it."""
        code = controller.wait(180.0)
        if code != 0:
            controller.kill()
            said = controller.said.read_text()[-500:] if controller.said.exists() else ""
            self.troubles.append(f"the run ended with {code}: {said}")
        self.gone(controller)
        self.judge(controller.run, expected)

    def judge(self, run: Path, expected: Digests) -> None:
        """Compare a run that is over with one that nothing happened to."""
        record = Record.read(RunFolder(run).events)
        found = digests(run, record)
        self.simulations += record.replicas
        self.lost += int((record.state == State.LOST).sum()) + record.pending
        self.lost += sum(mine is None for mine in found.simulations)
        self.twice += record.duplicated
        if record.replicas > len(expected.simulations):
            self.troubles.append("more simulations than there are to compare with")
        pairs = zip(found.simulations, expected.simulations, strict=False)
        self.wrong += sum(mine is not None and mine != theirs for mine, theirs in pairs)
        if expected.models and found.models != expected.models:
            self.troubles.append("other models than without")
        if half := [path.name for path in RunFolder(run).results.glob("*/.*")]:
            self.troubles.append(f"half-written files: {half}")


@dataclass(frozen=True)
class Digests:
    """What a run computed.

    Args:
        simulations: a digest of each one's numbers, in the log and in its file; ``None`` without one.
        models: of the weights of each model, where they are the same in every run.
    """

    simulations: list[bytes | None]
    models: list[bytes]


def digests(run: Path, record: Record) -> Digests:
    folder = RunFolder(run)
    found: list[bytes | None] = [None] * record.replicas
    for task in np.unique(record.task[record.state != State.PENDING]).tolist():
        first, count = int(record.task_first[task]), int(record.task_count[task])
        try:
            with h5py.File(folder.result(task)) as file:
                columns = [file["seed"][()], file["inputs"][()]]
                for group in ("mean", "stderr"):
                    columns += [data[()] for _, data in sorted(file.get(group, {}).items())]
        except OSError:
            continue
        columns += [part[first : first + count] for part in (record.inputs, record.held_out, record.state)]
        for name in sorted(record.scalar_names):
            columns += [record.mean(name)[first : first + count], record.stderr(name)[first : first + count]]
        for k in range(count):
            if record.task[first + k] == task:
                rows = (np.ascontiguousarray(column[k]).tobytes() for column in columns)
                found[first + k] = hashlib.sha256(b"".join(rows)).digest()
    weights = sorted(folder.models.glob("v*/weights.safetensors")) if record_is_deterministic(folder) else []
    return Digests(found, [hashlib.sha256(path.read_bytes()).digest() for path in weights])


def record_is_deterministic(folder: RunFolder) -> bool:
    return "deterministic: true" in folder.read_resolved()


def undisturbed(folder: Path, text: str, *overrides: str) -> Digests:
    """What a campaign computes if nothing happens to it."""
    controller = Controller(folder, text, *overrides)
    assert controller.wait(300.0) == 0, controller.said.read_text()
    return digests(folder, Record.read(RunFolder(folder).events))
