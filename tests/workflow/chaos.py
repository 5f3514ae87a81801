"""Kills controllers at random instants and goes on with their runs; a process of its own, which forks.

    python chaos.py TRIALS SEED FOLDER REFERENCE OVERRIDE...

Each trial is killed with -9 until it is done: a random time after each start, which grows so that the
end is reached. It prints a line of JSON per trial. Forking saves each trial a second of imports.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import engine_runs

import surrogates  # noqa: F401  # imported before the fork, as everything that a run needs
from workflow.engine import resume
from workflow.folder import RunFolder


def child(work):
    pid = os.fork()
    if pid == 0:
        try:
            code = work().exit_code
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            code = 99
        finally:
            os._exit(code)
    return pid


def trial(folder: Path, chance: random.Random, overrides: list[str]) -> dict:
    kills, longest = 0, 0.25
    while True:
        known = RunFolder(folder).exists()
        pid = child(
            (lambda: resume(folder))
            if known
            else (lambda: engine_runs.run(folder, engine_runs.WELLS, *overrides))
        )
        end = time.monotonic() + chance.uniform(0, longest)
        while time.monotonic() < end:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return {"kills": kills, "code": os.waitstatus_to_exitcode(status)}
            time.sleep(0.002)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        kills += 1
        longest *= 1.3


def main() -> None:
    trials, seed, folder, *overrides = sys.argv[1:]
    import h5py  # noqa: F401  # before the fork too

    for k in range(int(trials)):
        run = Path(folder) / f"run-{k}"
        answer = trial(run, random.Random(1000 * int(seed) + k), overrides)
        state = engine_runs.record(run)
        answer |= {
            "lost": state.lost,
            "duplicated": state.duplicated,
            "done": state.done,
            "pending": state.pending,
        }
        answer |= {
            "numbers": engine_runs.numbers(run),
            "weights": [hash_of(w) for w in engine_runs.weights(run)],
        }
        answer["partial"] = [str(p) for p in RunFolder(run).results.glob("*/.*")]
        print(json.dumps(answer), flush=True)


def hash_of(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main()
