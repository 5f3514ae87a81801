"""Failed simulations in groups: what their messages share, and what their inputs have in common."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from workflow.record import Record, State
from workflow.space import Dimension, Space

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

CHANCE = 0.01
"""A difference as large as this probable without a cause is none; shared among the inputs looked at."""

FEW = 12
"""Up to this many different values are compared one by one."""

BARS = 12
"""Bars of a histogram of a continuous input."""

DRAWS = 2000
"""Random labellings that a difference between few values is judged by: enough for `CHANCE` over 10 inputs."""

SMALL = 50
"""Up to this many elements of the smaller sample the probability is exact."""

LONGEST = 2000
"""Characters of a message that its group is told by; what follows is the tail of some program's output."""

NUMBER = "#"

_REPLACED = (
    # Paths, absolute ones and those with an ending, but no unit such as 1/ps.
    (re.compile(r"(?<![\w./])(?:[A-Za-z]:|~|\.{1,2})?(?:[/\\][\w.+@%=-]+){2,}[/\\]?"), "PATH"),
    (re.compile(r"(?<![\w./])(?:\.{0,2}/)?[\w.+-]+(?:/[\w.+-]+)*/[\w+-]+\.[A-Za-z]\w{0,5}\b"), "PATH"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "ID"),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "ID"),
    (re.compile(r"\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\b"), "ID"),
    (re.compile(r"(?<![\w.])[-+−](?=\.?\d|inf|nan)"), ""),
    (re.compile(r"(?:\d+(?:[.,:]\d+)*\.?|\.\d+)(?:[eE][-+]?\d+)?|\b(?:nan|inf|infinity)\b", re.I), NUMBER),
    (re.compile(r"#(?:[\s,;]+#)+"), NUMBER),  # a list of numbers, however long
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True)
class InCommon:
    """The input whose distribution differs most between failed simulations and those that are done.

    Args:
        input, unit: its name, and the unit of all that follows.
        distance: between the two distributions, 0 to 1: Kolmogorov-Smirnov's for a continuous input,
            total variation for one of few values.
        values: those of an input of few values, as the bars of the histogram; empty otherwise.
        failed, done: least and greatest value.
        middle_failed, middle_done: the quartiles, between which the middle half lies.
        done_inside: how many of those done lie where the failed ones do.
        edges: of the histogram's bars.
        failed_counts, done_counts: simulations in each bar.
    """

    input: str
    unit: str
    distance: float
    values: tuple[float, ...]
    failed: tuple[float, float]
    done: tuple[float, float]
    middle_failed: tuple[float, float]
    middle_done: tuple[float, float]
    done_inside: int
    edges: tuple[float, ...]
    failed_counts: tuple[int, ...]
    done_counts: tuple[int, ...]

    @property
    def words(self) -> str:
        """The finding in a sentence."""
        n_done = sum(self.done_counts)
        if self.values:
            return self._words_of_values(n_done)
        if self.done_inside <= 0.5 * n_done:
            inside = f"{self.done_inside:,}" if self.done_inside else "none"
            lie = "lie" if self.done_inside > 1 else "lies"
            everywhere = f"{self.input} is {self._span(self.failed)} in all of them"
            return f"{everywhere}; {inside} of the {n_done:,} that are done {lie} there"
        return (
            f"{self.input} is mostly {self._span(self.middle_failed)} "
            f"(in those that are done mostly {self._span(self.middle_done)})"
        )

    def _words_of_values(self, n_done: int) -> str:
        failed, done = np.array(self.failed_counts), np.array(self.done_counts)
        share, usual = failed / failed.sum(), done / n_done
        k = int((share - usual).argmax())
        value = f"{self.input} is {self.values[k]:g} {self.unit}".rstrip()
        return f"{value} in {_percent(share[k])} of them, and in {_percent(usual[k])} of those that are done"

    def _span(self, ends: tuple[float, float]) -> str:
        low, high = (f"{v:.3g}" for v in ends)
        return (low if low == high else f"{low} to {high}") + (f" {self.unit}" if self.unit else "")


