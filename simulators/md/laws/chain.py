"""A chain of C-alpha beads that remembers its native structure (Go model).

    U = sum 100 (b - b0)^2 + sum 20 (theta - theta0)^2 + sum [1 - cos d + (1 - cos 3 d) / 2], d = phi - phi0,
      + sum over native pairs 5 (s/r)^12 - 6 (s/r)^10 + sum over other pairs (4/r)^12 for r < 8

Lengths in angstrom, energies in epsilon (Clementi, Nymeyer and Onuchic, J. Mol. Biol. 298, 937, 2000).

Bonds, angles and dihedrals are functions of the bond vectors b_k = r_(k+1) - r_k. With g_k = dU / db_k the
force on bead k is g_k - g_(k-1). The laws give g_k in steps, each of whose results serve their neighbours:

- `direction` of each bond, with `bond` for its length;
- `joint` of two successive directions, with `angle` for its cosine;
- `torsion` of two successive joints, with `dihedral`;
- `bond_gradient`, a component of g_k at a time.
"""

from __future__ import annotations

from simulators.md.arithmetic import acos, fma, fnma, law, maximum, real, reciprocal, rsqrt, select

REPULSION_CUT = 8.0
"""Where the repulsion of pairs that are not native ends, angstrom."""


@law
def direction(x, y, z):
    """Unit vector along a bond vector (angstrom).

    Returns:
        its three components, the inverse length and the length.
    """
    square = fma(x, x, fma(y, y, z * z))
    inverse = rsqrt(square)
    return x * inverse, y * inverse, z * inverse, inverse, square * inverse


@law
def bond(length, native):
    """``100 (b - b0)^2``.

    Returns:
        energy and its derivative by the length.
    """
    stretch = length - native
    pull = real(200.0) * stretch
    return real(0.5) * pull * stretch, pull


@law
def joint(ax, ay, az, bx, by, bz):
    """Two successive directions.

    Returns:
        the cosine between them (minus that of the bond angle), the three components of their cross product,
        and the inverse of its length, which stays below 3,200 where they are parallel.
    """
    cosine = fma(ax, bx, fma(ay, by, az * bz))
    square = maximum(fnma(cosine, cosine, real(1.0)), real(1e-7))
    crossed = fnma(az, by, ay * bz), fnma(ax, bz, az * bx), fnma(ay, bx, ax * by)
    return cosine, crossed[0], crossed[1], crossed[2], rsqrt(square)


@law
def angle(cosine, inverse_sine, native):
    """``20 (theta - theta0)^2``.

    Args:
        cosine: of the angle between the two directions, ``-cos theta``.
        inverse_sine: ``1 / sin theta``.
        native: theta0, radians.

    Returns:
        energy and its derivative by ``cosine``.
    """
    bend = acos(real(0.0) - cosine) - native
    pull = real(40.0) * bend
    return real(0.5) * pull * bend, pull * inverse_sine


@law
def torsion(ax, ay, az, mx, my, mz, nx, ny, nz, scale):
    """Dihedral of three successive directions a, b and c, in the sign convention of IUPAC.

    (ax, ay, az) is the first direction, (mx, my, mz) the cross product a x b, (nx, ny, nz) that of b x c, and
    ``scale`` the inverse of the product of their lengths.

    Returns:
        its cosine and sine.
    """
    return (
        fma(mx, nx, fma(my, ny, mz * nz)) * scale,
        fma(ax, nx, fma(ay, ny, az * nz)) * scale,
    )


@law
def dihedral(cosine, sine, native_cosine, native_sine):
    """``1 - cos d + (1 - cos 3 d) / 2`` with d = phi - phi0, without the angle itself.

    Returns:
        energy and its derivative by phi.
    """
    c = fma(cosine, native_cosine, sine * native_sine)
    s = fnma(cosine, native_sine, sine * native_cosine)
    square = c * c
    # cos 3 d = 4 c^3 - 3 c and sin 3 d = s (4 c^2 - 1)
    energy = fma(c, fma(real(-2.0), square, real(0.5)), real(1.5))
    return energy, s * fma(real(6.0), square, real(-0.5))


@law
def bond_gradient(
    pull,
    inverse,
    along,
    before,
    after,
    crossed_before,
    crossed_after,
    t,
    t_before,
    t_after,
    m_before,
    m_after,
):
    """A component of ``dU / db_k``: ``pull t + inverse (along t + ... + crossed_after m_after)``.

    Let c_k be the cosine between directions t_k and t_(k+1), m_k their cross product of length s_k, q_k the
    derivative of the angle's energy by c_k, and p_k that of the energy of the dihedral of directions k to
    k + 2 by phi; all of them are zero past the ends of the chain. Then, of bond k,

    - ``pull`` is the derivative of its energy by its length, whose inverse is ``inverse``;
    - ``along`` is ``-(q_(k-1) c_(k-1) + q_k c_k)``, ``before`` is q_(k-1) and ``after`` is q_k;
    - ``crossed_before`` is ``(p_(k-2) - p_(k-1) c_(k-1)) / s_(k-1)^2``;
    - ``crossed_after`` is ``(p_k - p_(k-1) c_k) / s_k^2``;
    - ``t``, ``t_before``, ``t_after``, ``m_before`` and ``m_after`` are a component of t_k, t_(k-1), t_(k+1),
      m_(k-1) and m_k.
    """
    turned = fma(along, t, fma(before, t_before, after * t_after))
    turned = fma(crossed_before, m_before, fma(crossed_after, m_after, turned))
    return fma(inverse, turned, pull * t)


@law
def contact(square, native_square):
    """``5 (s/r)^12 - 6 (s/r)^10``, from the squares of the distance and of the native one.

    Returns:
        energy and the force over the distance.
    """
    inverse = reciprocal(square)
    ratio = native_square * inverse
    second = ratio * ratio
    fifth = second * second * ratio
    return (
        fifth * fma(real(5.0), ratio, real(-6.0)),
        real(60.0) * fifth * (ratio - real(1.0)) * inverse,
    )


@law
def repulsion(square):
    """``(4/r)^12`` for r < 8, from the square of the distance.

    Returns:
        energy and the force over the distance.
    """
    inverse = reciprocal(square)
    third = inverse * inverse * inverse
    sixth = third * third
    near = square < real(REPULSION_CUT**2)
    # 4^12 = 2^24
    energy = select(near, real(16777216.0) * sixth, real(0.0))
    return energy, select(near, real(201326592.0) * inverse * sixth, real(0.0))
