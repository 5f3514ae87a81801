"""What is said where there is no card, and how a batch is laid out on one."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from simulators.contract import SimulatorError
from simulators.md.cuda.device import Card, chunks, find_card, threads_per_block
from simulators.slit_electrolyte import SlitElectrolyte

CARD = Card("a card", (9, 0), 132, 1000.0)


def _has_card():
    try:
        find_card()
    except SimulatorError:
        return False
    return True


without_card = pytest.mark.skipif(_has_card(), reason="there is a card here")


@without_card
def test_a_machine_without_a_card_says_so_and_what_to_do():
    simulator = SlitElectrolyte(ions=40, steps=100, backend="cuda")
    row = simulator.complete({"gap": 3.0, "cation_valency": 1, "concentration": 0.5, "diameter": 0.7})
    with pytest.raises(SimulatorError, match=r"backend: cuda.*mlaround\[gpu\].*backend: cpu"):
        simulator.run(row[None], np.array([1], np.uint64))


@without_card
def test_the_command_line_says_so_without_a_traceback():
    command = [sys.executable, "-m", "workflow.cli", "simulate", "slit_electrolyte", "--backend", "cuda"]
    command += ["-p", "gap=3", "cation_valency=1", "concentration=0.5", "diameter=0.7"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode != 0
    assert "backend: cuda" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_numba_cuda_it_says_what_to_install(monkeypatch):
    known = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "numba_cuda" else known(name, *rest)
    )
    with pytest.raises(SimulatorError, match="needs numba-cuda"):
        find_card()


def test_a_batch_larger_than_the_memory_is_cut_into_equal_parts():
    assert chunks(5, 100.0, CARD) == [range(5)]
    assert chunks(10, 100.0, CARD) == [range(5), range(5, 10)]
    assert sum(len(part) for part in chunks(100, 100.0, CARD)) == 100
    assert max(len(part) for part in chunks(100, 100.0, CARD)) <= 9
    with pytest.raises(SimulatorError, match="free"):
        chunks(1, 1001.0, CARD)


@pytest.mark.parametrize(("work", "size"), [([216] * 3, 224), ([500], 256), ([20], 32), ([256, 40], 64)])
def test_blocks_waste_few_threads(work, size):
    assert threads_per_block(work, 256) == size
