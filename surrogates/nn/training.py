"""Training all members together with torch: hand-batched weights, one product per layer.

Imported inside `fit` only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from surrogates.nn.forward import Networks, quadratic_terms

Array = NDArray[np.float64]

CHECK_EVERY = 10
"""Steps between looks at the loss on left-out rows."""


@dataclass(frozen=True, eq=False)
class Task:
    """What every member learns.

    Args:
        z: encoded inputs, array (n, width).
        u: each member's own targets (perturbed by the noise of the data), array (members, n, k).
        root: square roots of the targets' precision, array (n, k, k).
        taught: which rows teach which member, array (members, n).
    """

    z: Array
    u: Array
    root: Array
    taught: NDArray[np.bool_]


def fit_trend(task: Task, ridge: float) -> Array:
    """Quadratic least squares with a ridge for every member, array (members, terms, k)."""
    terms = quadratic_terms(task.z)
    rows = task.taught[:, :, None] * terms  # (members, n, terms)
    normal = rows.transpose(0, 2, 1) @ terms + ridge * np.eye(terms.shape[1])
    return np.asarray(np.linalg.solve(normal, rows.transpose(0, 2, 1) @ task.u), dtype=np.float64)


def initial(
    rng: np.random.Generator, members: int, sizes: list[int]
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Random weights (members, in, out) and biases (members, 1, out); the last layer starts small."""
    weights, biases = [], []
    for k, (wide, out) in enumerate(pairwise(sizes)):
        gain = 0.1 if k == len(sizes) - 2 else 0.5 if k == 0 else 1.0
        drawn = gain * rng.standard_normal((members, wide, out)) / np.sqrt(max(wide, 1))
        shift = rng.uniform(-1, 1, (members, 1, out)) if k == 0 else np.zeros((members, 1, out))
        weights.append(torch.tensor(drawn, dtype=torch.float32).requires_grad_())
        biases.append(torch.tensor(shift, dtype=torch.float32).requires_grad_())
    return weights, biases


def forward(x: torch.Tensor, weights: list[torch.Tensor], biases: list[torch.Tensor]) -> torch.Tensor:
    """All members' outputs (members, n, k) for x (members, n, width)."""
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = torch.nn.functional.silu(torch.baddbmm(bias, x, weight))
    return torch.baddbmm(biases[-1], x, weights[-1])


def chi_squared(out: torch.Tensor, target: torch.Tensor, root: torch.Tensor) -> torch.Tensor:
    """|R (out - target)|^2 of every member and row, (members, n); root R is (n, k, k)."""
    # rows as the batch: one (k, k) product for all members at a time
    residual = torch.bmm((out - target).transpose(0, 1), root.transpose(1, 2))  # (n, members, k)
    return (residual * residual).sum(-1).transpose(0, 1)


def train(
    task: Task,
    *,
    hidden: tuple[int, ...],
    steps: int,
    learning_rate: float,
    weight_decay: float,
    ridge: float,
    seed: int,
) -> tuple[Networks, int]:
    """Networks fitted to a task, and the step at which all were stopped.

    The whole data is one batch. All members stop at the one step where the loss on the rows that
    they were not taught is least in sum, so that stopping favours no fold.
    """
    rng = np.random.default_rng(seed)
    members, n, k = task.u.shape
    trend = fit_trend(task, ridge)
    remainder = task.u - quadratic_terms(task.z) @ trend
    scale = np.maximum(np.sqrt(np.mean(remainder**2, axis=(0, 1))), 1e-9)
    with one_thread():
        weights, biases = initial(rng, members, [task.z.shape[1], *hidden, k])
        x = torch.tensor(task.z, dtype=torch.float32).expand(members, -1, -1)
        target = torch.tensor(remainder / scale, dtype=torch.float32)
        root = torch.tensor(task.root * scale, dtype=torch.float32)
        taught = torch.tensor(task.taught, dtype=torch.float32) / n
        left_out = torch.tensor(~task.taught, dtype=torch.float32)
        groups: list[dict[str, Any]] = [{"params": weights}, {"params": biases, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=learning_rate, fused=True)
        best, best_step = np.inf, 0
        kept = [p.detach().clone() for p in (*weights, *biases)]
        for step in range(steps + 1):
            chi2 = chi_squared(forward(x, weights, biases), target, root)
            if step % CHECK_EVERY == 0 or step == steps:
                loss_left_out = float((chi2.detach() * left_out).sum())
                if loss_left_out < best:
                    best, best_step = loss_left_out, step
                    kept = [p.detach().clone() for p in (*weights, *biases)]
            if step == steps:
                break
            rate = learning_rate * 0.5 * (1 + np.cos(np.pi * step / steps))
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.param_groups[0]["weight_decay"] = weight_decay / learning_rate
            optimizer.zero_grad(set_to_none=True)
            torch.sum(chi2 * taught).backward()  # type: ignore[no-untyped-call]  # torch's own
            optimizer.step()
    arrays = [p.numpy() for p in kept]
    ws, bs = arrays[: len(weights)], arrays[len(weights) :]
    ws[-1], bs[-1] = (ws[-1] * scale).astype(np.float32), (bs[-1] * scale).astype(np.float32)
    return Networks(trend.astype(np.float32), tuple(ws), tuple(bs)), best_step


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: small products are ten times slower on two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
