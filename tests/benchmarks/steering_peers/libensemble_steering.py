"""libEnsemble, deciding after every result: the peer's half of `bench_steering.py`, run by its environment.

The generator lives on the manager, as a thread, so that all workers simulate; the allocation function is the
one that libEnsemble ships for generators that are told of every result.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time

import numpy as np
from libensemble.alloc_funcs.start_only_persistent import only_persistent_gens
from libensemble.libE import libE
from libensemble.message_numbers import EVAL_GEN_TAG, FINISHED_PERSISTENT_GEN_TAG, PERSIS_STOP, STOP_TAG
from libensemble.tools.persistent_support import PersistentSupport

POINT = [("seconds", float)]
RESULT = [("started", float), ("ended", float), ("by", float)]


def simulate(points, persis_info, sim_specs, libE_info):
    """The simulation: it sleeps."""
    found = np.zeros(1, dtype=RESULT)
    found["started"] = time.time()
    if seconds := float(points["seconds"][0]):
        time.sleep(seconds)
    found["ended"] = time.time()
    found["by"] = libE_info["workerID"]
    return found, persis_info


def decide(_, persis_info, gen_specs, libE_info):
    """Give the first points, then as many as there are results, by what came so far."""
    wanted = gen_specs["user"]["wanted"]
    support = PersistentSupport(libE_info, EVAL_GEN_TAG)
    sent, last, tag, wish = 0, 0.0, None, wanted.in_flight
    while tag not in (STOP_TAG, PERSIS_STOP):
        points = np.zeros(wish, dtype=POINT)
        for k in range(wish):
            shift = random.Random(last + sent + k).uniform(-1e-6, 1e-6)
            points["seconds"][k] = max(0.0, wanted.seconds + shift)
        sent += wish
        tag, _work, results = support.send_recv(points)
        if results is not None:
            last, wish = float(results["ended"][-1]), len(results)
    return None, persis_info, FINISHED_PERSISTENT_GEN_TAG


def main() -> None:
    """Run, and say what there is to know."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers-by", choices=("local", "threads"))
    parser.add_argument("--workers", type=int)
    parser.add_argument("--in-flight", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--tasks", type=int)
    parser.add_argument("--limit", type=float, help="seconds of deciding")
    parser.add_argument("--out")
    wanted = parser.parse_args()
    history, _, _ = libE(
        {"sim_f": simulate, "in": ["seconds"], "out": RESULT},
        {"gen_f": decide, "persis_in": ["started", "ended", "by"], "out": POINT, "user": {"wanted": wanted}},
        {"sim_max": wanted.tasks, "wallclock_max": wanted.limit},
        alloc_specs={"alloc_f": only_persistent_gens, "user": {"async_return": True}},
        libE_specs={
            "comms": wanted.workers_by,
            "nworkers": wanted.workers,
            "gen_on_manager": True,
            "disable_log_files": True,
            "disable_resource_manager": True,
            "save_H_and_persis_on_abort": False,
            "safe_mode": False,
        },
    )
    done = history[history["sim_ended"]]
    columns = [done[name] for name in ("started", "ended", "by", "sim_ended_time")]
    np.save(wanted.out, np.stack(columns, axis=1))
    print(json.dumps({"drivers": [os.getpid()]}))


if __name__ == "__main__":
    main()
