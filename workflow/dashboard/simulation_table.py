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
Rows = NDArray[np.int64] | slice

ALL = slice(None)
"""Every row. Pages look at some rows alone: there may be a million."""

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
        values: of some rows, an array; NaN, or -1 for words, where there is none.
        words: those of a column of words.
    """

    key: str
    name: str
    unit: str
    kind: str
    values: Callable[[Rows], Numbers]
    words: Sequence[str] = ()

    @property
    def head(self) -> str:
        """Key and unit: ``gap [nm]``."""
        return f"{self.key} [{self.unit}]" if self.unit else self.key

    def plain(self, rows: Numbers) -> list[Any]:
        """The cells of some rows, as JSON has them."""
        cells = self.values(rows).tolist()
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
            Column("simulation", "simulation", "", "whole", lambda rows: np.arange(self.n)[rows]),
            Column("task", "task", "", "whole", lambda rows: record.task[rows]),
            Column("state", "state", "", "word", self.state, STATES),
            Column("wall_seconds", "wall time", "s", "number", lambda rows: record.wall_seconds[rows]),
            Column("worker", "worker", "", "word", self._worker, self._workers[1]),
            Column("held_out", "held out", "", "flag", lambda rows: record.held_out[rows]),
            Column("asked", "asked for", "", "flag", lambda rows: record.asked[rows]),
            Column("model", "steered by model", "", "whole", self._model),
            Column("failure", "failure", "", "word", self._reason, self._reasons),
        ]

    def _inputs(self, taken: set[str]) -> Iterator[Column]:
        for k, d in enumerate(self._run.space.dimensions):
            yield Column(_key(d.name, "input", taken), d.name, d.unit, "number", partial(self._input, k))

    def _input(self, k: int, rows: Rows) -> Numbers:
        return self._record.inputs[rows, k] if self.n else np.empty(0)

    def _outputs(self, taken: set[str]) -> Iterator[Column]:
        known = self._record.scalar_names
        for output in self._run.campaign.simulator.outputs:
            if output.coordinate is not None or output.name not in known:
                continue
            name, key, unit = output.name, _key(output.name, "output", taken), output.unit
            yield Column(key, name, unit, "number", partial(_part, self._record.mean, name))
            error = f"{name}, standard error"
            yield Column(f"{key}_stderr", error, unit, "error", partial(_part, self._record.stderr, name))

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

    def state(self, rows: Rows = ALL) -> Numbers:
        """The place in `STATES` of the state of each of some simulations."""
        record = self._record
        over = record.run_stopped is not None and record.run_stopped["state"] == "finished"
        code = np.zeros(len(State), dtype=np.int8)
        code[State.PENDING] = LOST if over else WAITING
        code[State.DONE], code[State.FAILED], code[State.LOST] = DONE, FAILED, LOST
        states: Numbers = code[record.state[rows]]
        tasks = [marker["task"] for marker in self._running]
        if tasks:
            pending = record.state[rows] == State.PENDING
            states[pending & np.isin(record.task[rows], tasks)] = RUNNING
        return states

    @cached_property
    def _workers(self) -> tuple[Numbers, list[str]]:
        """The worker of each task, and their names."""
        record, names = self._record, list(self._record.worker_names)
        of_task = record.task_worker.astype(np.int32)
        for marker in self._running:
            if marker["worker"] not in names:
                names.append(marker["worker"])
            of_task[marker["task"]] = names.index(marker["worker"])
        return of_task, names

    def _worker(self, rows: Rows) -> Numbers:
        of_simulation: Numbers = self._workers[0][self._record.task[rows]]
        return of_simulation

    def worker(self, number: int) -> str | None:
        """The worker that ran a simulation or runs it; ``None`` before one does."""
        of_task, names = self._workers
        place = int(of_task[self._record.task[number]])
        return names[place] if place >= 0 else None

    def _model(self, rows: Rows) -> Numbers:
        models: Numbers = self._record.task_model[self._record.task[rows]].astype(np.float64)
        return np.where(models > 0, models, np.nan)

    @cached_property
    def _reasons(self) -> list[str]:
        return sorted(reason for reason, count in self._record.failure_counts.items() if count > 0)

    def _reason(self, rows: Rows) -> Numbers:
        place = {reason: k for k, reason in enumerate(self._reasons)}
        return self._of_failures(lambda reason, _: place[reason], rows)

    def _of_failures(self, number: Callable[[str, str], int], rows: Rows = ALL) -> Numbers:
        """A number for each simulation that failed, -1 for the others."""
        failures = self._record.failures
        if not isinstance(rows, slice):
            asked = [failures.get(row) for row in rows.tolist()]
            return np.array([-1 if one is None else number(*one) for one in asked], dtype=np.int32)
        values = np.full(self.n, -1, dtype=np.int32)
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
        start, stop = offset, min(offset + limit, total)
        if start >= stop:
            return Page(total, np.empty(0, dtype=np.int64))
        rows = None if chosen is None else np.flatnonzero(chosen)
        if column.key == "simulation":
            places = np.arange(start, stop)
            places = total - 1 - places if falling else places
        else:
            places = _between(self._sortable(column, falling, ALL if rows is None else rows), start, stop)
        return Page(total, places if rows is None else rows[places])

    def rows(self, query: Mapping[str, str]) -> NDArray[np.int64]:
        """All rows that a query asks for, in order.

        Raises:
            QueryError: as above; a page is not asked for here.
        """
        self._refuse_unknown(query, tuple(name for name in QUERY if name not in ("offset", "limit")))
        column, falling = self._order(query.get("sort", "simulation"))
        chosen = self._chosen(query)
        rows = np.arange(self.n) if chosen is None else np.flatnonzero(chosen)
        return rows[np.argsort(self._sortable(column, falling, rows), kind="stable")]

    def csv(self, rows: NDArray[np.int64]) -> Iterator[str]:
        """Rows as CSV, block by block: units in the heads, what is not known left empty.

        What the rows say is taken when the first block is asked for.
        """
        columns = [(column, column.values(rows)) for column in self.columns]
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
                raise QueryError(f"no column `{name}`; {suggestion(name, self._by_key)}")

    def _order(self, sort: str) -> tuple[Column, bool]:
        column = self._by_key.get(sort.removeprefix("-"))
        if column is None:
            known = suggestion(sort.removeprefix("-"), self._by_key)
            raise QueryError(f"sort={sort}: no column `{sort.removeprefix('-')}`; {known}")
        return column, sort.startswith("-")

    def _sortable(self, column: Column, falling: bool, rows: Rows) -> NDArray[np.float64]:
        """Numbers that are in the order of the cells; what is not known comes last in either direction."""
        values = column.values(rows)
        if column.kind == "word":
            # States have an order of their own, other words that of the alphabet.
            in_order = list(column.words) if column.words is STATES else sorted(column.words)
            rank = [*(float(in_order.index(word)) for word in column.words), math.nan]
            values = np.array(rank)[values]  # -1 is the last
        numbers = values.astype(np.float64)
        if falling:
            np.negative(numbers, out=numbers)
        numbers[np.isnan(numbers)] = math.inf
        return numbers

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
        values = column.values(ALL)
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
        workers = [k for k, name in enumerate(self._workers[1]) if wanted in name.casefold()]
        if workers:
            found |= np.isin(self._worker(ALL), workers)
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


def _part(column: Callable[[str], Numbers], name: str, rows: Rows) -> Numbers:
    return column(name)[rows]


def _between(values: NDArray[np.float64], start: int, stop: int) -> NDArray[np.int64]:
    """Places of the elements from `start` to `stop` in ascending order, equal ones as they come.

    What lies before and after them need not be sorted.
    """
    ordered = np.partition(values, [start, stop - 1])
    low, high = ordered[start], ordered[stop - 1]
    near = np.flatnonzero((values >= low) & (values <= high))
    before = int(np.count_nonzero(values < low))
    return near[np.argsort(values[near], kind="stable")[start - before : stop - before]]


def _cells(column: Column, values: Numbers) -> list[Any]:
    if column.kind == "word":
        return [column.words[cell] if cell >= 0 else "" for cell in values.tolist()]
    if column.kind == "flag":
        return [int(cell) for cell in values.tolist()]
    if column.kind == "whole":
        return ["" if cell != cell else int(cell) for cell in values.tolist()]
    # Costs are kept in single precision and to the microsecond; more digits would be noise.
    cells = np.round(values.astype(np.float64), 6) if values.dtype == np.float32 else values
    return ["" if cell != cell else cell for cell in cells.tolist()]


def _lines(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
