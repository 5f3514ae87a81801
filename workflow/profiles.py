"""Site profiles: what a campaign's `resources` are on each machine, in a file of the user's own."""

from __future__ import annotations

import os
from pathlib import Path

from workflow.diagnostics import CampaignError, Diagnostic
from workflow.reading.document import Document, read_document
from workflow.words import suggestion

EXAMPLE = """\
{name}:
  kind: slurm
  partition: gpu       # and account, qos, constraint: sbatch's own names
  time: 2:00:00        # walltime of one job
  gpus_per_node: 4     # one worker for each
  blocks: 2            # jobs at a time
"""
"""What to paste into a new file."""


class ProfileError(Exception):
    """There is no such profile, or no file of profiles; the message says what to do."""


def sites_file() -> Path:
    """Where the user's profiles lie, whether there are any or not."""
    base = os.environ.get("XDG_CONFIG_HOME")
    # The specification wants a relative path to be ignored.
    folder = Path(base) if base and os.path.isabs(base) else Path.home() / ".config"
    return folder / "mlaround" / "sites.yaml"


def find_profile(name: str) -> tuple[Document, str]:
    """The user's file of profiles and the key of one of them, as `workflow.reading.load_campaign` takes it.

    Raises:
        ProfileError: there is no such file, or no such profile in it.
        CampaignError: the file cannot be read as YAML, or does not hold mappings.
    """
    path = sites_file()
    if not path.exists():
        example = EXAMPLE.format(name=name)
        raise ProfileError(
            f"there is no profile `{name}`: {path} does not exist. Write it, with what `resources` is on "
            f"this machine under the profile's name, such as\n\n{example}"
        )
    document = read_document(path)
    if not isinstance(document.data, dict):
        message = f"profiles are mappings by name, such as `{name}: {{kind: slurm, partition: gpu}}`"
        raise CampaignError([Diagnostic(document.file, 1, 1, message)])
    if name not in document.data:
        raise ProfileError(f"there is no profile `{name}` in {path}; {suggestion(name, document.data)}")
    if not isinstance(document.data[name], dict):
        document.complain(document.place((name,)), f"`{name}` must be a mapping: the keys of `resources`")
        raise CampaignError(document.mistakes)
    return document, name
