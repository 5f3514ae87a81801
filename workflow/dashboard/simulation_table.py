"""The table of a run's simulations: filtered, sorted and cut to a page over the record's arrays."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow.failures import group_key
from workflow.record import State
from workflow.run import Run
from workflow.words import suggestion

Numbers = NDArray[Any]

STATES = ("waiting", "running", "done", "failed", "lost")
"""What a simulation may be in; the order is that of sorting by state."""

WAITING, RUNNING, DONE, FAILED, LOST = range(5)

LONGEST_PAGE = 500
BLOCK = 5000
"""Rows of a CSV file that are written at a time."""

QUERY = ("sort", "offset", "limit", "text", "group", "reason")
"""What a query may name besides columns."""


class QueryError(ValueError):
    """A query that the table cannot answer, in words."""


@dataclass(frozen=True)
class Column:
    """A column: numbers, or words of which the numbers are the places in a list.

    Args:
        key: what queries call it.
        name, unit: as declared.
        kind: ``number``, ``whole``, ``error`` (of the column before it), ``word`` or ``flag``.
        values: array (simulations,); NaN, or -1 for words, where there is none.
        words: those of a column of words.
    """

    key: str
    name: str
    unit: str
    kind: str
    values: Callable[[], Numbers]
    words: Sequence[str] = ()

    @property
    def head(self) -> str:
        """Key and unit: ``gap [nm]``."""
        return f"{self.key} [{self.unit}]" if self.unit else self.key

    def plain(self, rows: Numbers) -> list[Any]:
        """The cells of some rows, as JSON has them."""
        cells = self.values()[rows].tolist()
        if self.kind == "word":
            return [self.words[cell] if cell >= 0 else None for cell in cells]
        return [None if cell != cell else cell for cell in cells]


@dataclass(frozen=True)
class Page:
    """Some rows of the table.

    Args:
        total: rows that the filters leave.
        rows: numbers of the simulations on the page, in order.
    """

    total: int
    rows: NDArray[np.int64]


class SimulationTable:
    """All simulations that were proposed so far.

    Args:
        run: whose record is looked at as it is now; an event that comes in later is not seen.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._record = run.record
        self.n = self._record.replicas
        fixed = self._fixed()
        taken = {column.key for column in fixed} | set(QUERY)
        declared = [*self._inputs(taken), *self._outputs(taken)]
        self.columns: list[Column] = [*fixed[:2], *declared, *fixed[2:]]
        self._by_key = {column.key: column for column in self.columns}

    # Columns.

    def _fixed(self) -> list[Column]:
        record = self._record
        return [
            Column("simulation", "simulation", "", "whole", lambda: np.arange(self.n)),
            Column("task", "task", "", "whole", lambda: record.task),
            Column("state", "state", "", "word", lambda: self.state, STATES),
            Column("wall_seconds", "wall time", "s", "number", lambda: record.wall_seconds),
            Column("worker", "worker", "", "word", lambda: self._workers[0], self._workers[1]),
            Column("held_out", "held out", "", "flag", lambda: record.held_out),
            Column("asked", "asked for", "", "flag", lambda: record.asked),
            Column("model", "steered by model", "", "whole", lambda: self._models),
            Column("failure", "failure", "", "word", lambda: self._reasons[0], self._reasons[1]),
        ]

    def _inputs(self, taken: set[str]) -> Iterator[Column]:
        for k, d in enumerate(self._run.space.dimensions):
            yield Column(_key(d.name, "input", taken), d.name, d.unit, "number", partial(self._input, k))

    def _input(self, k: int) -> Numbers:
        return self._record.inputs[:, k] if self.n else np.empty(0)

    def _outputs(self, taken: set[str]) -> Iterator[Column]:
        known = self._record.scalar_names
        for output in self._run.campaign.simulator.outputs:
            if output.coordinate is not None or output.name not in known:
                continue
            name, key, unit = output.name, _key(output.name, "output", taken), output.unit
            yield Column(key, name, unit, "number", partial(self._record.mean, name))
            error = f"{name}, standard error"
            yield Column(f"{key}_stderr", error, unit, "error", partial(self._record.stderr, name))

    @cached_property
    def _running(self) -> list[dict[str, Any]]:
        """What workers say they run, of the tasks that the record knows and that are not finished."""
        if not self._run.folder.controller_alive():
            return []
        finished = self._record.task_finished
        return [
            marker
            for marker in self._run.folder.running_tasks()
            if 0 <= marker["task"] < len(finished) and not finished[marker["task"]]
        ]

    @cached_property
    def state(self) -> Numbers:
        """The place of each simulation's state in `STATES`."""
        record = self._record
        over = record.run_stopped is not None and record.run_stopped["state"] == "finished"
        code = np.zeros(len(State), dtype=np.int8)
        code[State.PENDING] = LOST if over else WAITING
        code[State.DONE], code[State.FAILED], code[State.LOST] = DONE, FAILED, LOST
        states: Numbers = code[record.state]
        for marker in self._running:
            first = int(record.task_first[marker["task"]])
            rows = np.arange(first, first + int(record.task_count[marker["task"]]))
            rows = rows[(record.task[rows] == marker["task"]) & (record.state[rows] == State.PENDING)]
            states[rows] = RUNNING
        return states

    @cached_property
    def _workers(self) -> tuple[Numbers, list[str]]:
        record, names = self._record, list(self._record.worker_names)
        of_task = record.task_worker.astype(np.int32)
        for marker in self._running:
            if marker["worker"] not in names:
                names.append(marker["worker"])
            of_task[marker["task"]] = names.index(marker["worker"])
        return (of_task[record.task] if self.n else np.empty(0, dtype=np.int32)), names

    def worker(self, number: int) -> str | None:
        """The worker that ran a simulation or runs it; ``None`` before one does."""
        of_simulation, names = self._workers
        place = int(of_simulation[number])
        return names[place] if place >= 0 else None

    @cached_property
    def _models(self) -> Numbers:
        if not self.n:
            return np.empty(0)
        models: Numbers = self._record.task_model[self._record.task].astype(np.float64)
        return np.where(models > 0, models, np.nan)

    @cached_property
    def _reasons(self) -> tuple[Numbers, list[str]]:
        reasons = sorted({reason for reason, _ in self._record.failures.values()})
        place = {reason: k for k, reason in enumerate(reasons)}
        return self._of_failures(lambda reason, _: place[reason]), reasons

    def _of_failures(self, number: Callable[[str, str], int]) -> Numbers:
        """A number for each failed simulation, -1 for the others."""
        values = np.full(self.n, -1, dtype=np.int32)
        failures = self._record.failures
        if failures:
            where = np.fromiter(failures, dtype=np.int64, count=len(failures))
            values[where] = [number(*failure) for failure in failures.values()]
        return values

    # Queries.

    def page(self, query: Mapping[str, str]) -> Page:
        """The rows that a query asks for: its filters, `sort`, `offset` and `limit`.

        Raises:
            QueryError: it names what is not there, or says what cannot be.
        """
        self._refuse_unknown(query, QUERY)
        offset = _whole(query, "offset", 0, 0, None)
        limit = _whole(query, "limit", 50, 1, LONGEST_PAGE)
        column, falling = self._order(query.get("sort", "simulation"))
        chosen = self._chosen(query)
        total = self.n if chosen is None else int(chosen.sum())
        if not total or offset >= total:
            return Page(total, np.empty(0, dtype=np.int64))
        if column.key == "simulation":
            rows = np.arange(self.n) if chosen is None else np.flatnonzero(chosen)
            return Page(total, (rows[::-1] if falling else rows)[offset : offset + limit])
        rows = np.arange(self.n) if chosen is None else np.flatnonzero(chosen)
        values = self._sortable(column)[rows]
        if falling:
            values = -values
        return Page(total, rows[_smallest(values, offset, offset + limit)])

    def rows(self, query: Mapping[str, str]) -> NDArray[np.int64]:
        """All rows that a query asks for, in order.

        Raises:
            QueryError: as above; a page is not asked for here.
        """
        self._refuse_unknown(query, tuple(name for name in QUERY if name not in ("offset", "limit")))
        column, falling = self._order(query.get("sort", "simulation"))
        chosen = self._chosen(query)
        rows = np.arange(self.n) if chosen is None else np.flatnonzero(chosen)
        values = self._sortable(column)[rows]
        return rows[np.argsort(-values if falling else values, kind="stable")]

    def csv(self, rows: NDArray[np.int64]) -> Iterator[str]:
        """Rows as CSV, block by block: units in the heads, what is not known left empty.

        What the rows say is taken when the first block is asked for.
        """
        columns = [(column, column.values()[rows]) for column in self.columns]
        messages = dict(self._record.failures)
        yield _lines([[*(column.head for column in self.columns), "message"]])
        for start in range(0, len(rows), BLOCK):
            part = slice(start, start + BLOCK)
            cells = [_cells(column, values[part]) for column, values in columns]
            cells.append([messages.get(row, ("", ""))[1] for row in rows[part].tolist()])
            yield _lines(zip(*cells, strict=True))

    def _refuse_unknown(self, query: Mapping[str, str], others: tuple[str, ...]) -> None:
        for name in query:
            if name not in self._by_key and name not in others:
                raise QueryError(f"no column `{name}`; {suggestion(name, [*self._by_key, *others])}")

    def _order(self, sort: str) -> tuple[Column, bool]:
        column = self._by_key.get(sort.removeprefix("-"))
        if column is None:
            known = suggestion(sort.removeprefix("-"), self._by_key)
            raise QueryError(f"sort={sort}: no column `{sort.removeprefix('-')}`; {known}")
        return column, sort.startswith("-")

    def _sortable(self, column: Column) -> Numbers:
        values = column.values()
        if column.kind == "word":
            by_name = column.words is not STATES
            rank = (
                np.argsort(np.argsort(column.words)) if by_name and column.words else np.arange(len(STATES))
            )
            # Where there is no word comes last, in either direction.
            return np.where(values >= 0, rank[values], np.nan) if len(values) else values.astype(float)
        return values.astype(np.float64)

    def _chosen(self, query: Mapping[str, str]) -> NDArray[np.bool_] | None:
        """Whether each simulation passes the filters; ``None`` if there are none."""
        masks = [self._mask(self._by_key[name], text) for name, text in query.items() if name in self._by_key]
        if "text" in query and query["text"].strip():
            masks.append(self._mentions(query["text"].strip()))
        if "reason" in query:
            masks.append(self._of_failures(lambda reason, _: reason == query["reason"]) == 1)
        if "group" in query:
            masks.append(self._of_failures(lambda *failure: group_key(*failure) == query["group"]) == 1)
        return None if not masks else np.logical_and.reduce(masks)

    def _mask(self, column: Column, text: str) -> NDArray[np.bool_]:
        values = column.values()
        if column.kind == "word":
            return np.isin(values, [_place(column, word) for word in text.split(",")])
        if column.kind == "flag":
            if text not in ("0", "1"):
                raise QueryError(f"{column.key}={text}: write 1 for yes or 0 for no")
            mask: NDArray[np.bool_] = values == (text == "1")
            return mask
        low, high = _range(column, text)
        return (values >= low) & (values <= high)

    def _mentions(self, text: str) -> NDArray[np.bool_]:
        """Simulations whose number, worker or failure holds a text."""
        found = np.zeros(self.n, dtype=bool)
        number = text.removeprefix("#")
        if number.isdecimal() and int(number) < self.n:
            found[int(number)] = True
        wanted = text.casefold()
        workers, names = self._workers
        found |= np.isin(workers, [k for k, name in enumerate(names) if wanted in name.casefold()])
        for row, (reason, message) in self._record.failures.items():
            if wanted in reason.casefold() or wanted in message.casefold():
                found[row] = True
        return found


