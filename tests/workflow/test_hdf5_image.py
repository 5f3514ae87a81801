"""Files that are copied from a mould are those that the HDF5 library makes."""

import io

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import workflow.hdf5_image
from workflow.hdf5_image import Part, dataset, image

KINDS = st.sampled_from([np.float64, np.float32, np.int64, np.uint64, np.int32, np.bool_])
VALUES = KINDS.flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(max_dims=3, max_side=4, min_side=0))
)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=600)


def contents(made):
    """All that is in a file, and the attributes of all that is."""
    found = {}

    def visit(name, place):
        attributes = {key: np.asarray(value).tolist() for key, value in place.attrs.items()}
        values = None
        if isinstance(place, h5py.Dataset):
            values = (place.dtype, place.shape, place[()].tobytes())
        found[name] = (attributes, values)

    with h5py.File(io.BytesIO(bytes(made)), "r") as file:
        visit("/", file)
        file.visititems(visit)
    return found


@given(st.lists(VALUES, min_size=1, max_size=5), TEXTS, TEXTS)
def test_what_is_put_in_is_read_whether_the_form_is_new_or_not(values, first, second):
    for text in (first, second):
        parts = [
            Part("/", (("format", 1),)),
            *(
                dataset(f"group/{k}", array if text is first else array[::-1], units="nm", names=("a", "b"))
                for k, array in enumerate(values)
            ),
        ]
        found = contents(image(parts, "task", text))
        assert found["/"][0]["task"].rstrip(" ") == text.rstrip(" ")
        assert found["/"][0]["format"] == 1
        for part in parts[1:]:
            attributes, (kind, shape, data) = found[part.name]
            assert attributes == {"units": "nm", "names": ["a", "b"]}
            assert (kind, shape, data) == (part.values.dtype, part.values.shape, part.values.tobytes())


def test_the_library_is_asked_once_for_each_form(monkeypatch):
    asked = []
    made = workflow.hdf5_image._made
    monkeypatch.setattr(workflow.hdf5_image, "_made", lambda *a: asked.append(1) or made(*a))
    for k in range(5):
        image([dataset("once/x", np.full(3, float(k)))], "task", f"task {k}")
    assert len(asked) == 1
    image([dataset("once/x", np.zeros(4))], "task", "another form")
    assert len(asked) == 2


def test_a_long_text_keeps_its_length_and_its_letters():
    text = "ångström " * 20_000
    for k in range(2):
        found = contents(image([dataset("x", np.zeros(3))], "task", f"{k}{text}"))
        assert found["/"][0]["task"].rstrip() == f"{k}{text}".rstrip()


@pytest.mark.parametrize("values", [np.zeros(200_000), np.array([b"one", b"two"])])
def test_what_has_no_mould_is_made_all_the_same(values):
    found = contents(image([dataset("x", values)], "task", "large or not numbers"))
    assert found["x"][1] == (values.dtype, values.shape, values.tobytes())
