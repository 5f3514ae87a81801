"""`around`: a function that learns."""

from __future__ import annotations

import functools
import inspect
import math
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surrogates import Feature, Model, Surrogate, SurrogateError
from surrogates.contract import parse_quantity
from workflow.wrapped.form import Form
from workflow.wrapped.stats import Stats
from workflow.wrapped.store import Simulation, Store

Array = NDArray[np.float64]
Space = Mapping[str, tuple[Any, ...] | Set[float]]

GROWTH = 1.25
"""The next training comes when the simulations have grown by this factor: the total cost of learning
then stays in proportion to that of the last training."""


class BudgetSpentError(RuntimeError):
    """A question that only a simulation could answer, after the last one was spent."""


class BudgetSpentWarning(UserWarning):
    """An answer with a larger error bar than was asked for, since no simulation is left."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a wrapped function returns.

    Args:
        value: what the function itself would return: a number, an array or a dictionary of these
            without their ``_err`` entries.
        std: its standard deviation, in the same form. Of a simulation: the error that it gave, or
            zero if it gave none.
        in_domain: whether the surrogate has seen simulations near this question.
    """

    value: Any
    std: Any
    source: Literal["surrogate", "simulation"]
    in_domain: bool


@dataclass(frozen=True, eq=False)
class Forecast:
    """What a model says of one point: flat rows (columns,), and the largest relative std of the outputs."""

    form: Form
    mean: Array
    std: Array
    inside: bool
    relative: float


def around(
    space: Space,
    *,
    tolerance: float = 0.02,
    budget: int = 100,
    surrogate: Surrogate | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
) -> Callable[[Callable[..., Any]], Around]:
    """Wrap a function so that a surrogate answers in its place wherever it can be trusted.

    A call is answered by the surrogate if the point lies in its domain and the predicted std of every
    output is below `tolerance` times the predicted value (of an array: root mean squares). Otherwise
    the function itself runs, and the surrogate learns from it. Outside the space the function always
    runs, and nothing is learned.

    Args:
        space: argument -> ``(low, high)``, ``(low, high, unit)``, or a set of the only values that
            have a meaning. The function may have an argument ``seed`` besides.
        tolerance: largest relative standard deviation of an answer of the surrogate.
        budget: most calls of the function itself, earlier sessions in `folder` included.
        surrogate: recipe; Gaussian processes by default, which need the fewest simulations.
        seed: every seed handed to the function follows from it.
        folder: keeps simulations and models for later sessions; one session at a time.

    Raises:
        TypeError: the space does not fit the function's arguments.
    """

    def wrap(function: Callable[..., Any]) -> Around:
        return Around(function, space, tolerance, budget, surrogate, seed, folder)

    return wrap


