"""One thing that was looked at, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at and found.

    Args:
        subject: what it belongs to, the heading that it is printed under.
        name: what was looked at.
        found: in a few words.
        do: what to change; empty where all is well.
    """

    subject: str
    name: str
    found: str
    do: str = ""

    @property
    def verdict(self) -> str:
        """``ok`` or ``warning``."""
        return "warning" if self.do else "ok"

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {"verdict": self.verdict, **asdict(self)}
