"""Columns of numbers that grow one event at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class GrowingTable:
    """Columns of equal length that grow together by doubling."""

    def __init__(self) -> None:
        self.n = 0
        self.capacity = 64
        self.columns: list[Column] = []

    def column(self, dtype: str, width: int = 0, fill: float = 0) -> Column:
        """A new column; elements that are never set hold the fill value."""
        column = Column(self, np.full((self.capacity, width) if width else self.capacity, fill, dtype), fill)
        self.columns.append(column)
        return column

    def extend(self, n: int) -> None:
        """Make it at least ``n`` long."""
        if n > self.capacity:
            self.capacity = max(n, 2 * self.capacity)
            for column in self.columns:
                shape = (self.capacity, *column.data.shape[1:])
                larger = np.full(shape, column.fill, column.data.dtype)
                larger[: self.n] = column.data[: self.n]
                column.data = larger
        if n > self.n:
            self.n = n

    def restart(self, n: int) -> None:
        """Be ``n`` long; every column is replaced next."""
        self.n = self.capacity = n


class Column:
    """A column of a `GrowingTable`."""

    __slots__ = ("data", "fill", "table")

    def __init__(self, table: GrowingTable, data: NDArray[Any], fill: float) -> None:
        self.table, self.data, self.fill = table, data, fill

    def view(self) -> NDArray[Any]:
        """The elements so far, not a copy."""
        return self.data[: self.table.n]

    def replace(self, data: NDArray[Any]) -> None:
        """Take other elements, as many as the table is long.

        Raises:
            ValueError: they are of another type, or too many or too few.
        """
        if data.dtype != self.data.dtype or data.shape != (self.table.n, *self.data.shape[1:]):
            raise ValueError(f"{data.dtype}{data.shape} is no column of {self.data.dtype}")
        self.data = data


def put(column: Column, first: int, values: Sequence[Any]) -> None:
    """Write consecutive elements; null becomes NaN."""
    if len(values) == 1:  # five times as fast as a slice, and the common case of long simulations
        value = values[0]
        column.data[first] = np.nan if value is None else value
    else:
        column.data[first : first + len(values)] = values
