import json
import math

import numpy as np
import pytest

from workflow.words import duration, listed, plain_data, suggestion


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (3.21e-6, "3.21 µs"),
        (0.0123, "12.3 ms"),
        (1.234, "1.23 s"),
        (99.94, "99.9 s"),
        (250, "4 min 10 s"),
        (3599.7, "1 h 0 min"),
        (7860, "2 h 11 min"),
        (47 * 3600 + 3599, "2 d 0 h"),
        (100 * 3600, "4 d 4 h"),
    ],
)
def test_durations_as_people_say_them(seconds, words):
    assert duration(seconds) == words


def test_what_was_meant_or_what_there_is():
    assert suggestion("mlp-ensembel", ["mlp_ensemble", "grid"]) == "did you mean `mlp_ensemble`?"
    assert suggestion("zzz", ["a", "b"]) == "known: a, b"
    assert suggestion("zzz", []) == "known: none"


def test_plain_data_is_json():
    given = {
        1: (math.nan, 2.5),
        "a": np.array([[1.0, np.inf]]),
        "n": np.int64(3),
        "none": None,
        "word": "x",
    }
    plain = {"1": [None, 2.5], "a": [[1.0, None]], "n": 3, "none": None, "word": "x"}
    assert plain_data(given) == plain
    assert json.loads(json.dumps(plain_data(given), allow_nan=False)) == plain


def test_lists_in_words():
    assert [listed(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        *("nothing", "a", "a and b", "a, b and c")
    ]
    assert listed([1, 2, 3], 3) == "1, 2 and 3"
    assert listed(range(2000), 2) == "0, 1 and 1,998 more"
