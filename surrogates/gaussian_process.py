"""A Gaussian process for each of a few coefficients: the choice for few simulations."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from surrogates.contract import Domain, Model, Moments, Predictor, Signature, Surrogate
from surrogates.lowrank.calibration import calibration_factors, rms_z
from surrogates.lowrank.decoder import Decoder, reduce
from surrogates.lowrank.encoder import Encoder

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ProcessPredictor(Predictor):
    """Independent processes with a Matern 5/2 kernel, one length per encoded input.

    Args:
        z: encoded training inputs, array (n, width).
        amplitude: prior variances, array (k,); lengths: array (k, width).
        dual: (K + noise)^-1 (u - center), array (k, n); center: prior means, array (k,).
        whiten: inverse Cholesky factors of K + noise, array (k, n, n).
    """

    encoder: Encoder
    decoder: Decoder
    z: Array
    amplitude: Array
    lengths: Array
    center: Array
    dual: Array
    whiten: Array

    def moments(self, x: Array) -> Moments:
        """Prediction for rows x, array (n, features)."""
        z = self.encoder(x)
        k = len(self.amplitude)
        mean, covariance = np.empty((len(x), k)), np.zeros((len(x), k, k))
        for j in range(k):
            cross = matern(z / self.lengths[j], self.z / self.lengths[j], self.amplitude[j])
            mean[:, j] = self.center[j] + cross @ self.dual[j]
            explained = cross @ self.whiten[j].T
            left = self.amplitude[j] - np.einsum("ij,ij->i", explained, explained)
            covariance[:, j, j] = np.maximum(left, 0.0)
        return self.decoder.decode(x, mean, covariance)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For ``weights.safetensors``."""
        own = {name: getattr(self, name) for name in OWN}
        return {**self.encoder.arrays(), **self.decoder.arrays(), **own}

    def settings(self) -> dict[str, Any]:
        """For ``model.json``."""
        return {"encoder": self.encoder.settings()}

    @classmethod
    def restore(
        cls, signature: Signature, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> ProcessPredictor:
        """The predictor that `arrays` and `settings` were taken from."""
        encoder = Encoder.restore(arrays, settings["encoder"])
        decoder = Decoder.restore(signature, arrays)
        return cls(encoder, decoder, **{name: arrays[name] for name in OWN})


OWN = ("z", "amplitude", "lengths", "center", "dual", "whiten")


class GaussianProcess(Surrogate):
    """Gaussian processes (Rasmussen and Williams 2006, chapter 2) on few coefficients of the targets.

    Every simulation's own standard errors are its noise; scikit-learn finds the kernels by maximum
    likelihood; closed-form leave-one-out errors (ibid. section 5.4.2) calibrate the std. Cost grows
    as the cube of the number of simulations: comfortable up to about 500.
    """

    kind: Literal["gaussian_process"] = "gaussian_process"
    predictor: ClassVar[type[Predictor]] = ProcessPredictor

    shortest: PositiveFloat = Field(0.2, description="least length scale; inputs span -1 to 1")
    longest: PositiveFloat = Field(100.0, description="greatest length scale")

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
        """See `Surrogate.fit`; the seed changes nothing, for nothing is drawn."""
        start = time.perf_counter()
        x, y, y_err = self.checked(x, y, y_err, signature)
        encoder = Encoder.fit(signature, x)
        decoder, coefficients = reduce(signature, y, y_err)
        z, u = encoder(x), coefficients.mean
        n, k = u.shape
        precision = coefficients.root.transpose(0, 2, 1) @ coefficients.root
        noise = np.diagonal(np.linalg.inv(precision), axis1=1, axis2=2)  # (n, k)
        center = u.mean(axis=0)
        amplitude, lengths, extra = np.empty(k), np.empty((k, z.shape[1])), np.zeros(k)
        dual, whiten = np.empty((k, n)), np.empty((k, n, n))
        left_out, left_out_covariance = np.empty((n, k)), np.zeros((n, k, k))
        for j in range(k):
            amplitude[j], lengths[j], extra[j] = self._kernel(z, u[:, j] - center[j], noise[:, j])
            total = matern(z / lengths[j], z / lengths[j], amplitude[j]) + np.diag(noise[:, j] + extra[j])
            whiten[j] = np.linalg.inv(np.linalg.cholesky(total))
            inverse = whiten[j].T @ whiten[j]
            dual[j] = inverse @ (u[:, j] - center[j])
            left_out[:, j] = u[:, j] - dual[j] / np.diag(inverse)
            left_out_covariance[:, j, j] = np.maximum(1 / np.diag(inverse) - noise[:, j] - extra[j], 0.0)
        mean, std, _ = decoder.decode(x, left_out, left_out_covariance)
        known = np.zeros_like(y) if y_err is None else y_err * (1 - coefficients.leaked(left_out))
        factors = calibration_factors(signature, mean - y, std, known)
        decoder = decoder.calibrated(factors)
        predictor = ProcessPredictor(encoder, decoder, z, amplitude, lengths, center, dual, whiten)
        error_bars = std * decoder.factor
        training = {
            "simulations": n,
            "seed": seed,
            "seconds": time.perf_counter() - start,
            "components": k,
            "calibration factor": factors,
            "leave-one-out rms z": rms_z(signature, mean - y, error_bars, known),
        }
        domain = Domain.around(signature, x, y, error_bars, ids)
        return Model(self.kind, self.model_dump(), signature, domain, predictor, training)

    def _kernel(self, z: Array, u: Array, noise: Array) -> tuple[float, Array, float]:
        """Amplitude, lengths (width,) and noise beyond the known one, of greatest likelihood."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

        variance = max(float(u.var()), 1e-12)
        lengths = Matern(np.full(z.shape[1], 2.0), (self.shortest, self.longest), nu=2.5)
        kernel = ConstantKernel(3 * variance, (1e-2 * variance, 1e3 * variance)) * lengths
        kernel += WhiteKernel(1e-4 * variance, (1e-8 * variance, variance))
        # one thread: small products are slower on several, and the same on any number of cores
        with warnings.catch_warnings(), threadpool_limits(1):
            # a length or variance at its bound is an answer: the input does not matter, the noise is known
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = GaussianProcessRegressor(kernel, alpha=noise).fit(z, u).kernel_
        return fitted.k1.k1.constant_value, fitted.k1.k2.length_scale, fitted.k2.noise_level


def matern(a: Array, b: Array, amplitude: float) -> Array:
    """Matern 5/2 covariance of scaled points (n, width) and (m, width), array (n, m)."""
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2.0 * (a @ b.T)
    r = np.sqrt(5.0 * np.maximum(squared, 0.0))
    covariance: Array = amplitude * (1 + r + r * r / 3) * np.exp(-r)
    return covariance
