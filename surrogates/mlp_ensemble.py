"""An ensemble of small networks on a quadratic trend, calibrated on its own left-out folds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt

from surrogates.contract import Domain, Model, Moments, Predictor, Signature, Surrogate
from surrogates.lowrank.calibration import calibration_factors, rms_z
from surrogates.lowrank.decoder import Decoder, reduce
from surrogates.lowrank.encoder import Encoder
from surrogates.nn.forward import Networks, Single

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EnsemblePredictor(Predictor):
    """Encoder, networks and decoder; the covariance is that among members taught by the same rows."""

    encoder: Encoder
    networks: Networks
    decoder: Decoder
    folds: int

    def moments(self, x: Array) -> Moments:
        """Prediction for rows x, array (n, features)."""
        u = self.networks(self.encoder(x))
        return self.decoder.decode(x, _mean(u), _within(u, self.folds))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For ``weights.safetensors``."""
        return {**self.encoder.arrays(), **self.networks.arrays(), **self.decoder.arrays()}

    def settings(self) -> dict[str, Any]:
        """For ``model.json``."""
        return {"encoder": self.encoder.settings(), "folds": self.folds}

    @classmethod
    def restore(
        cls, signature: Signature, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> EnsemblePredictor:
        """The predictor that `arrays` and `settings` were taken from."""
        encoder = Encoder.restore(arrays, settings["encoder"])
        networks, decoder = Networks.restore(arrays), Decoder.restore(signature, arrays)
        return cls(encoder, networks, decoder, int(settings["folds"]))


class MlpEnsemble(Surrogate):
    """Deep ensemble (Lakshminarayanan et al., NeurIPS 2017) for noisy simulations.

    Targets become few coefficients (`surrogates.lowrank.decoder`); each member is a quadratic trend
    plus a small network, learns from its own noisy copy of the data (randomised targets: Pearce et
    al., AISTATS 2020) with every simulation weighted by its standard errors, and leaves out one fold.
    The members that left a simulation out predict it; these errors calibrate the std.
    """

    kind: Literal["mlp_ensemble"] = "mlp_ensemble"
    predictor: ClassVar[type[Predictor]] = EnsemblePredictor

    members: PositiveInt = Field(32, description="networks in the ensemble, a multiple of folds")
    folds: int = Field(8, ge=2, description="parts of the data; each member leaves one out")
    hidden: tuple[PositiveInt, ...] = Field((40, 40), min_length=1, description="widths of hidden layers")
    steps: PositiveInt = Field(400, description="most training steps, each on all data")
    learning_rate: PositiveFloat = Field(0.02, description="of Adam at the start; falls as a cosine")
    weight_decay: float = Field(0.005, ge=0, description="pull of the weights to zero per step")
    ridge: float = Field(1.0, ge=0, description="pull of the quadratic trend to zero")

    def fit(
        self,
        x: Array,
        y: Array,
        y_err: Array | None = None,
        *,
        signature: Signature,
        seed: int,
        ids: NDArray[np.int64] | None = None,
    ) -> Model:
        """See `Surrogate.fit`."""
        from surrogates.nn.training import Task, train  # imports torch

        start = time.perf_counter()
        x, y, y_err = self.checked(x, y, y_err, signature)
        encoder = Encoder.fit(signature, x)
        decoder, coefficients = reduce(signature, y, y_err)
        draw, fold_draw, train_draw, shuffle = np.random.default_rng(seed).spawn(4)
        n, k = coefficients.mean.shape
        fold = fold_draw.permutation(np.arange(n) % self.folds)
        per_fold = max(2, self.members // self.folds)
        members = per_fold * self.folds
        taught = np.arange(members)[:, None] % self.folds != fold
        noise = draw.standard_normal((members, n, k, 1))
        u = coefficients.mean + np.linalg.solve(coefficients.root, noise)[..., 0]
        networks, stopped = train(
            Task(encoder(x), u, coefficients.root, taught),
            hidden=self.hidden,
            steps=self.steps,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            ridge=self.ridge,
            seed=int(train_draw.integers(2**63)),
        )
        # out-of-fold: only the members that a row did not teach predict it
        unseen = networks(encoder(x)).transpose(1, 0, 2)[~taught.T].reshape(n, per_fold, k).transpose(1, 0, 2)
        mean, std, _ = decoder.decode(x, _mean(unseen), _within(unseen, 1))
        known = np.zeros_like(y) if y_err is None else y_err * (1 - coefficients.leaked(_mean(unseen)))
        shuffled = shuffle.permuted(np.repeat(x, max(1, 200 // n), axis=0), axis=0)
        fewer = _surplus(encoder, networks, decoder, shuffled, self.folds)
        factors = calibration_factors(signature, mean - y, std, known, fewer * std**2)
        decoder = decoder.calibrated(factors)
        predictor = EnsemblePredictor(encoder, networks, decoder, self.folds)
        error_bars = std * decoder.factor
        training = {
            "simulations": n,
            "seed": seed,
            "seconds": time.perf_counter() - start,
            "stopped at step": stopped,
            "components": k,
            "calibration factor": factors,
            "out-of-fold rms z": rms_z(signature, mean - y, error_bars, known),
        }
        domain = Domain.around(signature, x, y, error_bars, ids)
        return Model(self.kind, self.model_dump(), signature, domain, predictor, training)


def _surplus(encoder: Encoder, networks: Networks, decoder: Decoder, x: Array, folds: int) -> Array:
    """Squared error that one fold's members have beyond that of all members, in units of std^2.

    For every x, the mean over folds of (fold - truth)^2 is (all - truth)^2 plus the variance of the
    folds about the mean of all, so it is known without the truth wherever no member was taught.

    Args:
        encoder: of the inputs.
        networks: the ensemble.
        decoder: of the coefficients.
        x: rows that taught no member, array (n, features).
        folds: number of folds.

    Returns:
        array (columns,), the same for all columns of a target.
    """
    u = networks(encoder(x))
    mean, std, _ = decoder.decode(x, _mean(u), _within(u, folds))
    each = [decoder.decode(x, _mean(u[f::folds]), _within(u[f::folds], 1)).mean for f in range(folds)]
    between = np.mean([(one - mean) ** 2 for one in each], axis=0)
    ratio = np.empty(mean.shape[1])
    for columns in decoder.signature.columns().values():
        ratio[columns] = between[:, columns].sum() / max((std[:, columns] ** 2).sum(), 1e-300)
    return ratio


def _mean(u: Single) -> Array:
    """Mean of the members, array (n, k)."""
    return np.asarray(u.mean(axis=0, dtype=np.float64))


def _within(u: Single, folds: int) -> Array:
    """Covariance among members of the same fold, pooled, array (n, k, k); member m is of fold m % folds."""
    members, n, k = u.shape
    grouped = u.reshape(members // folds, folds, n, k)
    deviation = (grouped - grouped.mean(axis=0)).reshape(members, n, k).transpose(1, 2, 0)
    products = deviation @ deviation.transpose(0, 2, 1)
    covariance: Array = products.astype(np.float64) / (members - folds)
    return covariance
