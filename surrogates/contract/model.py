"""A fitted surrogate: predictions that know their error and their domain."""

from __future__ import annotations

import difflib
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from surrogates.contract.card import card
from surrogates.contract.domain import Domain
from surrogates.contract.errors import InvalidQueryError, OutOfDomainError, OutOfDomainWarning
from surrogates.contract.expression import evaluate_terms
from surrogates.contract.prediction import Neighbour, Prediction, TargetPrediction
from surrogates.contract.predictor import Moments, Predictor
from surrogates.contract.quantity import parse_quantity
from surrogates.contract.signature import Signature
from surrogates.contract.storage import write_folder

Array = NDArray[np.float64]
OnOod = Literal["warn", "raise", "nan", "ignore"]

FORMAT = 1
"""Version of the model folder."""
BLOCK = 512
"""Rows predicted at a time: what is computed from them on the way then stays in the cache."""


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A fitted surrogate; made by `Surrogate.fit` or `surrogates.load`.

    Args:
        kind: plug-in that fitted it, or ``module:Class``.
        recipe: the settings it was fitted with.
        training: what the fit knows: seed, rows, seconds, calibration factors ...
        std_factor: what held-out simulations make of the std (`calibrated`); ``None`` before they are asked.
        scores: scores on held-out simulations, as `held_out_scores` gives them; empty until scored.
        provenance: campaign, ids of the simulations, lookup seconds, versions: whatever the caller records.
    """

    kind: str
    recipe: dict[str, Any]
    signature: Signature
    domain: Domain
    predictor: Predictor
    training: dict[str, Any]
    std_factor: float | None = None
    scores: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def recorded(
        self, *, scores: dict[str, Any] | None = None, provenance: dict[str, Any] | None = None
    ) -> Model:
        """The same model with these entries added to its scores and provenance."""
        return replace(
            self,
            scores={**self.scores, **(scores or {})},
            provenance={**self.provenance, **(provenance or {})},
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of X, in order."""
        return self.domain.names

    @overload
    def predict(
        self,
        X: Array,
        return_std: Literal[False] = False,
        include_noise: bool = False,
        on_ood: OnOod = "warn",
    ) -> Array: ...
    @overload
    def predict(
        self, X: Array, return_std: Literal[True], include_noise: bool = False, on_ood: OnOod = "warn"
    ) -> tuple[Array, Array]: ...
    def predict(
        self, X: Array, return_std: bool = False, include_noise: bool = False, on_ood: OnOod = "warn"
    ) -> Array | tuple[Array, Array]:
        """Means and, if asked for, their std.

        Args:
            X: array (n, features) in the signature's units.
            return_std: also return the calibrated std of the predicted mean.
            include_noise: let std cover the noise of one simulation too.
            on_ood: what to do with rows outside the domain: ``"warn"``, ``"raise"``, answer ``"nan"``
                or ``"ignore"``.

        Returns:
            mean, or (mean, std): arrays (n, columns), flat as in the signature.

        Raises:
            InvalidQueryError: wrong shape or not finite.
            OutOfDomainError: with ``on_ood="raise"``.
        """
        x = self._rows(X)
        mean, std, noise = self._moments(x)
        if on_ood != "ignore" and len(x):
            score = self.domain.score(x, std)
            outside = score > 1
            if outside.any():
                worst = [int(np.argmax(score))]
                message = (
                    f"{outside.sum()} of {len(x)} rows lie outside the model's domain; "
                    f"worst: {self.domain.reason(x[worst], std[worst])}"
                )
                if on_ood == "raise":
                    raise OutOfDomainError(message)
                if on_ood == "warn":
                    warnings.warn(message, OutOfDomainWarning, stacklevel=2)
                else:
                    mean, std = (np.where(outside[:, None], np.nan, a) for a in (mean, std))
        if not return_std:
            return mean
        return mean, np.hypot(std, noise) if include_noise else std

    def domain_score(self, X: Array) -> Array:
        """How far out each row is, array (n,); inside where <= 1."""
        x = self._rows(X)
        return self.domain.score(x, self._moments(x).std)

    def in_domain(self, X: Array) -> NDArray[np.bool_]:
        """Whether each row lies inside the domain, array (n,)."""
        return self.domain_score(X) <= 1

    def evaluate(self, **given: str | float) -> Prediction:
        """The answer at one point, with names and units checked.

        Args:
            given: feature -> number in the declared unit, or text such as ``"3.2 nm"``. Constants of
                the campaign may be left out.

        Raises:
            InvalidQueryError: a name or unit that does not fit, or a missing input.
        """
        start = time.perf_counter()
        inputs = self.complete(given)
        x = np.array([list(inputs.values())])
        mean, std, _ = self._moments(x)
        score = float(self.domain.score(x, std)[0])
        near_edge = bool(self.domain.near_edge(x, std)[0])
        reason = self.domain.reason(x, std)
        index, distance = self.domain.nearest(x)
        values = {name: column for name, column in zip(inputs, x.T, strict=True)}
        outputs = {}
        for target in self.signature.targets:
            columns = self.signature.columns()[target.name]
            if target.axis is None:
                m, s = float(mean[0, columns.start]), float(std[0, columns.start])
                outputs[target.name] = TargetPrediction(target.name, m, s, target.unit)
            else:
                axis = self.signature.axis(target.axis)
                edges = evaluate_terms(axis.edges, values)[0]
                outputs[target.name] = TargetPrediction(
                    target.name, mean[0, columns], std[0, columns], target.unit, axis.name, axis.unit, edges
                )
        row = int(index[0])
        neighbour = Neighbour(
            int(self.domain.ids[row]),
            float(distance[0]),
            dict(zip(self.feature_names, self.domain.x[row].tolist(), strict=True)),
        )
        seconds = time.perf_counter() - start
        return Prediction(outputs, inputs, score <= 1, near_edge, score, reason, neighbour, seconds)

    def complete(self, given: Mapping[str, str | float]) -> dict[str, float]:
        """A point in the declared units and order, constants of the campaign filled in.

        Raises:
            InvalidQueryError: a name or unit that does not fit, or a missing input.
        """
        for name in given:
            if name not in self.feature_names:
                close = difflib.get_close_matches(name, self.feature_names, 1)
                hint = f"did you mean {close[0]!r}? " if close else ""
                raise InvalidQueryError(
                    f"no input {name!r}; {hint}the inputs are {', '.join(self.feature_names)}"
                )
        inputs = {}
        for feature in self.signature.features:
            if feature.name in given:
                value = given[feature.name]
            elif feature.low == feature.high:
                value = feature.low
            else:
                accepted = f"{feature.low:g} to {feature.high:g} {feature.unit}".rstrip()
                raise InvalidQueryError(f"{feature.name} is missing; accepted: {accepted}")
            inputs[feature.name] = parse_quantity(value, feature.unit, feature.name)
        return inputs

    def save(self, folder: str | Path) -> Path:
        """Write ``model.json``, ``weights.safetensors`` and ``card.md`` into a new folder, atomically.

        Raises:
            FileExistsError: the folder exists; models are never overwritten.
        """
        domain = self.domain
        arrays = {f"predictor.{name}": array for name, array in self.predictor.arrays().items()}
        arrays |= {"domain.x": domain.x, "domain.ids": domain.ids, "domain.scale": domain.scale}
        arrays |= {"domain.low": domain.low, "domain.high": domain.high}
        description = {
            "format": FORMAT,
            "kind": self.kind,
            "recipe": self.recipe,
            "signature": self.signature.to_json(),
            "domain": {"distance_limit": domain.distance_limit, "spread_limit": domain.spread_limit},
            "predictor": self.predictor.settings(),
            "training": self.training,
            "std_factor": self.std_factor,
            "scores": self.scores,
            "provenance": self.provenance,
        }
        return write_folder(Path(folder), description, arrays, self.card())

    def card(self) -> str:
        """The model card, in Markdown."""
        domain = {**vars(self.domain), "n": len(self.domain.x)}
        return card(
            self.kind,
            self.recipe,
            self.signature,
            domain,
            self.training,
            self.std_factor,
            self.scores,
            self.provenance,
        )

    def __repr__(self) -> str:
        targets = ", ".join(t.name for t in self.signature.targets)
        features = ", ".join(self.feature_names)
        return f"<Model {self.kind}: {features} -> {targets}; {len(self.domain.x)} simulations>"

    def _moments(self, x: Array) -> Moments:
        columns = self.signature.n_columns
        moments = Moments(*(np.empty((len(x), columns)) for _ in range(3)))
        for start in range(0, len(x), BLOCK):
            rows = slice(start, start + BLOCK)
            for whole, part in zip(moments, self.predictor.moments(x[rows]), strict=True):
                whole[rows] = part
        return moments._replace(std=moments.std * (self.std_factor or 1.0))

    def _rows(self, X: Array) -> Array:
        x = np.asarray(X, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.feature_names):
            raise InvalidQueryError(
                f"X has shape {x.shape}, expected (n, {len(self.feature_names)}): "
                + ", ".join(self.feature_names)
            )
        if not np.isfinite(x).all():
            raise InvalidQueryError("X is not finite")
        return x
