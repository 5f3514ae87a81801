"""What the live pages say of a run: its status, when it will end, what to look at, what it saved."""

from __future__ import annotations

import math
import statistics
from collections import deque
from typing import Any

from workflow.dashboard.alerts import Poor, alerts, poor
from workflow.dashboard.surroundings import Surroundings
from workflow.dashboard.tasktable import TaskTable
from workflow.events import Event
from workflow.folder import RunFolder
from workflow.record import Record
from workflow.speedup import effective_speedup, measure
from workflow.status import status

RECENT = 240
"""Tasks whose ends tell how fast the run is."""
BLOCKS = 8
"""Parts into which they are cut, whose differences tell how sure that is."""
ACTIONS = 50
"""Actions of users that are shown."""


class Summary:
    """The summary of a run, kept up event by event.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._ends: deque[tuple[float, int]] = deque(maxlen=RECENT)
        self._longest: deque[float] = deque(maxlen=RECENT)
        self._points: list[tuple[float, float]] = []
        self._poor: dict[int, list[Poor]] = {}
        self._newest = 0.0
        self._eta: dict[str, float] | None = None
        self._speedup: dict[str, Any] = {}

    def apply(self, record: Record, event: Event) -> None:
        """Take in an event that the record has taken in already."""
        kind, self._newest = event["event"], event["t"]
        if kind == "run_started":
            self._ends.clear()  # what another controller did says little of this one's pace
        elif kind == "task_done":
            self._ends.append((event["ended"], int(record.task_count[event["task"]])))
            self._longest.append(event["ended"] - event["started"])
        elif kind == "model_trained":
            self._poor[event["model"]] = poor(record, event)
            measured = measure(record)
            if measured is not None and math.isfinite(measured.value):
                self._points.append((round(event["t"], 1), _rounded(measured.value)))

    def build(
        self,
        record: Record,
        tasks: TaskTable,
        around: Surroundings,
        troubles: list[str],
        *,
        news: bool,
    ) -> dict[str, Any]:
        """The summary by now, key by key.

        Args:
            record: of the run.
            tasks: of the run.
            around: what was seen beside the log.
            troubles: what is wrong with the log, in words.
            news: whether an event came in since the last time.
        """
        state = around.state(record)
        running = tasks.of_running()
        now = status(
            record,
            name=around.name,
            run=self.folder.name,
            total=around.total,
            running=sum(int(record.task_count[task]) for task in tasks.running),
            state=state,
            reason=(record.run_stopped or {}).get("reason"),
        )
        now["updated"] = self._newest or None  # else no two were alike
        if news or not self._speedup:
            self._eta = self._estimate(record, state, around)
            self._speedup = self._measured(record)
        if state != "running":
            self._eta = None
        return {
            "status": now,
            "eta": self._eta,
            "alerts": alerts(
                self.folder,
                record,
                around,
                state,
                troubles,
                newest=self._newest,
                longest=self._longest,
                poor=self._poor.get(record.promoted or 0, []),
            ),
            "models": _models(record),
            "speedup": self._speedup,
            "actions": record.actions[-ACTIONS:],
            "training": record.training,
            "running": running,
            "paused": state == "paused",
        }

    def _measured(self, record: Record) -> dict[str, Any]:
        found = effective_speedup(record)
        points = list(self._points)
        if found["value"] is not None:
            points.append((round(self._newest, 1), _rounded(found["value"])))
        left = ("sentence", "leaves_out", "limits", "accuracy")
        return {
            "points": points,
            "sentence": found["sentence"],
            "leaves_out": found["leaves_out"],
            "ingredients": {key: value for key, value in found.items() if key not in left},
        }

    def _estimate(self, record: Record, state: str, around: Surroundings) -> dict[str, float] | None:
        """Seconds until the budget is used up, with the half width of a 95 % interval.

        The pace is that of the latest tasks; how much it differs between parts of them says how sure
        the rest is. Nothing is said before every part has a few tasks.
        """
        remaining = around.total - record.done - record.failed - record.lost
        if state != "running" or remaining <= 0 or len(self._ends) < 2 * BLOCKS:
            return None
        ends = sorted(self._ends)
        size = (len(ends) - 1) // BLOCKS
        ends = ends[-(BLOCKS * size + 1) :]
        paces = []  # seconds for each simulation, of each block
        counts = []
        for k in range(BLOCKS):
            block = ends[k * size : (k + 1) * size + 1]
            counts.append(sum(count for _, count in block[1:]))
            paces.append((block[-1][0] - block[0][0]) / counts[-1])
        pace = (ends[-1][0] - ends[0][0]) / sum(counts)
        if pace <= 0:
            return None
        deviation = statistics.stdev(paces)
        # What is not known of the mean, and by chance in what is still to come.
        error = deviation * math.sqrt(1 / BLOCKS + statistics.mean(counts) / remaining)
        return {"seconds": remaining * pace, "spread": 1.96 * remaining * error}


def _models(record: Record) -> list[dict[str, Any]]:
    rows = []
    by_hand = {
        action["arguments"]["model"]
        for action in record.actions
        if action["verb"] == "promote" and action["outcome"] == "done"
    }
    for model in record.models:
        overall = (model.get("scores") or {}).get("overall") or {}
        rows.append(
            {
                "model": model["model"],
                "t": model["t"],
                "simulations": model["simulations"],
                "held_out": model["held_out"],
                "promoted": model["promoted"] or model["model"] in by_hand,
                "in_use": model["model"] == record.promoted,
                **{key: overall.get(key) for key in ("median_relative_error", "coverage", "success")},
                "lookup_seconds": model["lookup_seconds"],
                "training_seconds": model["ended"] - model["started"],
                "started": model["started"],
                "ended": model["ended"],
            }
        )
    return rows


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
