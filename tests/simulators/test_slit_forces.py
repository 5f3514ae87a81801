"""Forces of the slit: the vector kernels against float64, and float64 against the energy it derives from."""

import numpy as np
import pytest
from slit_reference import BULK, Reference, replica

from simulators.md.slit.run import forces
from simulators.md.slit.sheet import RANK, expansion, sheet_energy, sheet_force

SYSTEMS = {
    "symmetric": ({"ions": 100}, BULK),
    "trivalent": ({"ions": 203}, {**BULK, "cation_valency": 3, "diameter": 0.5}),
    "unlike diameters": (
        {"ions": 90},
        {
            "gap": 4,
            "cation_valency": 2,
            "anion_valency": -3,
            "concentration": 0.3,
            "cation_diameter": 0.4,
            "anion_diameter": 0.6,
        },
    ),
    "counterions": ({"ions": 50}, {**BULK, "concentration": 0, "surface_charge": -0.05}),
    "current wall": ({"ions": 100, "wall": "current"}, BULK),
    "charged": ({"ions": 200}, {**BULK, "surface_charge": 0.01}),
}


@pytest.fixture(params=sorted(SYSTEMS), scope="module")
def system(request):
    configuration, inputs = SYSTEMS[request.param]
    moved = replica(3, {**configuration, "steps": 400}, **inputs)
    assert moved.run(lambda fraction: None) is None
    forces(moved.ions, moved.table, moved.slit)
    return moved


def test_kernel_agrees_with_float64(system):
    reference = Reference(system)
    expected = reference.forces(reference.positions)
    got = np.stack([system.ions.fx, system.ions.fy, system.ions.fz], axis=1)[reference.lanes]
    assert np.abs(got - expected).max() < 1e-5 * np.abs(expected).max()
    assert np.sqrt(np.mean((got - expected) ** 2)) < 1e-5 * np.sqrt(np.mean(expected**2))


def test_float64_is_the_gradient_of_the_energy(system):
    reference = Reference(system)
    positions, h = reference.positions, 1e-5
    expected = reference.forces(positions)
    rng = np.random.default_rng(0)
    for _ in range(3):
        direction = rng.normal(size=positions.shape)
        ahead = [reference.energy(positions + k * h * direction) for k in (-2, -1, 1, 2)]
        slope = (ahead[0] - 8 * ahead[1] + 8 * ahead[2] - ahead[3]) / (12 * h)
        scale = np.linalg.norm(expected) * np.linalg.norm(direction) / np.sqrt(positions.size)
        assert -slope == pytest.approx((expected * direction).sum(), abs=1e-8 * scale)


def test_momentum_in_the_plane_is_conserved(system):
    for component in (system.ions.fx, system.ions.fy):
        assert abs(component.sum(dtype=float)) < 1e-5 * np.abs(component).sum(dtype=float)


def test_lanes_without_an_ion_feel_nothing(system):
    empty = system.ions.present == 0
    for component in (system.ions.fx, system.ions.fy, system.ions.fz):
        assert (np.abs(component[empty]) < 1e-7).all()


@pytest.mark.parametrize("ratio", [0.1, 0.4, 0.7, 0.95])
def test_sheet_expansion_agrees_with_its_closed_form(ratio):
    side, half_gap = 20.0, 10.0 * ratio
    t = np.linspace(-1, 1, 101)
    polynomials = np.cos(np.outer(np.arange(RANK), np.arccos(t)))
    got = polynomials.T @ expansion(half_gap, side, 1.0) @ polynomials
    expected = sheet_force(half_gap * (t[:, None] - t[None, :]), side, 1.0)
    assert np.abs(got - expected).max() < 1e-5 * 2 * np.pi / side**2


def test_sheet_force_is_minus_the_slope_of_its_energy():
    dz, h = np.linspace(-9, 9, 37), 1e-4
    slope = (sheet_energy(dz + h, 10.0, 0.7) - sheet_energy(dz - h, 10.0, 0.7)) / (2 * h)
    assert sheet_force(dz, 10.0, 0.7) == pytest.approx(-slope, abs=1e-8)


def _lattice_force(d, side, reach=400):
    """z-force between two unit charges and all their images, summed in discs; l_B = 1."""
    n = np.arange(-reach, reach + 1) * side
    x, y = np.meshgrid(d[0] + n, d[1] + n)
    planar = x**2 + y**2
    inside = planar < (reach * side) ** 2
    near = (d[2] / (planar[inside] + d[2] ** 2) ** 1.5).sum()
    # The rest of the plane as a uniform sheet with a round hole.
    return near + 2 * np.pi / side**2 * d[2] / np.hypot(reach * side, d[2])


@pytest.mark.parametrize(
    ("d", "published"),
    [((0.3, 0.2, 3.0), 0.13400), ((2.0, 1.0, 6.0), 0.06631), ((0.0, 0.0, 20.0), 0.062833)],
)
def test_sheets_stand_for_all_images_once(d, published):
    side = 10.0
    direct = _lattice_force(d, side)
    assert direct == pytest.approx(published, rel=1e-3)
    nearest = d[2] / np.linalg.norm(d) ** 3
    sheet = float(sheet_force(np.array(d[2]), side, 1.0))
    assert nearest + sheet == pytest.approx(direct, rel=0.04)
    assert nearest + 2 * sheet > 1.2 * direct  # the published code counted it twice
