"""The MYC/E2F network that decides whether a cell divides: its reactions, as laws of molecule numbers.

Equations of Wang et al., Nat. Commun. 10, 4354 (2019), after Yao et al., Nat. Cell Biol. 10, 476 (2008).
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping
from typing import Any

import numpy as np

from simulators.md.arithmetic import law, real, reciprocal

SPECIES = ("MC", "EFm", "EFp", "CD", "RB", "CE", "RP", "RE", "AF", "MR")
"""MYC, E2F's mRNA, E2F, cyclin D, RB, cyclin E, phosphorylated RB, RB with E2F, ARF and microRNA."""
MOLECULES = 602.0
"""In a cell of 1e-15 l at 1 uM."""
_PER_UNIT = {"uM": MOLECULES, "uM/h": MOLECULES, "1/uM": 1 / MOLECULES, "1/uM/h": 1 / MOLECULES}


Constants = namedtuple(
    "Constants",
    "kMC kS kEFm kb kEFp kCD kCDS kCE kRB kRE kRBDP kRBP1 kRBP2 kAFb kAFEF kAFMC kMREF kMRMC "
    "KAFMC KAFEF KMRMC KMREF KMC KMC1 KEF KR KMR KAFR KRP KCD KCE KMCCD "
    "dEFm dEFp dCD dCE dRB dRP dRE dMC dAF dMR",
)
"""Rate constants k, half saturations K and decay constants d, for molecule numbers and hours (float32).

Those that serum drives (kMC, kS, kCDS) contain its saturation.
"""


def constants(inputs: Mapping[str, float], units: Mapping[str, str], serum: float) -> Constants:
    """Constants for molecule numbers.

    Args:
        inputs: all 43 parameters.
        units: of each: uM, uM/h, 1/uM, 1/uM/h or something without an amount.
        serum: per cent.
    """
    values = {name: inputs[name] * _PER_UNIT.get(units[name], 1.0) for name in inputs}
    stimulus = serum / (inputs["KS"] + serum)
    for name in ("kMC", "kS", "kCDS"):
        values[name] *= stimulus
    return Constants(*(np.float32(values[name]) for name in Constants._fields))


@law
def saturation(x: Any, half: Any) -> Any:
    """``x / (half + x)``."""
    return x * reciprocal(x + half)


@law
def made(k: Any, MC: Any, EFm: Any, EFp: Any, MR: Any) -> Any:
    """Molecules that reactions of their own make, per hour: MC, EFm, EFp, CD, RB, CE, AF and MR."""
    e2f = saturation(EFp, real(k.KEF))
    mrna = (
        real(k.kS)
        + real(k.kEFm) * saturation(MC, real(k.KMC)) * e2f
        + real(k.kb) * saturation(MC, real(k.KMC1))
    )
    return (
        real(k.kMC),
        mrna * real(k.KR) * reciprocal(real(k.KR) + MC),
        real(k.kEFp) * EFm * real(k.KMR) * reciprocal(real(k.KMR) + MR),
        real(k.kCD) * saturation(MC, real(k.KMCCD)) + real(k.kCDS),
        real(k.kRB),
        real(k.kCE) * e2f,
        real(k.kAFb)
        + real(k.kAFEF) * saturation(EFp, real(k.KAFEF))
        + real(k.kAFMC) * saturation(MC, real(k.KAFMC)),
        real(k.kMRMC) * saturation(MC, real(k.KMRMC)) + real(k.kMREF) * saturation(EFp, real(k.KMREF)),
    )


@law
def exchanged(k: Any, EFp: Any, CD: Any, RB: Any, CE: Any, RP: Any, RE: Any) -> Any:
    """Reactions between species, per hour.

    Returns:
        RE phosphorylated by cyclin D and by cyclin E, RB + EFp -> RE, RP dephosphorylated, RB phosphorylated
        by cyclin D and by cyclin E.
    """
    by_d, by_e = real(k.kRBP1) * CD, real(k.kRBP2) * CE
    return (
        by_d * saturation(RE, real(k.KCD)),
        by_e * saturation(RE, real(k.KCE)),
        real(k.kRE) * RB * EFp,
        real(k.kRBDP) * saturation(RP, real(k.KRP)),
        by_d * saturation(RB, real(k.KCD)),
        by_e * saturation(RB, real(k.KCE)),
    )
