"""What a run's held-out scores mean, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NARROW, WIDE = 1.25, 0.75
"""Error bars are too narrow above the one rms z, and wider than the errors below the other."""

FEW = 20
"""Fewer held-out simulations than this settle nothing about the error bars."""


@dataclass(frozen=True)
class Verdict:
    """A judgement.

    Args:
        sentences: to be read one after the other.
        good: whether the error bars may be believed.
    """

    sentences: tuple[str, ...]
    good: bool


def verdict(scores: Mapping[str, Any] | None) -> Verdict:
    """The judgement on the model in use.

    Args:
        scores: as `surrogates.held_out_scores` gives them; empty or ``None`` if nothing judged it.
    """
    overall = (scores or {}).get("overall")
    if not scores or not overall or any(overall.get(k) is None for k in ("rms_z", "coverage", "success")):
        return Verdict(
            ("No held-out simulation has judged a model yet: nothing is known about its error.",), False
        )
    n, rms, coverage = scores["n"], overall["rms_z"], overall["coverage"]
    # Bins of one profile err together, so that the simulations are what is counted.
    doubt = math.sqrt(max(coverage * (1 - coverage), 0.05 * 0.95) / n)
    narrow = rms > NARROW or coverage + 2 * doubt < 0.95
    wide = rms < WIDE
    if narrow:
        bars = "The error bars are too narrow: widen them by the rms z before relying on them."
    elif wide:
        bars = "The error bars are wider than the errors: they are safe, and more cautious than they need be."
    else:
        bars = "The error bars mean what they say."
    few = f" Only {n} simulations judged it, too few to be sure." if n < FEW else ""
    return Verdict(
        (
            _off(n, overall.get("median_relative_error")),
            f"{100 * overall['success']:.0f} % of its predictions lie within two standard errors of the "
            "simulation, where a perfect model would reach 95 %.",
            f"{bars} Its 95 % intervals hold {100 * coverage:.0f} ± {100 * doubt:.0f} % of the simulated "
            f"values, and the rms z is {rms:.2f}, where 1 is calibrated.{few}",
        ),
        not narrow and n >= FEW,
    )


def _off(n: int, relative: float | None) -> str:
    """By how much the model is off; everything that it predicts may be zero, which has no relative error."""
    judges = f"Judged by {n} held-out simulations that the model never saw"
    return (
        f"{judges}."
        if relative is None
        else f"{judges}, its median relative error is {100 * relative:.2g} %."
    )
