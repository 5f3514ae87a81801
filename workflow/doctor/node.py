"""What a node of a job sees, as a line of JSON: ``python -m workflow.doctor.node FOLDER TOKEN GPUS LOCK``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from workflow.doctor.other import taken
from workflow.preflight import look


def main(folder: str, token: str, gpus: str, lock: str) -> None:
    """Look, and try for the lock that the doctor holds."""
    seen = look({"folder": folder, "token": token, "gpus_per_node": int(gpus)})
    seen["lock"] = None
    if seen["sees_folder"]:
        handle, seen["lock"] = taken(Path(lock))
        if handle >= 0:
            os.close(handle)
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
