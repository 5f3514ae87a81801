"""The engine's public face: run a campaign, go on with a run."""

from __future__ import annotations

from pathlib import Path

from workflow.binding import bind
from workflow.campaign import Campaign
from workflow.controller import Controller, OnUpdate, Outcome
from workflow.folder import RunFolder, RunFolderError, write_atomically
from workflow.provenance import at_start
from workflow.reading import dump, parse_campaign
from workflow.worker import add_to_path

__all__ = ["Outcome", "create_run", "replace_campaign", "resume", "run_campaign"]


def run_campaign(
    campaign: Campaign,
    folder: str | Path,
    *,
    text: str | None = None,
    source: Path | None = None,
    on_update: OnUpdate | None = None,
) -> Outcome:
    """Run a campaign in a new folder, to its end or until it is stopped.

    Args:
        campaign: what to do.
        folder: of the run; there must be no run in it yet.
        text: the campaign exactly as given; by default with everything filled in.
        source: its file; the user's own plug-ins are looked for beside it.
        on_update: called about once a second with the status, in this thread.

    Raises:
        RunFolderError: the folder holds a run, or another controller holds the folder.
        BindingError: the space does not fit the simulator.
    """
    return Controller(campaign, create_run(campaign, folder, text=text, source=source), on_update).run()


def create_run(
    campaign: Campaign, folder: str | Path, *, text: str | None = None, source: Path | None = None
) -> RunFolder:
    """Make the folder of a run that begins when somebody goes on with it.

    Args:
        campaign: what to do.
        folder: of the run; there must be no run in it yet.
        text: the campaign exactly as given; by default with everything filled in.
        source: its file; the user's own plug-ins are looked for beside it.

    Raises:
        RunFolderError: the folder holds a run.
        BindingError: the space does not fit the simulator.
    """
    bind(campaign)
    run = RunFolder(folder)
    resolved = dump(campaign)
    run.create(
        campaign=resolved if text is None else text,
        resolved=resolved,
        provenance=at_start(campaign.name, campaign.seed, source),
    )
    return run


def resume(
    folder: str | Path, *, campaign: Campaign | None = None, on_update: OnUpdate | None = None
) -> Outcome:
    """Go on with a run that was stopped, was killed, or finished and now has a larger budget.

    Args:
        folder: of the run.
        campaign: the same with another budget or other resources; by default as it was.
        on_update: called about once a second with the status, in this thread.

    Raises:
        RunFolderError: there is no run, another controller holds it, or ``campaign`` is another one.
    """
    run = RunFolder(folder)
    before = _before(run)
    if campaign is None:
        campaign = before
    _keep_what_stays(run, before, campaign)
    return Controller(campaign, run, on_update, changed=campaign != before).run()


def replace_campaign(run: RunFolder, campaign: Campaign) -> None:
    """Give a run that nobody holds another budget or other resources.

    Raises:
        RunFolderError: there is no run, a controller holds it, or ``campaign`` is another one.
    """
    _keep_what_stays(run, _before(run), campaign)
    with run.lock():
        write_atomically(run.resolved, dump(campaign), durable=True)


def _before(run: RunFolder) -> Campaign:
    add_to_path(run.plugin_folder())
    return parse_campaign(run.read_resolved(), str(run.resolved))


def _keep_what_stays(run: RunFolder, before: Campaign, campaign: Campaign) -> None:
    for part in ("simulator", "space", "seed", "deterministic"):
        if getattr(campaign, part) != getattr(before, part):
            raise RunFolderError(
                f"`{part}` is not what {run.path} was started with; a run keeps it: start a new one"
            )