def _key(name: str, kind: str, taken: set[str]) -> str:
    """What queries call an input or output: its name, unless that means something else already."""
    key = f"{kind}.{name}" if name in taken else name
    taken.update((key, f"{key}_stderr"))
    return key


def _place(column: Column, word: str) -> int:
    if word not in column.words:
        raise QueryError(f"{column.key}={word}: {suggestion(word, column.words)}")
    return column.words.index(word)


def _range(column: Column, text: str) -> tuple[float, float]:
    """The ends of ``low:high``, of ``low:`` or ``:high``, or of a number alone."""
    parts = text.split(":")
    try:
        if not 1 <= len(parts) <= 2 or not any(parts):
            raise ValueError
        low = float(parts[0]) if parts[0] else -math.inf
        high = float(parts[-1]) if parts[-1] else math.inf
        if math.isnan(low) or math.isnan(high):
            raise ValueError
    except ValueError:
        raise QueryError(f"{column.key}={text}: write low:high, either end may be left out") from None
    if low > high:
        raise QueryError(f"{column.key}={text}: {low:g} is above {high:g}")
    return low, high


def _whole(query: Mapping[str, str], name: str, default: int, low: int, high: int | None) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 12 or int(text) < low or (high is not None and int(text) > high):
        accepted = f"a whole number from {low}" + (f" to {high}" if high is not None else "")
        raise QueryError(f"{name}={text}: must be {accepted}")
    return int(text)


