"""Small things said in one way everywhere: durations, numbers in JSON, and what somebody may have meant."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any


def duration(seconds: float) -> str:
    """Seconds as people say them: ``3.2 µs``, ``12.3 s``, ``4 min 10 s``, ``2 h 11 min``, ``3 d 4 h``."""
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if unit <= seconds < 100:
            return f"{seconds / unit:.3g} {name}"
    if seconds < 100:
        return f"{seconds / 1e-6:.3g} µs" if seconds else "0 s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def counted(n: int, word: str) -> str:
    """``1 worker``, ``1,200 workers``."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def listed(items: Sequence[object], most: int | None = None) -> str:
    """``a``, ``a and b``, ``a, b and c``; ``nothing`` of none, and of more than `most` the first ones."""
    texts = [str(item) for item in items[:most]] or ["nothing"]
    if len(items) > len(texts) and most is not None:
        texts.append(f"{len(items) - most:,} more")
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def plain_data(value: Any) -> Any:
    """The same in the forms that JSON has: arrays become lists, and null stands for what is not finite."""
    if isinstance(value, dict):
        return {str(k): plain_data(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(v) for v in value]
    if hasattr(value, "tolist"):  # arrays and numbers of numpy, which is not imported here
        return plain_data(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def suggestion(word: str, known: Iterable[object]) -> str:
    """``did you mean ...?`` where something known is near, else the list of what is known."""
    from difflib import get_close_matches

    names = [str(k) for k in known]
    close = get_close_matches(word.lower().replace("-", "_"), names, 1)
    return f"did you mean `{close[0]}`?" if close else f"known: {', '.join(names) or 'none'}"
