"""The batch scripts of a campaign's pools, as they will be submitted, and when Slurm would start them."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from workflow.resources import Batch, Slurm
from workflow.site.problem import Problem, ask


@dataclass(frozen=True)
class Script:
    """What is submitted for one block of a pool.

    Args:
        pool: ``simulate`` or ``train``.
        resources: of the pool.
        text: of the script.
    """

    pool: str
    resources: Batch
    text: str

    def to_json(self) -> Mapping[str, Any]:
        """A plain dictionary."""
        return {"pool": self.pool, "walltime": self.resources.time, "text": self.text}


def scripts(resources: Batch) -> list[Script]:
    """The scripts of all pools.

    Raises:
        ValueError: Parsl lacks what the batch system needs.
    """
    from workflow.parsl_executor import batch_script  # imported here: it brings Parsl with it

    pools = [("simulate", resources), ("train", resources.training())]
    return [Script(name, pool, batch_script(pool, name)) for name, pool in pools if pool is not None]


@dataclass(frozen=True)
class Start:
    """When Slurm would start a job that is submitted now, by what it knows now; ``None``: it does not say."""

    seconds: float | None
    problem: Problem | None

    to_json = asdict


def test_only(script: Script) -> Start:
    """Let Slurm look at a script without submitting it."""
    if not isinstance(script.resources, Slurm):
        return Start(None, None)
    with tempfile.NamedTemporaryFile("w", prefix="mlaround-plan-", suffix=".sbatch") as file:
        file.write(script.text)
        file.flush()
        answer = ask("sbatch", "--test-only", file.name)
    match = re.search(r"to start at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", answer.err)
    if match:
        start = time.mktime(time.strptime(match[1], "%Y-%m-%dT%H:%M:%S"))
        return Start(max(0.0, start - time.time()), None)
    if answer.code in (-1, 0):
        return Start(None, None)
    key = "resources" if script.pool == "simulate" else f"resources.{script.pool}"
    words = refusal(answer.err) or answer.complaint
    do = f"compare with `sinfo`, or ask the site's operators what {key} should say"
    return Start(None, Problem(key, f"sbatch would refuse the job of pool `{script.pool}`: {words}", do))


def refusal(complaints: str) -> str:
    """Why `sbatch` does not take a job, in its own words."""
    lines = [
        re.sub(r"^(sbatch: )?(error|allocation failure): ", "", line) for line in complaints.splitlines()
    ]
    own = [line.strip() for line in lines if line.strip() and "Batch job submission failed: " not in line]
    failed = re.search(r"Batch job submission failed: (.*)", complaints)
    return "; ".join(dict.fromkeys([*own, *([failed[1]] if failed else [])]))
