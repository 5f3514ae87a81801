"""All that a record knows, in a form in which two of them can be compared."""

from __future__ import annotations

from workflow.growing_table import Column, GrowingTable


def facts(thing):
    """All that an object holds, to the bit and in its order, as something that can be compared."""
    if isinstance(thing, Column):
        return str(thing.data.dtype), thing.view().shape, thing.view().tobytes()
    if isinstance(thing, GrowingTable):
        return thing.n
    if isinstance(thing, dict):
        return [(key, facts(value)) for key, value in thing.items()]
    if isinstance(thing, list | tuple):
        return [facts(value) for value in thing]
    if isinstance(thing, set):
        return sorted(thing)
    if hasattr(thing, "__dict__"):
        return {key: facts(value) for key, value in sorted(vars(thing).items()) if key != "kept_events"}
    return type(thing), thing