@dataclass(frozen=True)
class FailureGroup:
    """Failed simulations with the same reason, whose messages differ in numbers, paths and ids only.

    Args:
        key: of the group, the same in every look at the run.
        reason: as the simulator or the engine gave it.
        pattern: the message with `#`, `PATH` and `ID` in place of what differs.
        message: that of the first of them, in full.
        simulations: their numbers, ascending.
        common: what their inputs have in common; ``None`` where nothing stands out beyond chance.
    """

    key: str
    reason: str
    pattern: str
    message: str
    simulations: Counts
    common: InCommon | None

    @property
    def words(self) -> str:
        """What they have in common, in words."""
        return self.common.words if self.common else "nothing that stands out"


@lru_cache(maxsize=1 << 16)
def normalised(message: str) -> str:
    """A message without what tells one failure from the next: numbers, paths and ids."""
    text = message[:LONGEST]
    for pattern, word in _REPLACED:
        text = pattern.sub(word, text)
    return text.strip()


@lru_cache(maxsize=1 << 16)
def group_key(reason: str, message: str) -> str:
    """The key of the group that a failure belongs to."""
    return blake2b(f"{reason}\0{normalised(message)}".encode(errors="replace"), digest_size=6).hexdigest()


def failure_groups(record: Record, space: Space) -> list[FailureGroup]:
    """The failures of a run in groups, the largest first."""
    members: dict[str, list[int]] = {}
    for replica, (reason, message) in record.failures.items():
        members.setdefault(group_key(reason, message), []).append(replica)
    done = record.inputs[record.state == State.DONE] if members else np.empty((0, 0))
    groups = []
    for key, replicas in members.items():
        numbers = np.sort(np.array(replicas, dtype=np.int64))
        reason, message = record.failures[int(numbers[0])]
        common = in_common(record.inputs[numbers], done, space)
        groups.append(FailureGroup(key, reason, normalised(message), message, numbers, common))
    return sorted(groups, key=lambda group: (-len(group.simulations), int(group.simulations[0])))


def in_common(failed: Array, done: Array, space: Space) -> InCommon | None:
    """The input that differs most between two sets of simulations, if it does so beyond chance.

    Args:
        failed: inputs of the ones, array (n, dimensions).
        done: inputs of the others, likewise.
        space: whose dimensions the columns are.
    """
    varied = [k for k, d in enumerate(space.dimensions) if d.low != d.high]
    if not len(failed) or not len(done) or not varied:
        return None
    best: tuple[float, int] | None = None
    for k in varied:
        distance, chance = difference(failed[:, k], done[:, k])
        if chance * len(varied) <= CHANCE and (best is None or distance > best[0]):
            best = distance, k
    if best is None:
        return None
    distance, k = best
    return _described(space.dimensions[k], distance, failed[:, k], done[:, k])


def difference(a: Array, b: Array) -> tuple[float, float]:
    """How far apart two samples are, 0 to 1, and the probability of a distance as large by chance."""
    values, index = _few(a, b)
    if values is None:
        return _kolmogorov_smirnov(a, b)
    return _total_variation(
        np.bincount(index[: len(a)], minlength=len(values)),
        np.bincount(index[len(a) :], minlength=len(values)),
    )


def _few(a: Array, b: Array) -> tuple[Array | None, Counts]:
    """The values that occur, if they are few, and the place of each sample's element among them."""
    both = np.concatenate([a, b])
    if len(both) > 4 * FEW and len(np.unique(both[: 4 * FEW])) > FEW:
        return None, np.empty(0, dtype=np.int64)  # a look at the first saves sorting all
    values, index = np.unique(both, return_inverse=True)
    # Few values are few only if they repeat: a handful of points of a continuous input are not.
    return (values, index) if len(values) <= FEW and 2 * len(values) <= len(both) else (None, index)


def _kolmogorov_smirnov(a: Array, b: Array) -> tuple[float, float]:
    a, b = np.sort(a), np.sort(b)
    at = np.concatenate([a, b])
    below_a = np.searchsorted(a, at, side="right") / len(a)
    below_b = np.searchsorted(b, at, side="right") / len(b)
    distance = float(np.abs(below_a - below_b).max())
    return distance, (_exact if min(len(a), len(b)) <= SMALL else _asymptotic)(distance, len(a), len(b))


