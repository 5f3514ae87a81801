"""Cores of a block, handed out to programs of many sizes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow import seats
from workflow.tickets import NoSeatsError, Seats, allot

NODES = {"a": 4, "b": 4, "c": 2}

nodes = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 6), min_size=1)


@given(nodes, st.integers(1, 12), st.integers(1, 3))
def test_what_is_allotted_is_free_and_all_that_was_asked_for(
    free: dict[str, int], ranks: int, cores: int
) -> None:
    found = allot(free, ranks, cores)
    room = {node: number // cores for node, number in free.items()}
    if found is None:
        assert sum(room.values()) < ranks
        return
    assert sum(found.values()) == ranks
    assert all(0 < number <= room[node] for node, number in found.items())
    if max(room.values()) >= ranks:  # no rank talks over the network without need
        assert len(found) == 1


def test_a_program_goes_where_it_leaves_the_largest_room_for_others() -> None:
    assert allot({"a": 4, "b": 2, "c": 3}, 2, 1) == {"b": 2}
    assert allot({"a": 4, "b": 2, "c": 3}, 6, 1) == {"a": 4, "c": 2}
    assert allot({"a": 4, "b": 3}, 3, 2) == {"a": 2, "b": 1}


def test_all_are_served_in_their_order_and_no_core_twice(tmp_path: Path) -> None:
    chance = random.Random(4)
    sizes = [(chance.choice([1, 1, 2, 4, 7, 10]), chance.choice([1, 1, 1, 2])) for _ in range(60)]
    sizes = [(ranks, cores if ranks <= 5 else 1) for ranks, cores in sizes]
    lock, used, most = threading.Lock(), dict.fromkeys(NODES, 0), dict.fromkeys(NODES, 0)
    tickets: list[tuple[float, int]] = []
    together = 0

    def program(ranks: int, cores: int) -> None:
        nonlocal together
        # Each a process of its own as far as locks on files go: a lock is an open file's.
        with Seats(tmp_path / "seats", NODES).taken(ranks, cores, "p") as (on, _, hosts):
            served = (tmp_path / "seats" / hosts.with_suffix(".ticket").name).stat().st_mtime_ns
            with lock:
                tickets.append((served, int(hosts.stem)))
                for node, number in on.items():
                    used[node] += number * cores
                    most[node] = max(most[node], used[node])
                together = max(together, sum(1 for number in used.values() if number))
            time.sleep(chance.uniform(0, 0.01))
            with lock:
                for node, number in on.items():
                    used[node] -= number * cores

    threads = [threading.Thread(target=program, args=size) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(tickets) == len(sizes)
    assert set(used.values()) == {0}
    assert all(most[node] <= NODES[node] for node in NODES)
    assert together == len(NODES)  # else they ran one after another, and this showed nothing
    # A ticket is written last when its seats are given.
    assert [number for _, number in sorted(tickets)] == sorted(number for _, number in tickets)
    assert not (tmp_path / "seats").exists()


HOLDER = """
import sys, time
from pathlib import Path
from workflow.tickets import Seats
with Seats(Path(sys.argv[1]), {"a": 2}).taken(2, 1, "wide"):
    print("holds", flush=True)
    time.sleep(600.125)
"""


def test_a_dead_holder_gives_its_seats_back_once_its_ranks_are_ended(tmp_path: Path) -> None:
    folder, ended = tmp_path / "seats", []
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, folder], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"holds\n"
        holder.kill()
    assert len(list(folder.glob("*.ticket"))) == 1
    with Seats(folder, {"a": 2}, ended.append).taken(1, 1, "next") as (on, *_):
        assert (on, ended) == ({"a": 1}, ["wide"])
    assert not folder.exists()


def test_more_than_a_block_has_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(NoSeatsError, match=r"4 ranks of 2 cores do not fit .* a: 4, b: 3\. Ask for larger"):
        Seats(tmp_path, {"a": 4, "b": 3}).taken(4, 2, "large").__enter__()


def test_the_nodes_of_a_pbs_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "nodes"
    file.write_text("x1.site\nx1.site\nx2.site\nx2.site\n")
    monkeypatch.setenv("PBS_NODEFILE", str(file))
    monkeypatch.delenv("SLURM_JOB_NODELIST", raising=False)
    assert seats.block() == {"x1.site": 2, "x2.site": 2}
    monkeypatch.setenv("NCPUS", "32")  # where one process of a node was asked for, with 32 cores
    assert seats.block() == {"x1.site": 32, "x2.site": 32}


def test_without_a_batch_system_ranks_run_here(tmp_path: Path) -> None:
    pytest.importorskip("mpi4py")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SLURM_", "PBS_")) and name != "OMP_NUM_THREADS"
    } | {"TMPDIR": str(tmp_path)}

    def started(ranks: int, *command: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "workflow.seats", "-n", str(ranks), "--", *command]
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)

    assert started(1, "sh", "-c", "cat; echo one; exit 3").returncode == 3
    assert started(1, "echo", "-n", "--", "x").stdout == "-- x"
    refused = started(100_000, "true")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "100000 ranks do not fit into this block" in refused.stderr
    assert not list(tmp_path.glob("mlaround-seats-*"))
