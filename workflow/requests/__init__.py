"""What users ask of a run while it goes on: checked, said in words, left as files, carried out.

`ask` leaves a request in the run folder's ``control/``; the controller takes it within a second, acts, and
writes an event `action` that says what became of it. `consequence` is the sentence to show before.
"""

from workflow.requests.arguments import VERBS, RequestError, parse, point
from workflow.requests.asking import Request, ask, outcome
from workflow.requests.consequence import Consequence, consequence

__all__ = [
    "VERBS",
    "Consequence",
    "Request",
    "RequestError",
    "ask",
    "consequence",
    "outcome",
    "parse",
    "point",
]