def _asymptotic(distance: float, n: int, m: int) -> float:
    """Kolmogorov's distribution with Stephens' correction (J. R. Stat. Soc. B 32, 115, 1970)."""
    root = np.sqrt(n * m / (n + m))
    scaled = (root + 0.12 + 0.11 / root) * distance
    k = np.arange(1, 101)
    terms = (-1.0) ** (k - 1) * np.exp(-2 * (k * scaled) ** 2)
    return 1.0 if scaled < 0.2 else float(np.clip(2 * terms.sum(), 0.0, 1.0))


def _exact(distance: float, n: int, m: int) -> float:
    """Share of the orders of n and m elements in which the distance is as large.

    An order is a path over a lattice, a step for each element, and the distance is small where the path
    stays near the diagonal (Hodges, Ark. Mat. 3, 469, 1958): such paths are counted row by row.
    """
    n, m = min(n, m), max(n, m)
    reach = distance - 1e-9
    paths, scale = np.ones(1), 0.0
    low = 0
    for i in range(n + 1):
        first = max(0, int(np.floor((i / n - reach) * m)) + 1)
        last = min(m, int(np.ceil((i / n + reach) * m)) - 1)
        if first > last:
            return 1.0
        row = np.zeros(last - first + 1)
        if i == 0:
            row[:] = 1.0
        else:
            # A point is reached from the left and from the row before, which is given from `low` on.
            begin, end = max(first, low), min(last, low + len(paths) - 1)
            if begin > end:
                return 1.0
            row[begin - first : end - first + 1] = paths[begin - low : end - low + 1]
            row = np.cumsum(row)
        top = row.max()
        scale += math.log(top)
        paths, low = row / top, first
    all_paths = math.lgamma(n + m + 1) - math.lgamma(n + 1) - math.lgamma(m + 1)
    inside = float(paths[-1]) * math.exp(scale - all_paths) if low + len(paths) - 1 == m else 0.0
    return min(1.0, max(0.0, 1.0 - inside))


def _total_variation(a: Counts, b: Counts) -> tuple[float, float]:
    """From how often each value occurs in either sample.

    By chance means that which samples are called failed has nothing to do with their values: the counts
    are then drawn without replacement. The draws are the same in every look at the same counts.
    """
    n, m = int(a.sum()), int(b.sum())
    distance = float(0.5 * np.abs(a / n - b / m).sum())
    drawn = np.random.default_rng(0).multivariate_hypergeometric(a + b, n, DRAWS, method="marginals")
    distances = 0.5 * np.abs(drawn / n - (a + b - drawn) / m).sum(axis=1)
    return distance, float((1 + (distances >= distance - 1e-12).sum()) / (1 + DRAWS))


def _described(d: Dimension, distance: float, failed: Array, done: Array) -> InCommon:
    values, _ = _few(failed, done)
    if values is not None:
        middles = 0.5 * (values[1:] + values[:-1])
        margin = 0.5 * (values[-1] - values[0]) / max(1, len(values) - 1) or 0.5
        edges = np.array([values[0] - margin, *middles, values[-1] + margin])
    else:
        low = min(d.low, failed.min(), done.min())
        edges = np.linspace(low, max(d.high, failed.max(), done.max()), BARS + 1)
    ends = float(failed.min()), float(failed.max())
    quartiles = [tuple(float(q) for q in np.quantile(sample, (0.25, 0.75))) for sample in (failed, done)]
    return InCommon(
        input=d.name,
        unit=d.unit,
        distance=distance,
        values=() if values is None else tuple(values.tolist()),
        failed=ends,
        done=(float(done.min()), float(done.max())),
        middle_failed=(quartiles[0][0], quartiles[0][1]),
        middle_done=(quartiles[1][0], quartiles[1][1]),
        done_inside=int(((done >= ends[0]) & (done <= ends[1])).sum()),
        edges=tuple(edges.tolist()),
        failed_counts=tuple(np.histogram(failed, edges)[0].tolist()),
        done_counts=tuple(np.histogram(done, edges)[0].tolist()),
    )


def _percent(share: float) -> str:
    if share == 0:
        return "none"
    return "all" if share == 1 else f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.1f} %"
