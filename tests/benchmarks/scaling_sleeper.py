"""A simulator that sleeps and answers as a medium one does, and managers of nodes that are not there."""

from __future__ import annotations

import pickle
import sys
import time
from typing import ClassVar

import numpy as np

from simulators import Coordinate, Observations, Output, Parameter, Simulator
from surrogates import Surrogate
from surrogates.contract import Predictor

BINS = 100


class Sleeper(Simulator):
    """Sleeps ``seconds``; five inputs, three scalars and a profile of a hundred bins."""

    inputs: ClassVar = (
        Parameter("seconds", "s", "how long a replica sleeps", 0.0, 3600.0),
        *(Parameter(name, "", "nothing", 0.0, 1.0) for name in ("a", "b", "c", "d")),
    )
    coordinates: ClassVar = (Coordinate("z", "", "a place", {"1": tuple(k / BINS for k in range(BINS + 1))}),)
    outputs: ClassVar = (
        *(Output(name, "", "an input again") for name in ("u", "v", "w")),
        Output("profile", "", "a flat line", coordinate="z"),
    )

    def work(self, inputs):
        return inputs["seconds"] + 1e-3

    def run(self, inputs, seeds, *, threads=1, progress=None):
        n = len(inputs)
        time.sleep(float(inputs[:, 0].sum()))
        mean = {name: inputs[:, k + 1].copy() for k, name in enumerate(("u", "v", "w"))}
        mean["profile"] = np.repeat(inputs[:, 1:2], BINS, axis=1)
        stderr = {name: np.full_like(values, 1e-3) for name, values in mean.items()}
        edges = np.broadcast_to(np.linspace(0.0, 1.0, BINS + 1), (n, BINS + 1))
        return Observations(mean, stderr, {"z": edges}, inputs[:, 0].copy(), np.zeros(n))


class Nothing(Surrogate):
    """A surrogate that is never fitted: it would need more data than there are."""

    predictor: ClassVar[type[Predictor]] = Predictor
    needed: ClassVar[int] = 10**9

    def fit(self, x, y, y_err=None, *, signature, seed, ids=None):
        raise NotImplementedError


def managers(port: int, certificates: str, count: int, workers: int, beats: int) -> None:
    """Play that many managers to the interchange: register, send heartbeats, answer every task at once.

    The processor time of the interchange is what is wanted; nothing that these do counts.
    """
    import platform

    import zmq
    from parsl import curvezmq
    from parsl.serialize import serialize
    from parsl.version import VERSION

    context = curvezmq.ClientContext(certificates)
    context._ctx.set(zmq.MAX_SOCKETS, 2 * count + 16)
    answer = serialize({"task": 1, "scalars": {name: [[0.5], [0.1]] for name in "uvw"}})
    sockets = []
    for k in range(count):
        socket = context.socket(zmq.DEALER)
        socket.setsockopt(zmq.IDENTITY, f"manager-{k}".encode())
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(f"tcp://127.0.0.1:{port}")
        about = {
            "type": "registration", "parsl_v": VERSION, "python_v": platform.python_version(), "packages": {},
            "worker_count": workers, "uid": f"manager-{k}", "block_id": str(k), "start_time": time.time(),
            "drain_time": float("inf"), "prefetch_capacity": workers, "max_capacity": 2 * workers,
            "os": "", "hostname": f"node-{k}", "dir": "", "cpu_count": 1, "total_memory": 1,
        }  # fmt: skip
        socket.send(pickle.dumps(about))
        sockets.append(socket)
    beat = pickle.dumps({"type": "heartbeat"})
    if beats:
        sys.stdin.readline()  # when all are registered
        for k in range(beats):
            sockets[k % count].send(beat)
        for k in range(beats):
            sockets[k % count].recv()
        print("beaten", flush=True)
    while True:
        quiet = True
        for socket in sockets:
            try:
                tasks = pickle.loads(socket.recv(zmq.NOBLOCK))
            except zmq.Again:
                continue
            quiet = False
            for task in tasks if isinstance(tasks, list) else []:
                socket.send(pickle.dumps({"type": "result", "task_id": task["task_id"], "result": answer}))
        if quiet:
            time.sleep(0.0005)


if __name__ == "__main__":
    managers(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
