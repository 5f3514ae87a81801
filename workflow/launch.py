"""Starts runs from Python: each controller is a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from workflow.campaign import Campaign
from workflow.folder import RunFolder, new_run
from workflow.run import LOG, Run

CONTROLLER = "from workflow.cli import main; main()"


def start(campaign: Campaign, run: str | Path | None = None) -> Run:
    """Start a campaign in a new run folder and return at once.

    The controller is a child process in a session of its own, not a thread: it goes on when the
    notebook's kernel dies, handles its own signals, and its worker processes fork from a clean one.
    What it prints goes to ``controller.log`` in the run folder.

    Args:
        campaign: what to do.
        run: the run folder; by default ``runs/NAME-YYYYMMDD-HHMMSS``.

    Raises:
        BindingError: the space does not fit the simulator.
        RunFolderError: the folder holds a run already.
    """
    from workflow.binding import bind
    from workflow.provenance import at_start
    from workflow.reading import dump

    bind(campaign)
    folder = RunFolder(run or new_run(campaign.name))
    text = dump(campaign)
    folder.create(
        campaign=text, resolved=text, provenance=at_start(campaign.name, campaign.seed, _source(campaign))
    )
    return Run(folder, _controller(folder))


def _controller(folder: RunFolder) -> subprocess.Popen[bytes]:
    # What is importable here has to be importable there: the user's plug-ins.
    search = os.pathsep.join(path or os.getcwd() for path in sys.path)
    with (folder.path / LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", CONTROLLER, "resume", str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": search},
            start_new_session=True,
        )


def _source(campaign: Campaign) -> Path | None:
    """The file of the user's own simulator, beside which workers look for plug-ins."""
    module, colon, _ = campaign.simulator.kind.partition(":")
    loaded = sys.modules.get(module) if colon else None
    file = getattr(loaded, "__file__", None)
    return Path(file).parents[module.count(".")] / "campaign.yaml" if file else None
