"""How a run stands is the same wherever it is asked for: on the command line, in Python, in the dashboard."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from small_run import small_run

from workflow.cli.status import current
from workflow.dashboard.context import Context, Runs
from workflow.dashboard.overview import routes
from workflow.dashboard.surroundings import Surroundings
from workflow.events import EventWriter
from workflow.folder import RunFolder, process_start
from workflow.record import Record
from workflow.run import Run

BEGUN = ("run_started", {"run": "r", "version": "0", "host": "h", "pid": 1, "workers": 1, "resumed": False})
CASES = {
    "starting": ([], None, False),
    "running": ([BEGUN], "running", True),
    "paused": (
        [BEGUN, ("action", {"verb": "pause", "outcome": "done", "arguments": {}})],
        "paused",
        True,
    ),
    "interrupted": ([BEGUN], "running", False),
    "stopped": ([BEGUN, ("run_stopped", {"state": "stopped", "reason": "asked to"})], "running", False),
    "finished": ([BEGUN, ("run_stopped", {"state": "finished", "reason": "done"})], "finished", False),
}


@pytest.mark.parametrize("state", CASES)
def test_one_state_everywhere(tmp_path: Path, state: str) -> None:
    events, written, held = CASES[state]
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.resolved.write_text("name: r\nstop: {simulations: 4}\n")
    folder.events.touch()
    with EventWriter(folder.events, 0) as log:
        for event, fields in events:
            log.append(event, **fields)
    if written:
        folder.write_status({"state": written, "name": "r"})
    if held:
        me = {"pid": os.getpid(), "host": os.uname().nodename, "started": process_start(os.getpid())}
        folder.controller.write_text(json.dumps(me))
    around, record = Surroundings(folder), Record.read(folder.events)
    around.look(record)
    listed = next(r for r in routes(Context(Runs(tmp_path))).routes if r.path == "/api/runs").endpoint()
    assert current(folder)["state"] == state
    assert ("hint" in current(folder)) == (state == "interrupted")
    assert Run(folder).state == state
    assert around.state(record) == state
    assert [row["state"] for row in listed["runs"]] == [state]


def test_what_runs_is_what_workers_have_in_hand(tmp_path: Path) -> None:
    folder = RunFolder(shutil.copytree(small_run(), tmp_path / "run"))
    lines = folder.events.read_text().splitlines(keepends=True)
    last = max(k for k, line in enumerate(lines) if '"task_proposed"' in line)
    folder.events.write_text("".join(lines[: last + 1]))
    run = Run(folder)
    task, count = run.record.tasks - 1, int(run.record.task_count[-1])
    assert run.record.pending >= count
    me = {"pid": os.getpid(), "host": os.uname().nodename, "started": process_start(os.getpid())}
    folder.controller.write_text(json.dumps(me))
    assert run.status["simulations"]["running"] == 0
    for one in (0, task):  # the first is over, though its worker has not tidied up yet
        folder.running.mkdir(exist_ok=True)
        folder.marker(one).write_text(json.dumps({**me, "task": one, "worker": "w", "started": 1.0}))
    assert run.status["simulations"]["running"] == count
    folder.controller.unlink()
    assert run.status["simulations"]["running"] == 0
