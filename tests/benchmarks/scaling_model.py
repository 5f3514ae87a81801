"""How far the engine carries: a model of it, checked on this machine, asked about a large one.

    scaling_model.py --measure    time the real code here; kept in scaling_parameters.json
    scaling_model.py --check      run campaigns here, foretold and measured
    scaling_model.py --predict    1,000 nodes, 8,000 GPUs, 10^7 simulations

Without an option: a quick check and the main predictions, in less than two minutes. Tables are Markdown, as
they stand in docs/scaling.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from scaling_parts import Costs, FileSystem, Linear

FILE = Path(__file__).with_name("scaling_parameters.json")


def measure(repeats: int) -> dict[str, Any]:
    """All parameters, each the least of several measurements: other work only ever makes them larger."""
    from scaling_controller import measure_controller, measure_growth, measure_tick
    from scaling_parsl import measure_interchange, measure_pool
    from scaling_worker import count_operations, measure_disk, measure_worker

    with tempfile.TemporaryDirectory(prefix="mlaround-scaling-") as name:
        scratch = Path(name)
        parts = {
            "controller": lambda: measure_controller(scratch),
            "tick": lambda: measure_tick(scratch),
            "growth": measure_growth,
            "worker": lambda: measure_worker(scratch),
            "disk": lambda: measure_disk(scratch),
            "pool": lambda: measure_pool(scratch),
            "interchange": measure_interchange,
        }
        found: dict[str, Any] = {}
        for part, function in parts.items():
            tries = [function() for _ in range(repeats)]
            found[part] = {key: _least([t[key] for t in tries]) for key in tries[0]}
            print(f"{part}: {json.dumps(found[part])}", file=sys.stderr, flush=True)
        found["operations"] = count_operations(scratch)
    found["about"] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "load": round(os.getloadavg()[1], 1),
    }
    return found


def _least(values: list[Any]) -> Any:
    """The least; of lines, which are pairs here, that of the least cost at ten replicas."""
    plain = [_plain(value) for value in values]
    if not isinstance(plain[0], list):
        return min(plain)
    if isinstance(plain[0][0], list):  # by number of managers
        return [list(map(min, zip(*rows, strict=True))) for rows in zip(*plain, strict=True)]
    return min(plain, key=lambda line: Linear(*line).of(10))


def _plain(value: Any) -> Any:
    if isinstance(value, Linear):
        return [value.fixed, value.each]
    return [list(row) for row in value] if isinstance(value, list) and isinstance(value[0], tuple) else value


def costs_of(p: dict[str, Any]) -> dict[str, Costs]:
    """Costs by kind of pool: ``threads``, ``local``, and ``blocks`` for nodes of a batch system."""
    line = lambda part, key: Linear(*p[part][key])  # noqa: E731  # short
    more = lambda cost, fixed: Linear(cost.fixed + fixed, cost.each)  # noqa: E731
    controller, pool, interchange = p["controller"], p["pool"], p["interchange"]
    (_, one, _), *_, (many, last, _) = interchange["tasks"]
    slope = (last - one) / (many - 1)
    turns = min(2.0, max(1.0, slope / interchange["turn_manager"]))
    rest = max(0.0, one - turns * interchange["turn"])
    calls = p["operations"]["task"]
    operations = sum(calls.values()) - calls.get("fsync", 0.0)
    local = Costs(
        propose=line("controller", "propose"),
        submit=more(line("controller", "submit_own"), pool["submit"]),
        handle=line("controller", "handle"),
        commit=controller["commit"],
        tick=p["tick"]["tick"],
        tick_task=p["tick"]["tick_task"],
        tick_operations=2.0,
        result=Linear(pool["result"]),
        turn=interchange["turn"],
        turn_manager=interchange["turn_manager"],
        take=rest / 3,
        give=rest / 3,
        send=rest / 3,
        manager=pool["manager"],
        between=more(line("worker", "between"), pool["workers"]),
        task=line("worker", "task"),
        before=MARKER,
        after=operations - MARKER,
        file=line("worker", "file"),
    )
    threads = replace(local, submit=line("controller", "submit_own"), between=line("worker", "between"))
    return {"local": local, "threads": threads, "blocks": replace(local, heartbeat=3.0)}


MARKER = 3.0
"""Operations of the marker of a running task: made, a look whether it was withdrawn, removed."""


def here(p: dict[str, Any]) -> FileSystem:
    """This machine's disk; the processor time of its operations is in the costs of who calls."""
    return FileSystem(
        0.0, 1e9, p["disk"]["fsync"], p["controller"]["commit_wait"], p["disk"]["fsyncs"], 1e9, 1e9
    )


def main() -> int:
    """Measure, check or predict."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option in ("measure", "check", "predict"):
        parser.add_argument(f"--{option}", action="store_true")
    parser.add_argument(
        "--add", action="store_true", help="with --measure: the least of these and the kept ones"
    )
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each parameter")
    given = parser.parse_args()
    quick = not (given.measure or given.check or given.predict)
    if given.measure:
        found = measure(given.repeats)
        if given.add:
            kept = json.loads(FILE.read_text())
            for part in found.keys() - {"operations", "about"}:
                found[part] = {key: _least([value, kept[part][key]]) for key, value in found[part].items()}
        FILE.write_text(json.dumps(found, indent=1) + "\n")
    parameters = json.loads(FILE.read_text())
    costs = costs_of(parameters)
    about = parameters["about"]
    print(f"Parameters of {about['date']}, {about['machine']}, load {about['load']}; "
          f"now {os.getloadavg()[0]:.1f}\n")  # fmt: skip
    failed = False
    if given.check or quick:
        from scaling_check import table

        errors = table(costs, Linear(*parameters["controller"]["log"]), here(parameters), quick=quick)
        worst = max(map(abs, errors))
        failed = worst > ALLOWED
        print(
            f"\nlargest error of the throughput {worst:.0%} (<= {ALLOWED:.0%}) {'MISSED' if failed else ''}\n"
        )
    if given.predict or quick:
        from scaling_predict import predict

        predict(parameters, costs, quick=quick)
    return int(failed)


ALLOWED = 0.3
"""Error of the throughput that the check lets pass on a machine that others use too."""


if __name__ == "__main__":
    sys.exit(main())
