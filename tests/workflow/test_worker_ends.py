"""How a worker's work ends before its own end: its time is over, or its block's."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from workflow.folder import RunFolder
from workflow.pool import BlockEndingError, WorkerLostError
from workflow.pools import start_pool
from workflow.reading import dump, parse_campaign
from workflow.resources import Local
from workflow.tasks import simulate
from workflow.worker import block_ends, block_is_ending, limited, own_card, timed_out, visible_cards

WAIT = 60  # generous: the machine may be busy

STUCK = """
import subprocess, time
from typing import ClassVar
import numpy as np
from simulators import Observations, Output, Parameter, Simulator


class Stuck(Simulator):
    kind: str
    how: str
    inputs: ClassVar = (Parameter("x", "", "", 0, 10),)
    outputs: ClassVar = (Output("y", "", ""),)

    def work(self, inputs):
        return 1.0

    def run(self, inputs, seeds, *, threads=1, progress=None):
        n = len(inputs)
        if self.how != "not at all":
            subprocess.Popen(["sleep", "600.75"], start_new_session=True)
        if self.how == "holding the interpreter":
            from numba import njit

            @njit(nogil=False)
            def spin(x):
                while x > 0:
                    x = x % 1000 + 1
                return x

            spin(1)
        elif self.how == "asleep":
            time.sleep(600)
        return Observations({"y": inputs[:, 0]}, {"y": np.zeros(n)}, {}, np.zeros(n), np.zeros(n))
"""
CAMPAIGN = """
name: stuck
simulator: {kind: "stuck_simulator:Stuck", how: "HOW"}
space: {x: [0, 10]}
surrogate: {kind: gaussian_process}
steering: {kind: sobol}
stop: {simulations: 2}
"""


def new_run(path: Path, text: str) -> RunFolder:
    folder = RunFolder(path)
    campaign = parse_campaign(text, str(path.parent / "campaign.yaml"))
    folder.create(campaign=text, resolved=dump(campaign), provenance={"campaign": campaign.name, "seed": 1})
    return folder


def sleepers():
    return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "600.75"]]


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    pool = start_pool(Local(workers=1), tmp_path_factory.mktemp("pool"), workers=1, name="simulate")
    yield pool
    pool.close(kill=True)


@pytest.mark.parametrize("how", ["not at all", "holding the interpreter", "asleep"])
def test_a_task_ends_when_its_time_is_over_whatever_it_does(tmp_path, monkeypatch, pool, how):
    (tmp_path / "stuck_simulator.py").write_text(STUCK)
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = new_run(tmp_path / "r", CAMPAIGN.replace("HOW", how))
    request = {"run": str(folder.path), "search": str(tmp_path), "task": 3, "first": 0, "seed": 1}
    request |= {"inputs": [[1.0], [2.0]], "limit": 0.6}
    future = pool.submit(simulate, request)
    if how == "not at all":
        assert future.result(WAIT)["failed"] == {}
        assert pool.submit(signal.getitimer, signal.ITIMER_REAL).result(WAIT) == (0, 0)
        assert not folder.marker(3).exists()
        return
    assert isinstance(future.exception(WAIT), WorkerLostError)
    marker = json.loads(folder.marker(3).read_text())
    assert marker["limit"] == 0.6
    assert timed_out(marker, time.time())
    assert not timed_out(marker, marker["started"] + 0.3)
    end = time.monotonic() + WAIT
    while sleepers() and time.monotonic() < end:
        time.sleep(0.02)
    assert sleepers() == []


def test_a_worker_among_threads_has_no_alarm():
    with limited(0.001):
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_crashes_are_told_from_the_end_of_the_time():
    assert not timed_out({"started": 100.0, "limit": None}, 1e9)
    assert not timed_out({"started": 100.0}, 1e9)
    assert not timed_out({"started": 100.0, "limit": 50.0}, 148.9)
    assert timed_out({"started": 100.0, "limit": 50.0}, 149.1)  # clocks of two hosts


LISTED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa-1)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb-2)
  MIG 3g.20gb     Device  0: (UUID: MIG-cccc-3)
  MIG 3g.20gb     Device  1: (UUID: MIG-GPU-bbbb-2/5/0)
"""


