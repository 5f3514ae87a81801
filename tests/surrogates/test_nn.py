"""All members at once must be what each would be alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from surrogates.nn.forward import Networks, quadratic_terms

MEMBERS, ROWS, WIDTH, K = 3, 7, 2, 2


@pytest.fixture
def task() -> Any:
    from surrogates.nn.training import Task

    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(np.tile(np.eye(K) + 0.3, (ROWS, 1, 1))).transpose(0, 2, 1)
    root *= rng.uniform(0.5, 2, (ROWS, 1, 1))
    taught = rng.random((MEMBERS, ROWS)) < 0.8
    return Task(rng.uniform(-1, 1, (ROWS, WIDTH)), rng.standard_normal((MEMBERS, ROWS, K)), root, taught)


def test_gradient_equals_a_loop_over_members(task: Any) -> None:
    import torch

    from surrogates.nn.training import chi_squared, forward, initial

    weights, biases = initial(np.random.default_rng(1), MEMBERS, [WIDTH, 5, 4, K])
    x = torch.tensor(task.z, dtype=torch.float32).expand(MEMBERS, -1, -1)
    target, root = (torch.tensor(a, dtype=torch.float32) for a in (task.u, task.root))
    (chi_squared(forward(x, weights, biases), target, root) * torch.tensor(task.taught)).sum().backward()
    for m in range(MEMBERS):
        own_w = [w[m].detach().clone().requires_grad_() for w in weights]
        own_b = [b[m].detach().clone().requires_grad_() for b in biases]
        loss = torch.zeros(())
        for row in np.flatnonzero(task.taught[m]):
            h = x[m, row]
            for w, b in zip(own_w[:-1], own_b[:-1], strict=True):
                h = torch.nn.functional.silu(h @ w + b[0])
            residual = root[row] @ (h @ own_w[-1] + own_b[-1][0] - target[m, row])
            loss = loss + residual @ residual
        loss.backward()
        for mine, together in zip((*own_w, *own_b), (*weights, *biases), strict=True):
            torch.testing.assert_close(mine.grad, together.grad[m], rtol=1e-4, atol=1e-4)


def test_trend_equals_a_loop_over_members(task: Any) -> None:
    from surrogates.nn.training import fit_trend

    together = fit_trend(task, ridge=0.5)
    for m in range(MEMBERS):
        terms = quadratic_terms(task.z)[task.taught[m]]
        alone = np.linalg.solve(
            terms.T @ terms + 0.5 * np.eye(terms.shape[1]), terms.T @ task.u[m, task.taught[m]]
        )
        np.testing.assert_allclose(together[m], alone, rtol=1e-9, atol=1e-12)


def test_numpy_forward_equals_a_loop_over_rows_and_members() -> None:
    rng = np.random.default_rng(3)
    terms = quadratic_terms(np.zeros((1, WIDTH))).shape[1]
    sizes = [(WIDTH, 5), (5, 4), (4, K)]
    weights = tuple(rng.standard_normal((MEMBERS, *s)).astype(np.float32) for s in sizes)
    biases = tuple(rng.standard_normal((MEMBERS, 1, s[1])).astype(np.float32) for s in sizes)
    networks = Networks(rng.standard_normal((MEMBERS, terms, K)).astype(np.float32), weights, biases)
    z = rng.uniform(-1, 1, (300, WIDTH))  # more than one block
    out = networks(z)
    for m in range(MEMBERS):
        for row in (0, 127, 128, 299):
            h = z[row]
            for w, b in zip(weights[:-1], biases[:-1], strict=True):
                h = h @ w[m] + b[m, 0]
                h = h / (1 + np.exp(-h))
            expected = (
                h @ weights[-1][m]
                + biases[-1][m, 0]
                + quadratic_terms(z[row : row + 1])[0] @ networks.trend[m]
            )
            np.testing.assert_allclose(out[m, row], expected, rtol=1e-4, atol=1e-5)


def test_training_leaves_torch_threads_as_they_were(task: Any) -> None:
    import torch

    from surrogates.nn.training import train

    before = torch.get_num_threads()
    train(task, hidden=(4,), steps=2, learning_rate=0.01, weight_decay=0.0, ridge=1.0, seed=0)
    assert torch.get_num_threads() == before
