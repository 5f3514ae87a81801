"""Lookups, and training all members together against one after the other.

`python tests/benchmarks/bench_surrogates.py` prints a table; each ratio is of two timings of that run,
on one thread, the best of several.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from surrogates.lowrank.decoder import reduce
from surrogates.lowrank.encoder import Encoder
from surrogates.mlp_ensemble import MlpEnsemble
from surrogates.nn.training import Task, train

sys.path.insert(0, str(Path(__file__).parents[1] / "surrogates"))

import slit_like

SIMULATIONS = 150


def best_seconds(work: Callable[[], object], repeats: int) -> float:
    """Shortest of several timings, after one to warm up."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    """Print the table."""
    x, y, err = slit_like.data(SIMULATIONS, seed=1)
    signature, recipe = slit_like.SIGNATURE, MlpEnsemble()
    coefficients = reduce(signature, y, err)[1]
    members, rng = recipe.members, np.random.default_rng(0)
    taught = np.arange(members)[:, None] % recipe.folds != rng.integers(0, recipe.folds, SIMULATIONS)
    u = np.repeat(coefficients.mean[None], members, axis=0)
    z = Encoder.fit(signature, x)(x)
    settings = recipe.model_dump(include={"hidden", "steps", "learning_rate", "weight_decay", "ridge"})

    def together() -> None:
        train(Task(z, u, coefficients.root, taught), **settings, seed=0)

    def apart() -> None:
        for m in range(members):
            train(Task(z, u[m : m + 1], coefficients.root, taught[m : m + 1]), **settings, seed=m)

    many = slit_like.inputs(10_000, seed=2)
    question = {"gap": 3.2, "cation_valency": 2, "concentration": 0.5, "diameter": 0.6}
    with threadpool_limits(1):
        model = recipe.fit(x, y, err, signature=signature, seed=0)
        whole = best_seconds(lambda: recipe.fit(x, y, err, signature=signature, seed=0), 3)
        batched, looped = best_seconds(together, 3), best_seconds(apart, 2)
        evaluate = best_seconds(lambda: model.evaluate(**question), 300)
        one = best_seconds(lambda: model.predict(many[:1], return_std=True, on_ood="ignore"), 300)
        block = best_seconds(lambda: model.predict(many, return_std=True, on_ood="nan"), 10)
    print(f"mlp_ensemble: {members} members, {SIMULATIONS} simulations, {signature.n_columns} columns")
    print(f"fit, calibration and domain included   {whole:9.3f} s")
    print(f"training, all members together         {batched:9.3f} s")
    print(f"training, one member after the other   {looped:9.3f} s    {looped / batched:.1f} times together")
    print(f"evaluate, one point with everything    {1e3 * evaluate:9.3f} ms")
    print(f"predict with std, 1 row                {1e3 * one:9.3f} ms")
    print(f"predict with std and domain, 10,000    {1e3 * block:9.1f} ms   {100 * block:.1f} us a row")


if __name__ == "__main__":
    main()
