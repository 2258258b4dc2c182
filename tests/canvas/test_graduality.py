from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spicetrio.canvas import graduality
from tests.kernels import uncompiled

pure = uncompiled("canvas.graduality")

MODULES = pytest.mark.parametrize("module", [graduality, pure], ids=["in use", "uncompiled"])


def level(module, *arguments):
    return module.graduality(*arguments).value


def surface(width, height, color):
    """Make rows whose pixels are `color(x, y)`: blue, green, red; x bytes are noise."""
    chance = random.Random(1)
    return bytearray(
        byte for y in range(height) for x in range(width) for byte in (*color(x, y), chance.randrange(256))
    )


def naive(pixels, stride, x, y, w, h):
    """Judge as the rule is written down, with fractions."""
    if w <= 1 or h <= 1:
        return "low"

    def pixel(at):
        row, column = divmod(at, w)
        start = (y + row) * stride + 4 * (x + column)
        return pixels[start : start + 3]

    total, samples, at = 0.0, 0, w // 2
    while at < w * (h - 1):
        if at % w == w - 1:
            at -= 1
        pairs = [(pixel(at), pixel(other)) for other in (at + 1, at + w, at + w + 1)]
        if any(one != other for one, other in pairs):
            for one, other in pairs:
                far = any(abs(a - b) >= 60 for a, b in zip(one, other, strict=True))
                total += 0.5 if one == other else 1.0 if far else -0.25
        samples += 1
        at += 15 if w % 15 else 14
    average = total / (3 * samples)
    return "high" if average < -0.03 else "medium" if average < 0.002 else "low"


@given(
    width=st.integers(1, 70), height=st.integers(1, 30), gap=st.sampled_from([0, 4, 13]), x=st.integers(0, 5),
    y=st.integers(0, 3), spread=st.sampled_from([0, 1, 8, 59, 60, 61, 255]), share=st.sampled_from([0, 0.02, 0.3, 1]),
    seed=st.integers(0, 1 << 20),
)  # fmt: skip
@settings(max_examples=300)
def test_it_is_what_the_rule_says(width, height, gap, x, y, spread, share, seed):
    chance = random.Random(seed)
    stride = 4 * (x + width) + gap
    pixels = bytearray(stride * (y + height))
    for at in range(len(pixels)):
        if chance.random() < share:
            pixels[at] = chance.randint(0, spread)
    area = (pixels, stride, x, y, width, height)
    assert level(graduality, *area) == level(pure, *area) == naive(*area)


@MODULES
def test_a_photograph_is_gradual_and_text_is_not(module):
    chance = random.Random(2)
    photograph = surface(200, 100, lambda x, y: [(x + y + chance.randint(0, 9) + k) % 256 for k in (0, 5, 9)])
    page = surface(200, 100, lambda x, y: (20,) * 3 if (x * 7 + y * 3) % 11 < 3 else (250,) * 3)
    assert level(module, photograph, 800, 0, 0, 200, 100) == "high"
    assert level(module, page, 800, 0, 0, 200, 100) == "low"


@MODULES
def test_one_color_is_medium(module):
    """Squares of one color score nothing, and nothing is just under the limit."""
    assert level(module, bytes(4 * 100 * 100), 400, 0, 0, 100, 100) == "medium"


@MODULES
@pytest.mark.parametrize("area", [(1, 9), (9, 1), (1, 1), (0, 0), (0, 5), (5, 0)])
def test_a_line_of_pixels_is_never_gradual(module, area):
    assert level(module, bytes(4 * 100), 40, 0, 0, *area) == "low"


@MODULES
@pytest.mark.parametrize(
    ("difference", "judged"), [(1, "high"), (59, "high"), (60, "low"), (-1, "high"), (-59, "high"), (-60, "low")]
)
def test_a_contrast_begins_at_60(module, difference, judged):
    pixels = surface(40, 40, lambda x, y: (100, 100 + difference * (y & 1), 100 + difference * (x & 1)))
    assert naive(pixels, 160, 0, 0, 40, 40) == judged
    assert level(module, pixels, 160, 0, 0, 40, 40) == judged


@MODULES
@pytest.mark.parametrize(
    ("x", "y", "w", "h", "stride"),
    [(-1, 0, 2, 2, 40), (0, -1, 2, 2, 40), (0, 0, -2, 2, 40), (9, 0, 2, 2, 40), (0, 9, 2, 2, 40), (0, 0, 10, 10, 39),
     (0, 0, 1 << 70, 1, 1 << 72)],
)  # fmt: skip
def test_refuses_rectangles_outside(module, x, y, w, h, stride):
    with pytest.raises(ValueError, match=r"expected|but the buffer has"):
        module.graduality(bytes(400), stride, x, y, w, h)