def _smallest(values: NDArray[np.float64], start: int, stop: int) -> NDArray[np.int64]:
    """Places of the elements from `start` to `stop` in ascending order, equal ones as they come, NaN last."""
    n = len(values)
    stop = min(stop, n)
    if stop > n // 4:
        return np.argsort(values, kind="stable")[start:stop]
    # A page near the beginning needs no more than to know what its last element is.
    last = np.partition(values, stop - 1)[stop - 1]
    if np.isnan(last):
        return np.argsort(values, kind="stable")[start:stop]
    below = np.flatnonzero(values < last)
    equal = np.flatnonzero(values == last)[: stop - len(below)]
    order = np.argsort(values[below], kind="stable")
    return np.concatenate([below[order], equal])[start:stop]


def _cells(column: Column, values: Numbers) -> list[Any]:
    if column.kind == "word":
        return [column.words[cell] if cell >= 0 else "" for cell in values.tolist()]
    if column.kind == "flag":
        return values.astype(int).tolist()
    if column.kind == "whole":
        return ["" if cell != cell else int(cell) for cell in values.tolist()]
    # Costs are kept in single precision and to the microsecond; more digits would be noise.
    cells = np.round(values.astype(np.float64), 6) if values.dtype == np.float32 else values
    return ["" if cell != cell else cell for cell in cells.tolist()]


def _lines(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
