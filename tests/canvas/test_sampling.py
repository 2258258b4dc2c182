from __future__ import annotations

import random

import pytest

from spicetrio.canvas import sampling
from spicetrio.canvas.sampling import IDENTITY, NONE, NORMAL, ONE, PAD, REFLECT
from tests.kernels import uncompiled

MODULES = pytest.mark.parametrize("module", [sampling, uncompiled("canvas.sampling")], ids=["in use", "uncompiled"])
PIXELS = [bytes([i, 2 * i, 3 * i, 9]) for i in range(1, 4)]
ROW = b"".join(PIXELS)
NOTHING = bytes(4)


def row(module, x: int, w: int, step: int, repeat: int, *, smooth: bool = False, opaque: bool = False) -> list[bytes]:
    """Pixels looked up in three of them."""
    data = module.sample(ROW, 0, 12, 3, 1, opaque, x, 0, w, 1, (step, 0, 0, 0, ONE, 0), repeat, smooth)
    return [bytes(data[at : at + 4]) for at in range(0, len(data), 4)]


@MODULES
@pytest.mark.parametrize(
    ("repeat", "expected"),
    [
        (NONE, [None, None, 0, 1, 2, None, None]),
        (NORMAL, [1, 2, 0, 1, 2, 0, 1]),
        (PAD, [0, 0, 0, 1, 2, 2, 2]),
        (REFLECT, [1, 0, 0, 1, 2, 2, 1]),
    ],
)
def test_what_is_seen_beyond_an_image(module, repeat: int, expected: list[int | None]) -> None:
    pixels = [NOTHING if index is None else PIXELS[index] for index in expected]
    assert row(module, -2, 7, ONE, repeat) == pixels
    assert row(module, -2, 7, ONE, repeat, smooth=True) == pixels


@MODULES
def test_the_nearest_pixel_is_taken_by_centers(module) -> None:
    assert row(module, 0, 6, ONE // 2, PAD) == [PIXELS[i // 2] for i in range(6)]
    assert row(module, 0, 1, 3 * ONE, PAD) == [PIXELS[1]]
    assert row(module, 0, 3, -ONE, NORMAL) == [PIXELS[i] for i in (2, 1, 0)]


@MODULES
def test_neighbors_are_mixed_by_how_near_they_are(module) -> None:
    mixed = row(module, 0, 6, ONE // 2, PAD, smooth=True)
    assert [pixel[2] for pixel in mixed] == [3, 3, 5, 6, 8, 9]  # 3, 3.75, 5.25, 6.75, 8.25, 9
    assert {pixel[3] for pixel in mixed} == {9}


@MODULES
def test_what_is_opaque_gets_alpha_within_the_image(module) -> None:
    assert [pixel[3] for pixel in row(module, -1, 5, ONE, NONE, opaque=True)] == [0, 255, 255, 255, 0]


@MODULES
def test_images_are_turned(module) -> None:
    data = random.Random(1).randbytes(4 * 3 * 2)
    turned = module.sample(data, 0, 12, 3, 2, False, 0, 0, 2, 3, (0, ONE, 0, ONE, 0, 0), NONE, False)
    expected = b"".join(data[12 * x + 4 * y :][:4] for y in range(3) for x in range(2))
    assert turned == expected


@MODULES
@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"w": 0}, "to 0 x 1"),
        ({"repeat": 4}, "repeat 4"),
        ({"matrix": (1 << 32, 0, 0, 0, 1, 0)}, "numbers of 32 bits"),
        ({"x": 1 << 17}, "at most 65536"),
        ({"src_h": 2}, "image has 2 rows"),
        ({"offset": 1}, "image has 1 rows"),
    ],
)
def test_what_cannot_be_looked_up_is_refused(module, change: dict[str, object], complaint: str) -> None:
    fields = {
        "src": ROW, "offset": 0, "stride": 12, "src_w": 3, "src_h": 1, "opaque": False,
        "x": 0, "y": 0, "w": 1, "h": 1, "matrix": IDENTITY, "repeat": NONE, "smooth": False,
    }  # fmt: skip
    assert module.sample(**fields) == PIXELS[0]
    with pytest.raises(ValueError, match=complaint):
        module.sample(**(fields | change))
