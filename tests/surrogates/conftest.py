from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import surrogates
from surrogates import Model
from surrogates.contract import find

sys.path.insert(0, str(Path(__file__).parent))

import slit_like  # beside this file, found by the line above

KINDS = sorted(path.stem for path in Path(surrogates.__file__).parent.glob("*.py") if path.stem != "__init__")

TRAINING, HELD_OUT = 120, 200
"""More held-out rows than a campaign would have, so that scores are sharp."""


@pytest.fixture(scope="session", params=KINDS)
def model(request: pytest.FixtureRequest) -> Model:
    """A fitted model of every kind."""
    x, y, err = slit_like.data(TRAINING, seed=3)
    recipe = find(request.param)()
    return recipe.fit(x, y, err, signature=slit_like.SIGNATURE, seed=5, ids=np.arange(1000, 1000 + TRAINING))
