"""What a site will not do is said before a job is submitted, with the key that has to be changed."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow.resources import Kubernetes, Local, Pbs, Slurm
from workflow.site import check, file_systems, slurm_site
from workflow.site.checking import jobs_of
from workflow.site.pbs import hosts
from workflow.site.problem import Problem
from workflow.site.slurm import PROGRAMS, check_job, clock, megabytes
from workflow.site.slurm_site import SlurmSite

# The outputs of Slurm are those of a Slurm 22.05; those of PBS Pro are in the form that its manual gives.
RECORDED = Path(__file__).parent / "recorded"
ACCOUNTS = "physics||normal,high\nchemistry|gpu|normal\n"
QUALITIES = "normal|\nhigh|04:00:00\n"


Put = Callable[..., None]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Puts programs into an empty PATH: name to lines of shell."""
    return programs_in(tmp_path, monkeypatch)


def programs_in(parent: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    folder = parent / "bin"
    folder.mkdir()
    for name in ("cat", "sleep"):
        (folder / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(folder))

    def put(**scripts: str) -> None:
        for name, script in scripts.items():
            path = folder / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return put


@pytest.fixture
def slurm(programs: Put, monkeypatch: pytest.MonkeyPatch) -> Put:
    """A login node: the recorded Slurm, with accounts."""
    login_node(programs, monkeypatch)
    return programs


def login_node(programs: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_site.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(slurm_site, "_groups", lambda: frozenset({"users"}))
    programs(
        **dict.fromkeys(("sbatch", "squeue", "scancel", "srun"), "exit 1"),
        scontrol=f"cat {RECORDED}/slurm-partitions.txt",
        sinfo=f'case "$*" in *%n*) echo n1; echo n2;; *) cat {RECORDED}/slurm-nodes.txt;; esac',
        sacctmgr=f"case $* in *assoc*) printf '{ACCOUNTS}';; *) printf '{QUALITIES}';; esac",
    )


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> SlurmSite:
    """The same site, asked once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("site")
        login_node(programs_in(folder, patch), patch)
        return slurm_site.read_site(accounts=True)


def said(found: list[Problem]) -> str:
    return "\n".join(map(str, found))


FINE = {"partition": "gpu", "gpus_per_node": "a100:4", "cpus_per_task": 8, "mem": "500G", "nodes": 2}


@pytest.mark.parametrize(
    "keys",
    [
        {},
        FINE,
        {"partition": "gpu", "gpus_per_node": 2, "time": "12:00:00", "nodes": 3},
        {
            "partition": "cpu,gpu",
            "account": "physics",
            "qos": "high",
            "time": "4:00:00",
            "constraint": "rome&ib",
        },
        {"constraint": "[rome|milan]", "mem": "0"},
        {"partition": "cpu", "train": {"partition": "gpu", "gpus_per_node": "v100:1"}},
        {"partition": "gpu", "account": "chemistry"},
    ],
)
def test_what_a_site_has_is_no_problem(known: SlurmSite, keys: dict) -> None:
    assert [p for job in jobs_of(Slurm(**keys)) for p in check_job(job, known)] == []


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"partition": "gpux"},
            "resources.partition: there is no partition `gpux` here; did you mean `gpu`?",
        ),
        ({"partition": "cpu,gpux"}, "resources.partition: there is no partition `gpux`"),
        ({"partition": "closed", "time": "0:10:00"}, "resources.partition: partition `closed` is down; take"),
        (
            {"partition": "team", "time": "0:10:00"},
            "resources.partition: partition `team` is for the groups team, of which you are in none",
        ),
        (
            {"partition": "gpu", "time": "1-00:00:00"},
            "resources.time: a job of partition `gpu` may run for 12 h 0 min, and it asks for 24 h 0 min; "
            "set it to 12:00:00 or less",
        ),
        (
            {"qos": "high", "time": "5 h"},
            "resources.time: a job of the quality of service `high` may run for 4 h",
        ),
        ({"qos": "hihg"}, "resources.qos: there is no quality of service `hihg` here; did you mean `high`?"),
        (
            {"account": "chemistry", "partition": "gpu", "qos": "high"},
            "resources.qos: you may not use the quality of service `high`; yours are normal",
        ),
        (
            {"account": "chemistry", "partition": "cpu"},
            "resources.partition: your account does not reach partition `cpu`; it reaches gpu",
        ),
        (
            {"account": "phisics"},
            "resources.account: you have no account `phisics` here; did you mean `physics`?",
        ),
        (
            {"partition": "staff", "account": "physics"},
            "resources.account: partition `staff` does not take `physics`; set it to one of ops and staff",
        ),
        (
            {"partition": "debug", "nodes": 2, "time": "0:10:00"},
            "resources.nodes: a job may have 1 node of partition `debug`, and this one asks for 2; set",
        ),
        ({"nodes": 4}, "resources.nodes: a job may have 3 nodes of partition `cpu`"),
        (
            {"gpus_per_node": 1},
            "resources.gpus_per_node: no node has a GPU in partition `cpu`; take another partition, or set "
            "it to 0; partition gpu has such nodes",
        ),
        (
            {"partition": "gpu", "gpus_per_node": "h100:1"},
            "resources.gpus_per_node: no node has a GPU of type `h100` in partition `gpu`; GPUs here are "
            "a100 and v100",
        ),
        (
            {"partition": "gpu", "gpus_per_node": "v100:4"},
            "resources.gpus_per_node: 4 GPUs of a node are asked for, and 2 is the most in partition `gpu`",
        ),
        (
            {"partition": "gpu", "gpus_per_node": "a100:4", "cpus_per_task": 16},
            "resources.cpus_per_task: 64 cores of a node are asked for (ntasks_per_node times cpus_per_task)"
            ", and 32 is the most",
        ),
        ({"mem": "300G"}, "resources.mem: 300G of a node's memory are asked for, and 250G is the most"),
        (
            {"constraint": "milan"},
            "resources.constraint: no node has milan in partition `cpu`; features are ib",
        ),
        (
            {"partition": "gpu", "gpus_per_node": "a100:1", "nodes": 3},
            "resources.nodes: 2 nodes of partition `gpu` have what is asked for, and a job asks for 3",
        ),
        (
            {"time": "2 h", "train": {"partition": "gpu", "time": "13 h"}},
            "resources.train.time: a job of partition `gpu` may run for 12 h 0 min",
        ),
    ],
)
def test_what_a_site_lacks_is_said_with_its_key_and_a_cure(known: SlurmSite, keys: dict, words: str) -> None:
    found = [p for job in jobs_of(Slurm(**keys)) for p in check_job(job, known)]
    assert said(found).startswith(words)
    assert len(found) == 1
    assert found[0].certain


def test_slurm_is_asked(slurm: Put) -> None:
    assert check(Slurm(**FINE)) == []
    (problem,) = check(Slurm(partition="gpux"))
    assert problem.to_json() == {
        "key": "resources.partition",
        "words": "there is no partition `gpux` here",
        "do": "did you mean `gpu`?",
        "certain": True,
    }


def test_pools_that_share_a_key_share_its_problem(slurm: Put) -> None:
    assert len(check(Slurm(partition="gpux", train={"gpus_per_node": 0}))) == 1


def test_the_controllers_own_job_is_looked_at_where_it_is_one(slurm: Put) -> None:
    resources = Slurm(partition="gpu", gpus_per_node=4, controller={"partition": "login"})
    assert check(resources) == []
    found = said(check(resources, submit=True))
    assert found.startswith("resources.controller.partition: there is no partition `login` here")
    late = Slurm(partition="debug", time="0:10:00", controller={"time": "1 h"})
    assert said(check(late, submit=True)).startswith("resources.controller.time: a job of partition `debug`")
    assert check(Slurm(partition="debug", time="0:10:00"), submit=True) == []  # as long as it allows


@pytest.mark.parametrize("state", ["down", "idle*", "drng@"])
def test_nodes_that_are_all_down_are_a_warning(slurm: Put, tmp_path: Path, state: str) -> None:
    lines = (RECORDED / "slurm-nodes.txt").read_text().replace("|idle", f"|{state}")
    (tmp_path / "nodes").write_text(lines)
    slurm(sinfo=f"cat {tmp_path}/nodes")
    (problem,) = check(Slurm(partition="gpu"))
    assert ("down or drained now" in problem.words, problem.certain) == (True, False)


def test_without_a_data_base_of_accounts_everybody_is_admitted(slurm: Put) -> None:
    slurm(sacctmgr="echo 'You are not running a supported accounting_storage plugin' >&2; exit 1")
    assert check(Slurm(partition="staff", account="whatever", qos="any")) == []


def test_a_machine_without_slurm_and_one_that_is_down_are_told_apart(programs: Put) -> None:
    assert "there is no `sbatch`, `squeue`, `scancel`, `srun`, `sinfo` or `scontrol` on this" in said(
        check(Slurm())
    )
    programs(**dict.fromkeys(PROGRAMS, ""))
    programs(scontrol="echo 'slurm_load_partitions: Unable to contact' >&2; exit 1")
    assert said(check(Slurm())).startswith(
        "resources.kind: Slurm does not answer: `scontrol show` fails: slurm_load_partitions: Unable to"
    )


def test_a_batch_system_that_hangs_is_not_waited_for(programs: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow.site.problem.ANSWER", 0.1)
    programs(**dict.fromkeys(PROGRAMS, ""))
    programs(scontrol="exec sleep 60")
    assert "no answer within 0.1 s" in said(check(Slurm()))


def test_what_lies_on_this_machine_alone_is_warned_of(slurm: Put, tmp_path: Path, monkeypatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda1 / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\nlustre /my\\040scratch lustre rw 0 0\n"
        "tmpfs /dev/shm tmpfs rw 0 0\n"
    )
    monkeypatch.setattr(file_systems, "MOUNTS", mounts)
    monkeypatch.setattr("sys.prefix", "/home/me/venv")
    for folder in ("/home/me/runs/a", "/my scratch/a"):
        assert check(Slurm(), Path(folder)) == []
    (problem,) = check(Slurm(), Path("/dev/shm/runs/a"))
    assert (problem.key, problem.certain, "lies on tmpfs" in problem.words) == ("--run", False, True)
    monkeypatch.setattr("sys.prefix", "/opt/venv")
    (problem,) = check(Slurm(), Path("/home/me/runs/a"))
    assert (problem.key, "Python environment /opt/venv lies on ext4" in problem.words) == (
        "resources.python",
        True,
    )
    assert check(Slurm(python="/nodes/python"), Path("/home/me/runs/a")) == []
    # Where the only node is this machine, its own file systems are all that is needed.
    slurm(sinfo=f'case "$*" in *%n*) echo here;; *) cat {RECORDED}/slurm-nodes.txt;; esac')
    monkeypatch.setattr("socket.gethostname", lambda: "here.cluster")
    assert check(Slurm(), Path("/tmp/a")) == []


@pytest.fixture
def pbs(programs: Put) -> Put:
    programs(
        qsub="exit 1",
        qstat=f'case "$*" in *-B*) printf "Server: s\\n    default_queue = normal\\n";; '
        f"*) cat {RECORDED}/pbs-queues.txt;; esac",
        pbsnodes=f"cat {RECORDED}/pbs-nodes.txt",
    )
    return programs


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, ""),
        ({"queue": "R123@server"}, ""),
        ({"cpus_per_task": 32, "gpus_per_node": 4, "ntasks_per_node": 1}, ""),
        ({"queue": "nomal"}, "resources.queue: there is no queue `nomal` here; did you mean `normal`?"),
        ({"queue": "gpu_long"}, "resources.queue: queue `gpu_long` starts no jobs now"),
        ({"time": "25:00:00"}, "resources.time: a job may run for 24 h 0 min in queue `normal`"),
        ({"nodes": 5, "cpus_per_task": 64}, "resources.nodes: a job may have 256 cores in queue `normal`"),
        (
            {"gpus_per_node": 8, "ntasks_per_node": 1},
            "resources.gpus_per_node: 8 GPUs of a node are asked for",
        ),
        (
            {"cpus_per_task": 65},
            "resources.cpus_per_task: 65 cores of a node are asked for, and 64 is the most",
        ),
        ({"mem": "300gb"}, "resources.mem: 307200 MB of a node are asked for, and 262144 is the most"),
    ],
)
def test_queues_and_nodes_of_pbs(pbs: Put, keys: dict, words: str) -> None:
    found = check(Pbs(**keys))
    assert said(found).startswith(words)
    assert len(found) == bool(words)


def test_parts_of_a_host_are_one_node_of_pbs() -> None:
    cpu, gpu = hosts((RECORDED / "pbs-nodes.txt").read_text())
    assert (cpu["ncpus"], cpu["ngpus"]) == (64, 0)
    assert (gpu["ncpus"], gpu["ngpus"], gpu["mem"]) == (32, 4, 2 * 131072)


def test_pbs_that_is_not_there_or_down(programs: Put) -> None:
    assert "there is no `qsub` or `qstat`" in said(check(Pbs()))
    programs(qsub="", qstat="echo 'qstat: cannot connect to server s (errno=15010)' >&2; exit 2")
    assert "PBS does not answer: qstat: cannot connect to server s" in said(check(Pbs()))


def test_kubernetes_needs_its_package_and_a_cluster(tmp_path: Path, monkeypatch) -> None:
    resources = Kubernetes(image="mlaround:1")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install kubernetes" in said(check(resources))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    assert "there is no cluster configuration" in said(check(resources))
    (tmp_path / "config").touch()
    assert check(resources) == []


def test_this_machine_has_no_problems() -> None:
    assert check(Local(workers=2), Path("/tmp/a")) == []


def test_units_of_batch_systems() -> None:
    assert slurm_site.gpus_of("gpu:a100:4(S:0-1),gpu:v100:2,shard:8") == {"a100": 4, "v100": 2}
    assert slurm_site.gpus_of("gpu:2") == {"": 2}
    assert slurm_site.gpus_of("(null)") == {}
    assert [slurm_site.walltime(t) for t in ("1-00:00:00", "00:30:00", "UNLIMITED", "NONE")] == [
        *(86400, 1800, None, None)
    ]
    assert [megabytes(m) for m in ("64G", "64gb", "1T", "500", "0", None)] == [
        *(65536, 65536, 1048576, 500, 0, 0)
    ]
    assert [clock(s) for s in (59, 43200, 2 * 86400 + 61)] == ["00:00:59", "12:00:00", "2-00:01:01"]
    assert os.path.exists("/proc/self/mounts") <= (file_systems.file_system(Path("/"))[0] == "/")
