from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicetrio.canvas import span
from tests.kernels import uncompiled

pure = uncompiled("canvas.span")

MODULES = pytest.mark.parametrize("module", [span, pure], ids=["in use", "uncompiled"])


@st.composite
def views(draw):
    """Draw an array that lies in memory in some way, and is not empty."""
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)))
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    if draw(st.booleans()):
        array = array.transpose(draw(st.permutations((0, 1, 2))))
    array = array[tuple(draw(st.slices(size).filter(lambda cut, size=size: range(size)[cut])) for size in array.shape)]
    if draw(st.booleans()):
        array = array[:, :, 0]
        if draw(st.booleans()):
            array = array.astype("<u2", order="K")[:: draw(st.sampled_from([-1, 1])), :: draw(st.sampled_from([-2, 1]))]
    return array


@MODULES
@given(view=views())
def test_the_rows_are_those_of_the_array(module, view):
    data, stride = module.flat_rows(memoryview(view))
    rows, row = view.shape[0], view.nbytes // view.shape[0]
    assert data.nbytes == stride * (rows - 1) + row
    assert b"".join(data[at : at + row] for at in range(0, stride * rows, stride)) == view.tobytes()
    assert data.format == "B"
    assert data.readonly


def test_what_is_in_order_is_not_copied_if_compiled():
    array = np.zeros((6, 5, 3), np.uint8)
    data, stride = span.flat_rows(memoryview(array[::2, 1:4]))
    array[4, 3, 2] = 9
    assert stride == (30 if span.COMPILED else 9)
    assert data[-1] == (9 if span.COMPILED else 0)
