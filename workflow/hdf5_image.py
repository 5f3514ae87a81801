"""HDF5 files made in memory; those of one form, after the first, by copying their numbers into it.

The library takes milliseconds to make a file of twenty small datasets, more than some simulations take.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

LARGE = 1 << 20
"""Bytes of numbers from which on the library makes every file: writing them costs more than that."""

_TEXT = 256
"""The text is filled up with blanks to a multiple of this many bytes, so that few forms are needed."""

Form = tuple[str, tuple[tuple[str, Any], ...], tuple[int, ...], np.dtype[Any] | None]


@dataclass(frozen=True)
class Part:
    """A dataset, or a group (the root is ``/``).

    Args:
        name: its path in the file.
        attributes: name and value of each: text, a number or a tuple of texts.
        values: of a dataset; ``None`` for a group.
    """

    name: str
    attributes: tuple[tuple[str, Any], ...] = ()
    values: NDArray[Any] | None = None

    @property
    def form(self) -> Form:
        """All of it but the numbers."""
        shape, kind = (), None
        if self.values is not None:
            shape, kind = self.values.shape, self.values.dtype
        return self.name, self.attributes, shape, kind


def dataset(name: str, values: ArrayLike, **attributes: Any) -> Part:
    """A dataset at this path."""
    return Part(name, tuple(attributes.items()), np.asarray(values))


@dataclass(frozen=True)
class _Mould:
    """A file of zeros, and where in it the numbers and the text belong."""

    image: bytes
    starts: tuple[int, ...]
    text: int


def image(parts: Sequence[Part], name: str, text: str) -> bytes | bytearray:
    """The bytes of an HDF5 file.

    Args:
        parts: what is in it.
        name: of an attribute of the root.
        text: its value, which gets blanks at its end.
    """
    forms = tuple(part.form for part in parts)
    arrays = [part.values for part in parts if part.values is not None]
    whole = text.encode()
    whole = whole.ljust(max(1, -(-len(whole) // _TEXT)) * _TEXT)
    if sum(values.nbytes for values in arrays) > LARGE or any(v.dtype.kind not in "biuf" for v in arrays):
        return _made(forms, [part.values for part in parts], name, whole)[0]
    mould = _mould(forms, name, len(whole))
    filled = bytearray(mould.image)
    for start, values in zip(mould.starts, arrays, strict=True):
        filled[start : start + values.nbytes] = values.tobytes()
    filled[mould.text : mould.text + len(whole)] = whole
    return filled


@lru_cache(maxsize=16)
def _mould(forms: tuple[Form, ...], name: str, length: int) -> _Mould:
    mark = (uuid.uuid4().hex * (length // 32 + 1)).encode()[:length]
    zeros = [None if kind is None else np.zeros(shape, kind) for *_, shape, kind in forms]
    made, starts = _made(forms, zeros, name, mark)
    assert made.count(mark) == 1
    return _Mould(made, starts, made.index(mark))


def _made(
    forms: tuple[Form, ...], arrays: Sequence[NDArray[Any] | None], name: str, text: bytes
) -> tuple[bytes, tuple[int, ...]]:
    """A file as the library makes it, and where the numbers of each dataset begin in it."""
    import h5py

    starts = []
    # In memory: a file that HDF5 cannot write, the disk being full say, crashes its process later.
    with h5py.File(f"{uuid.uuid4().hex}.h5", "w", driver="core", backing_store=False) as file:
        file.attrs[name] = text.decode()
        for (path, attributes, *_), values in zip(forms, arrays, strict=True):
            if values is None:
                place = file.require_group(path)
            else:
                place = file.create_dataset(path, data=values)
                starts.append(place.id.get_offset() or 0)  # none where there is no number
            for key, value in attributes:
                place.attrs[key] = list(value) if isinstance(value, tuple) else value
        file.flush()
        return file.id.get_file_image(), tuple(starts)
