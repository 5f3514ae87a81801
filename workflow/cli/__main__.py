"""``python -m workflow.cli`` is ``mlaround``."""

from workflow.cli import main

main()
