"""Plug-ins of a user's own, as campaigns of the engine's tests name them by import path."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from simulators import Observations, Output, Parameter, Simulator
from surrogates import Surrogate
from surrogates.contract import Domain, Model
from surrogates.contract.predictor import Moments, Predictor


class Polynomial(Predictor):
    def __init__(self, weights, inverse, noise):
        self.weights, self.inverse, self.noise = weights, inverse, noise

    @staticmethod
    def basis(x):
        return np.concatenate([np.ones((len(x), 1)), x, x**2], axis=1)

    def moments(self, x):
        b = self.basis(x)
        leverage = np.sqrt(np.einsum("ij,jk,ik->i", b, self.inverse, b))
        std = leverage[:, None] * self.noise
        return Moments(b @ self.weights, std, np.broadcast_to(self.noise, std.shape))

    def arrays(self):
        return {"weights": self.weights, "inverse": self.inverse, "noise": self.noise}

    def settings(self):
        return {}

    @classmethod
    def restore(cls, signature, arrays, settings):
        return cls(arrays["weights"], arrays["inverse"], arrays["noise"])


class Quadratic(Surrogate):
    """Least squares in x and x^2: a model in microseconds, the same to the bit for the same data."""

    predictor: ClassVar = Polynomial
    needed: ClassVar[int] = 4
    seconds: float = 0.0

    def fit(self, x, y, y_err=None, *, signature, seed, ids=None):
        time.sleep(self.seconds)
        b = Polynomial.basis(x)
        inverse = np.linalg.inv(b.T @ b + 1e-6 * np.eye(b.shape[1]))
        weights = inverse @ (b.T @ y)
        noise = np.sqrt(np.mean((b @ weights - y) ** 2, axis=0)) + 1e-9
        predictor = Polynomial(weights, inverse, noise)
        domain = Domain.around(signature, x, y, predictor.moments(x).std, ids)
        return Model(self.kind, self.model_dump(), signature, domain, predictor, {"seed": seed, "n": len(x)})


class Untrainable(Surrogate):
    predictor: ClassVar = Polynomial
    needed: ClassVar[int] = 1

    def fit(self, x, y, y_err=None, *, signature, seed, ids=None):
        raise ValueError("no such luck")


class Moody(Simulator):
    """Does what ``mood`` says where x is above a threshold; elsewhere it gives x and a hash of the seed."""

    mood: str = "calm"
    above: float = 0.5
    seconds: float = 0.0
    mark: str = ""

    inputs: ClassVar = (Parameter("x", "", "position", 0.0, 1.0),)
    outputs: ClassVar = (Output("y", "", "x plus noise"),)

    def work(self, inputs):
        return 1.0

    def run(self, inputs, seeds, *, threads=1, progress=None):
        n = len(inputs)
        if (inputs[:, 0] > self.above).any():
            if self.mood == "raises":
                raise RuntimeError("above a half")
            if self.mood == "kills":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.mood == "kills once" and not Path(self.mark).exists():
                Path(self.mark).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if self.mood == "raises until" and not Path(self.mark).exists():
                raise RuntimeError("not yet")
            once = self.mood == "hangs once" and not Path(self.mark).exists()
            if once:
                Path(self.mark).touch()
            if once or self.mood == "hangs":
                subprocess.run(["sleep", "600.25"], check=True)
        time.sleep(self.seconds * n)
        noise = (seeds % np.uint64(1000)).astype(float) / 1e5
        cost = np.full(n, self.seconds)
        return Observations({"y": inputs[:, 0] + noise}, {"y": np.full(n, 0.003)}, {}, cost, cost)