@pytest.mark.parametrize(
    ("given", "cards"),
    [
        (None, ["GPU-aaaa-1", "MIG-cccc-3", "MIG-GPU-bbbb-2/5/0"]),
        ("0,1", ["0", "1"]),
        ("GPU-bbbb-2, MIG-cccc-3", ["GPU-bbbb-2", "MIG-cccc-3"]),
        ("2,-1,1", ["2"]),
        ("", []),
        ("NoDevFiles", []),
    ],
)
def test_cards_are_those_that_the_block_says(given, cards):
    environment = {} if given is None else {"CUDA_VISIBLE_DEVICES": given}
    assert visible_cards(environment, lambda: LISTED) == cards


def test_workers_share_cards_evenly():
    cards = ["a", "b", "c"]
    assert "".join(own_card(cards, rank, 1) for rank in range(7)) == "abcabca"
    assert "".join(own_card(cards, rank, 2) for rank in range(8)) == "aabbccaa"


SEE = "import os; from workflow.worker import settle; settle(); print(os.environ['CUDA_VISIBLE_DEVICES'])"


@pytest.mark.parametrize(("per_card", "seen"), [("1", "GPU-b"), ("2", "GPU-a"), (None, "GPU-a,GPU-b")])
def test_a_worker_sees_its_own_card(per_card, seen):
    environment = os.environ | {"PARSL_WORKER_RANK": "1", "CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"}
    if per_card is not None:
        environment["MLAROUND_WORKERS_PER_GPU"] = per_card
    worker = subprocess.run(
        [sys.executable, "-c", SEE], env=environment, capture_output=True, text=True, check=True
    )
    assert worker.stdout.strip() == seen


def test_a_task_of_a_block_that_ends_stops_and_goes_on_in_the_next(tmp_path, monkeypatch):
    text = """
name: walk
simulator: {kind: double_well_escape, steps: 100_000, timestep: 0.02}
space: {barrier: [1, 2]}
keep: {checkpoint: 10_000_000, series: 10_000}
surrogate: {kind: gaussian_process}
steering: {kind: sobol}
stop: {simulations: 2}
"""
    results = []
    for name in ("whole", "cut"):
        folder = new_run(tmp_path / name, text)
        request = {"run": str(folder.path), "search": None, "task": 0, "first": 999, "seed": 1}
        request |= {"inputs": [[1.0], [1.5]]}
        if name == "cut":
            monkeypatch.setenv("MLAROUND_BLOCK_ENDS", str(time.time()))
            with pytest.raises(BlockEndingError):
                simulate(request)
            assert not folder.marker(0).exists()
            assert (folder.trajectories / f"{folder.kept_name(999)}.checkpoint.npz").exists()
            monkeypatch.delenv("MLAROUND_BLOCK_ENDS")
            # It was split in the meantime: its parts are tasks with numbers of their own.
            for k in (0, 1):
                part = {"task": 1500 + k, "first": 999 + k, "inputs": [request["inputs"][k]]}
                results.append(simulate(request | part))
        else:
            results.append(simulate(request))
    whole, *cut = results
    for name, (mean, stderr) in whole["scalars"].items():
        parts = [part["scalars"][name] for part in cut]
        assert (mean, stderr) == tuple([part[k][0] for part in parts] for k in (0, 1))
    for replica in (999, 1000):
        ours, theirs = (
            folder.trajectories / f"{folder.kept_name(replica)}.csv"
            for folder in (RunFolder(tmp_path / "cut"), RunFolder(tmp_path / "whole"))
        )
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_simulation_is_told_in_time_but_not_too_early(monkeypatch):
    assert block_ends() is None
    assert block_is_ending() is None
    began = time.time()
    monkeypatch.setattr("workflow.worker._BEGAN", began)
    for walltime, warning in ((7200, 30), (100, 5), (-5, 0)):
        monkeypatch.setenv("MLAROUND_BLOCK_ENDS", str(began + walltime))
        ending = pickle.loads(pickle.dumps(block_is_ending()))  # ranks of MPI get a copy
        told = began + walltime - warning
        for moment, expected in ((told - 0.1, False), (told + 0.1, True)):
            monkeypatch.setattr("workflow.worker.time.time", lambda moment=moment: moment)
            assert ending() is expected
        monkeypatch.undo()
        monkeypatch.setattr("workflow.worker._BEGAN", began)
