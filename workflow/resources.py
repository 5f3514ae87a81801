"""Where tasks run, as the campaign or a site profile says it. Nothing here starts anything."""

from __future__ import annotations

import os
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, create_model, field_validator

from workflow.durations import Duration

PURPOSES = ("simulate", "train")
"""What pools are for, which is also what they are called."""


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Resources(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    task_time: Duration = Field(
        5.0, description="aim for the length of a task; batches are sized to it from measured cost"
    )


class _Killable(_Resources):
    timeout: Duration | None = Field(
        None,
        description="longest that one simulation may take, a wait for cores of its block included; one that "
        "takes longer is killed with all that it started, and counts as failed",
    )


class Local(_Killable):
    """Worker processes on this machine, by Parsl's HighThroughputExecutor."""

    kind: Literal["local"] = "local"
    gpus: PositiveInt | None = Field(None, description="GPUs to use; every worker is pinned to one of them")
    workers_per_gpu: PositiveInt = Field(
        1, description="workers that share a GPU; more than one where single batches are small"
    )
    workers: PositiveInt = Field(
        default_factory=lambda given: (
            given["gpus"] * given.get("workers_per_gpu", 1) if given.get("gpus") else _cores()
        ),
        description="simulations that run at a time; by default one per core, or as many as the GPUs take",
    )


class Threads(_Resources):
    """Threads of the controller: starts at once, for tests and for simulators that release the GIL."""

    kind: Literal["threads"] = "threads"
    workers: PositiveInt = Field(default_factory=_cores, description="simulations that run at a time")
    timeout: ClassVar[None] = None  # a thread cannot be ended


class Batch(_Killable):
    """Jobs of a batch system, here called blocks; base of those that are known.

    A block is a number of nodes for a walltime. When it ends, by its walltime say, another is asked for as
    long as there is work.
    """

    time: Duration = Field(3600.0, description="walltime of a block")
    blocks: PositiveInt = Field(1, description="blocks at a time")
    nodes: PositiveInt = Field(1, description="nodes of a block")
    ntasks_per_node: PositiveInt | None = Field(
        None, description="workers on a node; by default one for each GPU times `workers_per_gpu`, else one"
    )
    cpus_per_task: PositiveInt = Field(1, description="cores of a worker")
    gpus_per_node: NonNegativeInt | str = Field(
        0, description='GPUs of a node that are asked for, as a number or with their type: "a100:4"'
    )
    workers_per_gpu: PositiveInt = Field(
        1, description="workers that share a GPU; more than one where single batches are small"
    )
    mem: str | None = Field(None, description='memory of a node that is asked for, such as "64G"')
    extra: tuple[str, ...] = Field((), description="further directives, as they stand in a batch script")
    setup: str = Field("", description="lines of shell before the workers start, such as `module load`")
    python: str | None = Field(
        None, description="interpreter on the nodes; by default the one that runs this"
    )
    launcher: Literal["srun", "mpiexec"] | None = Field(
        None,
        description="for simulations that are MPI programs: what starts their ranks. The workers then run on "
        "the first node of a block and share the cores of all of its nodes",
    )

    @field_validator("gpus_per_node")
    @classmethod
    def _counted(cls, given: int | str) -> int | str:
        if isinstance(given, str) and not given.rpartition(":")[2].isdecimal():
            raise ValueError('write a number, or a type and a number: "a100:4"')
        return given

    @property
    def gpus(self) -> int:
        """GPUs of a node."""
        given = self.gpus_per_node
        return given if isinstance(given, int) else int(given.rpartition(":")[2])

    @property
    def workers_per_node(self) -> int:
        """Workers on each node that has any."""
        if self.ntasks_per_node is not None:
            return self.ntasks_per_node
        return max(1, self.gpus * self.workers_per_gpu)

    @property
    def cores_per_node(self) -> int:
        """Cores of a node that are asked for."""
        return self.workers_per_node * self.cpus_per_task

    @property
    def workers_per_block(self) -> int:
        """Workers of a block: on all of its nodes, or on the first where they start ranks on the others."""
        return self.workers_per_node * (1 if self.launcher else self.nodes)

    @property
    def workers(self) -> int:
        """Workers of all blocks."""
        return self.workers_per_block * self.blocks

    @property
    def drain(self) -> float:
        """Seconds before a block's end from which on its workers take no new task."""
        return min(max(60.0, 3 * self.task_time), 0.25 * self.time)

    def training(self) -> Batch | None:
        """The pool of trainings: this one with its keys under `train` in place; ``None`` without such."""
        return None

    def _merged(self, other: BaseModel | None) -> Batch | None:
        if other is None:
            return None
        # One training runs at a time, and none is an MPI program: a worker of one node will do.
        own = {"train", "blocks", "nodes", "ntasks_per_node", "launcher"}
        keys = {name: getattr(self, name) for name in self.model_fields_set - own}
        return type(self)(**keys | {name: getattr(other, name) for name in other.model_fields_set})


def _part_of(model: type[Batch], name: str) -> Any:
    """The model of another pool's keys: all of ``model``, none of them needed."""
    left_out = {"kind", "launcher", "task_time", "timeout", "train"}
    fields: dict[str, Any] = {
        key: (field.annotation, Field(field.default, description=field.description))
        for key, field in model.model_fields.items()
        if key not in left_out
    }
    fields["time"] = (Duration, fields["time"][1])
    config = ConfigDict(frozen=True, extra="forbid")
    return create_model(name, __config__=config, __doc__="Keys of another pool.", **fields)


TRAIN = "another pool for trainings: any of the keys beside, in their place; without it they run on the "
TRAIN += "workers of the simulations, before those that wait"


class _SlurmBlocks(Batch):
    partition: str | None = Field(None, description="partition; by default the site's")
    account: str | None = Field(None, description="account that is charged")
    qos: str | None = Field(None, description="quality of service")
    constraint: str | None = Field(None, description="features that nodes must have")


class ControllerJob(BaseModel):
    """A job of one core for the controller itself: it waits most of its time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    partition: str | None = Field(None, description="partition; by default that of the simulations")
    account: str | None = Field(None, description="account that is charged; likewise")
    qos: str | None = Field(None, description="quality of service; likewise, in the same partition")
    time: Duration | None = Field(
        None,
        description="walltime of each of its jobs, which follow one another until the run is finished; by "
        "default a day, or the most that the partition allows",
    )
    mem: str | None = Field(None, description='memory, such as "4G"; by default what the site gives a core')
    extra: tuple[str, ...] = Field((), description="further directives, as they stand in a batch script")


class Slurm(_SlurmBlocks):
    """Blocks on a machine that is run by Slurm; keys have the names that `sbatch` gives them."""

    kind: Literal["slurm"] = "slurm"
    controller: ControllerJob = Field(
        ControllerJob(), description="job of the controller itself, for `mlaround run --submit`"
    )
    train: _part_of(_SlurmBlocks, "SlurmTraining") | None = Field(None, description=TRAIN)  # type: ignore[valid-type]

    def training(self) -> Batch | None:  # noqa: D102
        return self._merged(self.train)


class _PbsBlocks(Batch):
    queue: str | None = Field(None, description="queue; by default the site's")
    account: str | None = Field(None, description="project that is charged")
    select: str | None = Field(None, description='further resources of a node, such as "system=polaris"')


class Pbs(_PbsBlocks):
    """Blocks on a machine that is run by PBS Pro."""

    kind: Literal["pbs"] = "pbs"
    train: _part_of(_PbsBlocks, "PbsTraining") | None = Field(None, description=TRAIN)  # type: ignore[valid-type]

    def training(self) -> Batch | None:  # noqa: D102
        return self._merged(self.train)


class _KubernetesBlocks(Batch):
    image: str = Field(description="container image that holds mlaround")
    namespace: str = Field("default", description="namespace of the pods")
    volumes: dict[str, str] = Field(
        {}, description="claim of a volume -> where it is mounted; the run folder lies on one of them"
    )


class Kubernetes(_KubernetesBlocks):
    """Blocks that are pods of a Kubernetes cluster."""

    kind: Literal["kubernetes"] = "kubernetes"


class ParslConfiguration(_Killable):
    """Executors of the user's own Parsl configuration."""

    kind: Literal["parsl"] = "parsl"
    config: str = Field(
        description="`module:name` of a `parsl.Config`, or of a function that gives one, whose executor "
        "labelled `simulate` (or its only one) runs simulations and trainings"
    )
    workers: PositiveInt = Field(description="simulations that run at a time")


AnyResources = Local | Threads | Batch | ParslConfiguration
"""What a pool can be started on."""

Resources = Annotated[
    Local | Threads | Slurm | Pbs | Kubernetes | ParslConfiguration, Field(discriminator="kind")
]
