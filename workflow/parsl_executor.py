"""Executors and batch scripts of Parsl's; the only file that imports it, when a pool starts and no sooner."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from workflow.resources import Batch, Kubernetes, Local, ParslConfiguration, Pbs, Slurm

_TIED = (
    "import ctypes, os, signal, sys; "
    "sys.platform == 'linux' and ctypes.CDLL(None).prctl(1, int(signal.SIGTERM), 0, 0, 0); "
    "os.getppid() == int(sys.argv[1]) or sys.exit('the controller is gone'); "
)
"""Lets the system end a process with its parent (prctl's PR_SET_PDEATHSIG is 1). By itself Parsl's
interchange would outlive a killed controller for ever, and its manager for as long as the interchange."""

_INTERCHANGE = _TIED + (
    "os.setsid(); import runpy; "
    "runpy.run_module('parsl.executors.high_throughput.interchange', run_name='__main__', alter_sys=True)"
)
"""Runs the interchange in a session of its own, out of reach of the terminal's Ctrl-C."""

_MANAGER = _TIED + "os.execvp('sh', ['sh', '-c', sys.argv[2], *sys.argv[2:]])"
_WATCHER = """trap 'kill -9 0' TERM; "$@" & wait; kill -9 0"""
"""Runs the manager under a shell that leads its process group, and ends the group whole when either the
controller or the manager is gone: the manager's own helpers would survive it."""

_WORKERS = "parsl.executors.high_throughput.process_worker_pool"
"""The module that runs the workers of a node."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


_importing = threading.Lock()


def _load_parsl() -> None:
    """Import Parsl before any part of it: of two threads that import its parts, one can get half a module."""
    with _importing:
        import parsl.executors
        import parsl.launchers
        import parsl.providers  # noqa: F401


def _tied(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", script, str(os.getpid()), *arguments]


def local_executor(
    resources: Local, folder: Path, workers: int, name: str, heartbeat: tuple[float, float]
) -> Any:
    """Parsl's executor with its one block on this machine, not started.

    Args:
        resources: the campaign's.
        folder: for Parsl's files.
        workers: how many.
        name: of the pool.
        heartbeat: seconds between two signs of life, and without one until the other side counts as gone.
    """
    _load_parsl()
    from parsl.executors import HighThroughputExecutor
    from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
    from parsl.providers import LocalProvider

    environment = dict.fromkeys(_THREAD_VARIABLES, "1")
    if resources.gpus:
        environment["MLAROUND_WORKERS_PER_GPU"] = str(resources.workers_per_gpu)

    class Executor(HighThroughputExecutor):  # type: ignore[misc]  # Parsl ships no types
        """Starts its manager beside the interchange instead of after it."""

        manager: subprocess.Popen[bytes] | None = None
        family: frozenset[int] = frozenset()

        def _start_local_interchange_process(self) -> None:
            # A manager waits for an interchange that is not there yet. Should Parsl rename this method,
            # the manager is started by `initialize_scaling` at the end of `start`, half a second later.
            self.initialize_scaling()
            super()._start_local_interchange_process()

        def initialize_scaling(self) -> None:
            if self.manager is None:
                super().initialize_scaling()
                self.start_manager()

        def start_manager(self) -> None:
            arguments = shlex.split(self.launch_cmd.format(block_id=0))[1:]
            with (folder / "manager.out").open("ab") as output:
                self.manager = subprocess.Popen(
                    _tied(_MANAGER, _WATCHER, sys.executable, "-m", _WORKERS, *arguments),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    # One thread to a worker: the others are busy with replicas of their own.
                    env=os.environ | environment,
                )

        def look_around(self) -> None:
            """Remember the processes that the manager has started: workers and helpers."""
            import psutil

            assert self.manager is not None
            with suppress(psutil.Error):
                watcher = psutil.Process(self.manager.pid)
                found = [p.pid for manager in watcher.children() for p in manager.children()]
                self.family = frozenset(found)

        def end_manager(self) -> None:
            """Kill the manager, if it lives, and whatever it left behind."""
            if self.manager is not None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.manager.pid, signal.SIGKILL)
                self.manager.wait()

    executor = Executor(
        label=name,
        provider=LocalProvider(init_blocks=0, max_blocks=1),
        launch_cmd=DEFAULT_LAUNCH_CMD,
        interchange_launch_cmd=_tied(_INTERCHANGE),
        address="127.0.0.1",
        worker_port=_free_port(),
        max_workers_per_node=workers,
        cores_per_worker=1e-6,  # max_workers_per_node alone decides
        prefetch_capacity=workers,
        cpu_affinity="none",
        heartbeat_period=heartbeat[0],
        heartbeat_threshold=heartbeat[1],
        block_error_handler=False,
    )
    executor.run_dir = str(folder)
    executor.run_id = name
    return executor


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# Batch systems ------------------------------------------------------------------------------------------


def batch_executor(resources: Batch, folder: Path, name: str, heartbeat: tuple[float, float]) -> Any:
    """Parsl's executor for blocks of a batch system, not started and without a block.

    Its connections are encrypted: other users share the network. The keys lie in ``folder``.

    Args:
        resources: of the pool.
        folder: for Parsl's files; the nodes must see it.
        name: of the pool.
        heartbeat: seconds between two signs of life, and without one until the other side counts as gone.
    """
    _load_parsl()
    from parsl.executors import HighThroughputExecutor
    from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD

    command = DEFAULT_LAUNCH_CMD.partition(" ")[2]
    executor = HighThroughputExecutor(
        label=name,
        provider=_provider(resources, folder, name),
        launch_cmd=f"{shlex.quote(resources.python or sys.executable)} -m {_WORKERS} {command}",
        encrypted=True,
        max_workers_per_node=resources.workers_per_node,
        cores_per_worker=1e-6,  # max_workers_per_node alone decides
        prefetch_capacity=0,  # what waits is not lost with a node, and goes to whoever is free first
        cpu_affinity="none",
        drain_period=max(1, round(resources.time - resources.drain)),
        heartbeat_period=heartbeat[0],
        heartbeat_threshold=heartbeat[1],
        block_error_handler=False,
    )
    return placed(executor, folder, name)


def placed(executor: Any, folder: Path, name: str) -> Any:
    """An executor that ends with this process, with the folders that Parsl's own loop would have given it."""
    executor.run_dir = str(folder)
    executor.run_id = name
    executor.interchange_launch_cmd = _tied(_INTERCHANGE)
    program, _, arguments = executor.launch_cmd.partition(" ")
    if program == "process_worker_pool.py":  # which is in the path of an activated environment only
        executor.launch_cmd = f"{shlex.quote(sys.executable)} -m {_WORKERS} {arguments}"
    provider = getattr(executor, "provider", None)
    if provider is not None and getattr(provider, "script_dir", "") is None:
        scripts = folder / "submit_scripts"
        scripts.mkdir(parents=True, exist_ok=True)
        provider.script_dir = str(scripts)
    return executor


def configured_executor(resources: ParslConfiguration, name: str) -> Any:
    """The executor of a user's configuration.

    Args:
        resources: that name the configuration.
        name: label of the executor, where there are several.

    Raises:
        ValueError: there is no such configuration, or no executor in it that can be used.
    """
    import importlib

    _load_parsl()
    from parsl import Config
    from parsl.executors import HighThroughputExecutor

    where = f"resources.config: {resources.config}"
    module, _, attribute = resources.config.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{where} cannot be imported: {error}") from None
    config = found() if callable(found) and not isinstance(found, Config) else found
    if not isinstance(config, Config):
        raise ValueError(f"{where} is a {type(config).__name__}, not a parsl.Config")
    executors = {executor.label: executor for executor in config.executors}
    chosen = next(iter(executors.values())) if len(executors) == 1 else executors.get(name)
    if chosen is None:
        raise ValueError(f"{where} has executors {', '.join(executors)}; label the one to use `{name}`")
    if not isinstance(chosen, HighThroughputExecutor):
        raise ValueError(
            f"{where}: {chosen.label} is a {type(chosen).__name__}; use a HighThroughputExecutor"
        )
    return chosen


def batch_script(resources: Batch, name: str) -> str:
    """The script that is submitted for a block, exactly; nothing is submitted.

    Args:
        resources: of the pool.
        name: of the pool.

    Raises:
        ValueError: Parsl lacks what the batch system needs.
    """
    if isinstance(resources, Kubernetes):
        lines = [f"# pod of {resources.image}", _beginning(resources, name, None), _worker_command(resources)]
        return "\n".join(lines) + "\n"
    with tempfile.TemporaryDirectory(prefix="mlaround-plan-") as folder:
        provider = _provider(resources, Path(folder), name)
        provider.script_dir = folder
        provider.execute_wait = lambda command, timeout=None: (0, "Submitted batch job 1", "")
        provider.submit(_worker_command(resources), 1, f"parsl.{name}.block-0")  # as the executor calls it
        scripts = [p for p in Path(folder).iterdir() if p.suffix not in (".stdout", ".stderr")]
        text = "\n".join(p.read_text() for p in sorted(scripts))
        return text.replace(folder, "RUN/parsl").strip() + "\n"


def cancel(resources: Batch, jobs: list[str], folder: Path) -> None:
    """Cancel jobs that an earlier controller submitted; those that are over already are no matter."""
    provider = _provider(resources, folder, "cancel")
    if isinstance(resources, Kubernetes):
        provider.cancel(jobs)
        return
    command = "scancel" if isinstance(resources, Slurm) else "qdel"
    provider.execute_wait(" ".join([command, *jobs]))


def _worker_command(resources: Batch) -> str:
    """What starts the workers of a node, without the addresses that are known only when they start."""
    python = shlex.quote(resources.python or sys.executable)
    return f"{python} -m {_WORKERS} --max_workers_per_node={resources.workers_per_node} ..."


def _beginning(resources: Batch, name: str, folder: Path | None) -> str:
    """Shell lines before the workers of a block start; ``folder`` is where ranks on all nodes find files."""
    # Ranks have their own cores, and those of a worker that waits for them are among these.
    each = 1 if resources.launcher else resources.cpus_per_task
    threads = " ".join(f"{variable}={each}" for variable in _THREAD_VARIABLES)
    # `resources` are what the job was asked with; when it starts is known only there.
    lines = [
        f"export MLAROUND_BLOCK_ENDS=$(( $(date +%s) + {int(resources.time)} ))",
        f"export {threads} MLAROUND_CORES={resources.cpus_per_task} MLAROUND_POOL={name}",
    ]
    if resources.gpus:
        lines.append(f"export MLAROUND_WORKERS_PER_GPU={resources.workers_per_gpu}")
    if resources.launcher:
        python = shlex.quote(resources.python or sys.executable)
        lines.append(f"export MLAROUND_MPIEXEC={shlex.quote(f'{python} -m workflow.seats')}")
        lines.append(f"export MLAROUND_LAUNCHER={resources.launcher}")
        if folder is not None:
            ranks = shlex.quote(str(folder.resolve() / "ranks"))
            lines += [f"mkdir -p {ranks}", f"export MLAROUND_SCRATCH={ranks}"]
    return "\n".join([*resources.setup.strip().splitlines(), *lines])


def _walltime(seconds: float) -> str:
    minutes = max(1, -(-int(seconds) // 60))
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"


def _provider(resources: Batch, folder: Path, name: str) -> Any:
    _load_parsl()
    if isinstance(resources, Slurm):
        return _slurm(resources, name, folder)
    if isinstance(resources, Pbs):
        return _pbs(resources, name, folder)
    assert isinstance(resources, Kubernetes)
    return _kubernetes(resources, name, folder)


def _slurm(resources: Slurm, name: str, folder: Path) -> Any:
    from parsl.launchers import SimpleLauncher
    from parsl.providers import SlurmProvider
    from parsl.utils import execute_wait

    class OnEveryNode(SimpleLauncher):  # type: ignore[misc]  # Parsl ships no types
        """Starts the workers of every node as one step of the job."""

        def __call__(
            self, command: str, tasks_per_node: int, nodes_per_block: int, script_dir: str = ""
        ) -> str:
            cores = resources.cores_per_node
            each = f"--ntasks={nodes_per_block} --ntasks-per-node=1 --cpus-per-task={cores}"
            return f"srun {each} --kill-on-bad-exit=0 --wait=0 {command}"

    class Provider(SlurmProvider):  # type: ignore[misc]
        """Submits from within a job, too, and tells how jobs ended where there is no accounting."""

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            # squeue leaves out jobs that are over, which Parsl then takes for completed, whatever happened.
            self._cmd: str = str(vars(self)["_cmd"]).replace("squeue ", "squeue --states=all ", 1)

        def execute_wait(self, command: str, timeout: float | None = None) -> tuple[int, str, str]:
            # A job inherits what is exported where it is submitted. What Slurm told the controller's own job
            # would be taken for what was asked for.
            kept = ("SLURM_CONF", "SLURM_CLUSTERS")  # which users set themselves, as they do SBATCH_*
            inherited = [n for n in os.environ if n.startswith("SLURM_") and n not in kept]
            clean = "unset " + " ".join(inherited) + "; " if inherited else ""
            found: tuple[int, str, str] = execute_wait(clean + command, timeout or self.cmd_timeout)
            return found

    more = ["#SBATCH --no-requeue"]  # another block is asked for in the place of one that was lost
    if resources.mem:
        more.append(f"#SBATCH --mem={resources.mem}")
    if resources.gpus:
        more.append(f"#SBATCH --gpus-per-node={resources.gpus_per_node}")
    more += [line if line.startswith("#SBATCH") else f"#SBATCH {line}" for line in resources.extra]
    every_node = resources.nodes > 1 and not resources.launcher
    return Provider(
        partition=resources.partition,
        account=resources.account,
        qos=resources.qos,
        constraint=resources.constraint,
        nodes_per_block=resources.nodes,
        cores_per_node=resources.cores_per_node,
        init_blocks=0,
        max_blocks=resources.blocks,
        walltime=_walltime(resources.time),
        scheduler_options="\n".join(more),
        worker_init=_beginning(resources, name, folder),
        cmd_timeout=60,
        exclusive=False,
        launcher=OnEveryNode() if every_node else SimpleLauncher(),
    )


def _pbs(resources: Pbs, name: str, folder: Path) -> Any:
    from parsl.launchers import MpiExecLauncher, SimpleLauncher
    from parsl.providers import PBSProProvider

    select = [resources.select] if resources.select else []
    if resources.gpus:
        select.append(f"ngpus={resources.gpus}")
    if resources.mem:
        select.append(f"mem={resources.mem}")
    every_node = resources.nodes > 1 and not resources.launcher
    return PBSProProvider(
        account=resources.account,
        queue=resources.queue,
        scheduler_options="\n".join(
            line if line.startswith("#PBS") else f"#PBS {line}" for line in resources.extra
        ),
        select_options=":".join(select),
        worker_init=_beginning(resources, name, folder),
        nodes_per_block=resources.nodes,
        cpus_per_node=resources.cores_per_node,
        init_blocks=0,
        max_blocks=resources.blocks,
        walltime=_walltime(resources.time),
        launcher=MpiExecLauncher(bind_cmd="--cpu-bind", overrides="--ppn 1 --depth=1")
        if every_node
        else SimpleLauncher(),
    )


def _kubernetes(resources: Kubernetes, name: str, folder: Path) -> Any:
    from parsl.errors import OptionalModuleMissing
    from parsl.providers import KubernetesProvider

    requests = {"nvidia.com/gpu": str(resources.gpus)} if resources.gpus else None
    try:
        return KubernetesProvider(
            image=resources.image,
            namespace=resources.namespace,
            nodes_per_block=resources.nodes,
            init_blocks=0,
            max_blocks=resources.blocks,
            init_cpu=resources.cores_per_node,
            max_cpu=resources.cores_per_node,
            init_mem=resources.mem or "1Gi",
            max_mem=resources.mem or "4Gi",
            extra_requests=requests,
            extra_limits=requests,
            worker_init=_beginning(resources, name, folder),
            persistent_volumes=list(resources.volumes.items()),
        )
    except OptionalModuleMissing:
        raise ValueError("kind: kubernetes needs a package: pip install kubernetes") from None