class Around:
    """A wrapped function; made by `around`. Calls may come from several threads."""

    def __init__(
        self,
        function: Callable[..., Any],
        space: Space,
        tolerance: float,
        budget: int,
        surrogate: Surrogate | None,
        seed: int,
        folder: str | Path | None,
    ) -> None:
        functools.update_wrapper(self, function)
        if not hasattr(space, "items") or not space:
            raise TypeError(f"space is {space!r}; expected a dictionary, such as {{'gap': (3, 4, 'nm')}}")
        if not tolerance > 0 or budget < 1:
            raise ValueError(f"tolerance = {tolerance!r} and budget = {budget!r}: both must be above 0")
        self.function, self.tolerance, self.budget, self.seed = function, tolerance, budget, seed
        self.features = tuple(_feature(name, given) for name, given in space.items())
        self._parameters = _fitting(function, [f.name for f in self.features])
        if surrogate is None:
            from surrogates.gaussian_process import GaussianProcess

            surrogate = GaussianProcess()
        self.surrogate = surrogate
        self.stats = Stats()
        self.model: Model | None = None
        """The surrogate by now; ``None`` before the first training."""
        self._lock, self._learning = threading.Lock(), threading.Lock()
        self._simulations: list[Simulation] = []
        self._form: Form | None = None
        self._next_training = self.surrogate.needed
        self._store = Store(Path(folder), self.features) if folder is not None else None
        if self._store is not None:
            self._remember(self._store)

    def __call__(self, *args: Any, **kwargs: Any) -> Answer:
        """The answer for one point; arguments as the function takes them, texts with units too.

        Raises:
            BudgetSpentError: only a simulation could answer, and none is left.
            InvalidQueryError: a unit that does not fit.
        """
        x = self._point(args, kwargs)
        start = time.perf_counter()
        while True:
            model = self.model
            forecast = self._ask(model, x)
            if forecast is not None and forecast.relative <= self.tolerance and forecast.inside:
                return self._answer(forecast, time.perf_counter() - start)
            asking = time.perf_counter() - start
            with self._learning:  # a training that is under way may make a simulation needless
                if self.model is model:
                    break
        with self._lock:
            number = self.stats.simulations
            if number < self.budget:
                self.stats.simulations += 1  # now, so that no other thread spends it too
                self.stats.rejected_seconds += asking
        if number < self.budget:
            return self._simulate(x, number, forecast)
        if forecast is None or not forecast.inside:
            where = "where no surrogate knows it" if self._within(x) else "outside the space"
            raise BudgetSpentError(
                f"the budget of {self.budget} simulations is spent, and {self._words(x)} is {where}; "
                "raise `budget` or ask elsewhere"
            )
        message = (
            f"the budget of {self.budget} simulations is spent: this answer has a relative std of "
            f"{forecast.relative:.2g}, where {self.tolerance:g} was asked for"
        )
        warnings.warn(message, BudgetSpentWarning, stacklevel=2)
        return self._answer(forecast, asking)

    def _ask(self, model: Model | None, x: Array) -> Forecast | None:
        """What the model says of a point of the space."""
        form = self._form
        if model is None or form is None or not self._within(x):
            return None
        mean, std = (row[0] for row in model.predict(x[None], return_std=True, on_ood="ignore"))
        return Forecast(form, mean, std, bool(model.in_domain(x[None])[0]), form.relative(mean, std))

    def _answer(self, forecast: Forecast, seconds: float) -> Answer:
        with self._lock:
            self.stats.lookups += 1
            self.stats.lookup_seconds += seconds
        value, std = (forecast.form.unflatten(row) for row in (forecast.mean, forecast.std))
        return Answer(value, std, "surrogate", forecast.inside)

    def _simulate(self, x: Array, number: int, forecast: Forecast | None) -> Answer:
        given = {f.name: _plain(value, f) for f, value in zip(self.features, x, strict=True)}
        if "seed" in self._parameters and "seed" not in given:
            given["seed"] = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        start = time.perf_counter()
        try:
            result = self.function(**given)
        except BaseException:
            with self._lock:
                self.stats.simulations -= 1
            raise
        seconds = time.perf_counter() - start
        form, y, err = Form.of(result)
        with self._lock:
            if self._form is None:
                self._form = form
            elif form != self._form:
                raise ValueError(
                    f"the function gave {form}, and {self._form} before; outputs must not change"
                )
            self.stats.simulation_seconds += seconds
            teaches = self._within(x) and bool(np.isfinite(y).all())
            done = Simulation(x, y, err, seconds, teaches)
            self._keep(done)
            if forecast is not None:
                self._judge(forecast, y, err)
        if teaches:
            self._learn()
        std = np.zeros_like(y) if err is None else err
        return Answer(
            form.unflatten(y), form.unflatten(std), "simulation", forecast is not None and forecast.inside
        )

    def _keep(self, done: Simulation) -> None:
        if done.teaches:
            self.stats.taught += 1
            self._simulations.append(done)
        if self._store is not None and self._form is not None:
            self._store.add(done, self._form)

    def _judge(self, forecast: Forecast, y: Array, err: Array | None) -> None:
        """Hold a forecast against the simulation that came after it."""
        error, total = forecast.mean - y, np.hypot(forecast.std, 0.0 if err is None else err)
        known = total > 0
        if known.any():
            self.stats.z2.append(float(np.mean((error[known] / total[known]) ** 2)))
        self.stats.relative_errors.append(forecast.form.relative(y, error))

    def _learn(self) -> None:
        """Train when enough has come in."""
        with self._learning:
            with self._lock:
                known, form = list(self._simulations), self._form
            if len(known) < self._next_training or form is None:
                return
            self._next_training = math.ceil(GROWTH * len(known))
            start = time.perf_counter()
            errors = [s.err for s in known]
            y_err = None if any(e is None for e in errors) else np.array(errors, dtype=np.float64)
            try:
                model = self.surrogate.fit(
                    np.array([s.x for s in known]),
                    np.array([s.y for s in known]),
                    y_err,
                    signature=form.signature(self.features),
                    seed=self.seed,
                )
            except SurrogateError as error:  # the simulation's answer must not be lost with it
                warnings.warn(f"nothing was learned: {error}", RuntimeWarning, stacklevel=4)
                return
            seconds = time.perf_counter() - start
            with self._lock:
                self.model = model
                self.stats.trainings += 1
                self.stats.learning_seconds += seconds
                if self._store is not None:
                    self._store.save(model, seconds)

    def _remember(self, store: Store) -> None:
        """Take up what earlier sessions learned."""
        known, self._form, self.stats.learning_seconds = store.read()
        self.stats.simulations = len(known)
        self.stats.simulation_seconds = sum(s.seconds for s in known)
        self._simulations = [s for s in known if s.teaches]
        self.stats.taught = len(self._simulations)
        self.model = store.model()
        if self.model is not None:
            self._next_training = math.ceil(GROWTH * len(self.model.domain.x))

    def _point(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Array:
        bound = inspect.Signature(list(self._parameters.values())).bind(*args, **kwargs).arguments
        extra = [name for name in bound if name not in {f.name for f in self.features}]
        if extra:
            raise TypeError(f"`{extra[0]}` is not in the space, so that no answer may depend on it")
        return np.array([parse_quantity(bound[f.name], f.unit, f.name) for f in self.features])

    def _within(self, x: Array) -> bool:
        return all(
            value in f.choices if f.choices else f.low <= value <= f.high
            for f, value in zip(self.features, x.tolist(), strict=True)
        )

    def _words(self, x: Array) -> str:
        return ", ".join(
            f"{f.name} = {value:g} {f.unit}".rstrip() for f, value in zip(self.features, x, strict=True)
        )

    def __repr__(self) -> str:
        s = self.stats
        name = getattr(self.function, "__name__", "function")
        return f"<around {name}: {s.simulations} of {self.budget} simulations, {s.lookups} lookups>"


def _feature(name: str, given: Any) -> Feature:
    try:
        if isinstance(given, Set):
            values = tuple(sorted(float(v) for v in given))
            return Feature(name, "", values[0], values[-1], values)
        low, high, *unit = given
        low, high = float(low), float(high)
        if len(unit) > 1 or not -math.inf < low < high < math.inf:
            raise ValueError
    except (TypeError, ValueError, IndexError):
        raise TypeError(
            f"space: {name} is {given!r}; expected (low, high), (low, high, unit) or a set of values"
        ) from None
    return Feature(name, unit[0] if unit else "", low, high)


def _fitting(function: Callable[..., Any], names: list[str]) -> Mapping[str, inspect.Parameter]:
    """The function's parameters, if they fit the space; `seed` is handed in, not asked for."""
    parameters = inspect.signature(function).parameters
    absent = [name for name in names if name not in parameters]
    if absent:
        raise TypeError(f"space names `{absent[0]}`, but the function takes {', '.join(parameters)}")
    open_ones = [
        name
        for name, p in parameters.items()
        if name not in (*names, "seed") and p.default is inspect.Parameter.empty
    ]
    if open_ones:
        raise TypeError(f"the function needs `{open_ones[0]}`, which the space does not name")
    if "seed" in parameters and "seed" not in names:
        return {**parameters, "seed": parameters["seed"].replace(default=None)}
    return parameters


def _plain(value: float, feature: Feature) -> float | int:
    """Whole numbers among choices are handed over as such: a valency may index a list."""
    return int(value) if feature.choices and float(value).is_integer() else float(value)
