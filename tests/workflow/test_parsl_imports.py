"""Parsl is imported by several threads of a controller: its pools, and what cancels jobs that are left."""

from __future__ import annotations

import subprocess
import sys

AT_ONCE = """
import sys, threading
from pathlib import Path
from workflow.parsl_executor import batch_executor, batch_script
from workflow.resources import Slurm

sys.setswitchinterval(1e-6)
problems = []

def run(function, *arguments):
    try:
        function(*arguments)
    except ImportError as error:
        problems.append(error)

starts = [(batch_script, Slurm(), "a"), (batch_executor, Slurm(), Path(sys.argv[1]), "b", (3, 12))] * 2
threads = [threading.Thread(target=run, args=start) for start in starts]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit(str(problems) if problems else 0)
"""


def test_several_threads_import_parsl_at_once(tmp_path):
    done = subprocess.run([sys.executable, "-c", AT_ONCE, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
