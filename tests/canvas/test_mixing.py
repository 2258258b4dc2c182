from __future__ import annotations

import colorsys
from collections.abc import Callable
from itertools import product
from math import sqrt

import pytest

from spicetrio.canvas import mixing
from tests.kernels import uncompiled

MODULES = pytest.mark.parametrize("module", [mixing, uncompiled("canvas.mixing")], ids=["in use", "uncompiled"])
ALPHAS = (0, 60, 200, 255)
PIXELS = [bytes([a * 2 // 5, a, a // 7, a]) for a in ALPHAS] + [bytes([a // 3, a // 4, a * 9 // 10, a]) for a in ALPHAS]
PAIRS = list(product(PIXELS, PIXELS))
SOURCES, BELOW = (b"".join(pixels) for pixels in zip(*PAIRS, strict=True))


def laid(module, operator: int, **mask: object) -> list[bytes]:
    """Every pixel over every pixel."""
    width = len(PAIRS)
    result = bytearray(BELOW)
    module.mix(operator, result, 0, 4 * width, False, width, 1, SOURCES, 0, 4 * width, False, **mask)
    return [bytes(result[at : at + 4]) for at in range(0, len(result), 4)]


def dodge(s: float, d: float) -> float:
    return 0 if d == 0 else 1 if s >= 1 else min(1, d / (1 - s))


def burn(s: float, d: float) -> float:
    return 1 if d >= 1 else 0 if s <= 0 else 1 - min(1, (1 - d) / s)


def hard(s: float, d: float) -> float:
    return 2 * s * d if s <= 0.5 else 1 - 2 * (1 - s) * (1 - d)


def soft(s: float, d: float) -> float:
    if s <= 0.5:
        return d - (1 - 2 * s) * d * (1 - d)
    return d + (2 * s - 1) * ((((16 * d - 12) * d + 4) * d if d <= 0.25 else sqrt(d)) - d)


BLENDS: dict[int, Callable[[float, float], float]] = {
    0x30: lambda s, d: s * d,
    0x31: lambda s, d: s + d - s * d,
    0x32: lambda s, d: hard(d, s),
    0x33: min,
    0x34: max,
    0x35: dodge,
    0x36: burn,
    0x37: hard,
    0x38: soft,
    0x39: lambda s, d: abs(s - d),
    0x3A: lambda s, d: s + d - 2 * s * d,
}
"""What becomes of two colors in the standard of PDF, section 11.3.5."""


@MODULES
@pytest.mark.parametrize("operator", list(BLENDS))
def test_colors_are_mixed_as_the_standard_has_it(module, operator: int) -> None:
    for (source, below), result in zip(PAIRS, laid(module, operator), strict=True):
        s_alpha, d_alpha = source[3] / 255, below[3] / 255
        assert result[3] == round(255 * (s_alpha + d_alpha - s_alpha * d_alpha))
        for s, d, value in zip(source[:3], below[:3], result, strict=False):
            mixed = 0.0
            if s_alpha and d_alpha:
                mixed = s_alpha * d_alpha * BLENDS[operator](s / 255 / s_alpha, d / 255 / d_alpha)
            expected = (1 - s_alpha) * d / 255 + (1 - d_alpha) * s / 255 + mixed
            assert abs(value - 255 * expected) < 3


@MODULES
def test_light_and_hue_come_from_the_one_or_the_other(module) -> None:
    def light(pixel: bytes) -> float:
        return 0.11 * pixel[0] + 0.59 * pixel[1] + 0.3 * pixel[2]

    def hue(pixel: bytes) -> float:
        return colorsys.rgb_to_hls(*(value / 255 for value in pixel[2::-1]))[0]

    red, teal = bytes([60, 70, 190, 255]), bytes([150, 120, 70, 255])
    results = {}
    for operator in range(0x3B, 0x3F):
        result = bytearray(teal)
        module.mix(operator, result, 0, 4, False, 1, 1, red, 0, 4, False)
        results[operator] = bytes(result)
        assert result[3] == 255
    for operator, (lit, colored) in {
        0x3B: (teal, red),
        0x3D: (teal, red),
        0x3C: (teal, teal),
        0x3E: (red, teal),
    }.items():
        assert abs(light(results[operator]) - light(lit)) < 2
        assert abs(hue(results[operator]) - hue(colored)) < 0.02
    spread = [max(results[operator][:3]) - min(results[operator][:3]) for operator in (0x3B, 0x3C)]
    assert abs(spread[0] - 80) < 3
    assert abs(spread[1] - 130) < 3


@MODULES
@pytest.mark.parametrize("operator", range(0x30, 0x3F))
def test_where_one_is_nothing_the_other_stays(module, operator: int) -> None:
    for (source, below), result in zip(PAIRS, laid(module, operator), strict=True):
        if source[3] == 0:
            assert result == below
        if below[3] == 0:
            assert result == source


@pytest.mark.parametrize("operator", mixing.OPERATORS)
def test_compiled_and_uncompiled_are_the_same(operator: int) -> None:
    pure = uncompiled("canvas.mixing")
    mask = {"mask": bytes(range(0, 256, 2)), "mask_depth": 2}
    assert laid(mixing, operator) == laid(pure, operator)
    assert laid(mixing, operator, **mask) == laid(pure, operator, **mask)
    if operator < mixing.HUE:
        assert laid(mixing, operator, **mask, by_component=False) == laid(pure, operator, **mask)
        whole = {"mask": bytes(reversed(SOURCES)), "mask_depth": 4, "by_component": True}
        assert laid(mixing, operator, **whole) == laid(pure, operator, **whole)


@MODULES
@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"operator": 14}, "operator 0xe, expected 0x30 to 0x3e, less than 0x3b by component"),
        ({"operator": 0x3C, "by_component": True}, "operator 0x3c"),
        ({"dst_stride": 5}, "destination has 2 rows of 4 bytes, 5 apart"),
        ({"src_offset": 5}, "source"),
        ({"mask_depth": 0}, "mask_depth is 0"),
        ({"mask": b"\xff", "mask_stride": 1}, "mask has 2 rows of 1 bytes"),
        ({"mask": b"\xff", "by_component": True}, "mask has 2 rows of 4 bytes"),
    ],
)
def test_what_is_not_all_there_is_refused(module, change: dict[str, object], complaint: str) -> None:
    fields = {
        "operator": 0x30, "dst": bytearray(8), "dst_offset": 0, "dst_stride": 4, "dst_opaque": True, "w": 1, "h": 2,
        "src": bytes(8), "src_offset": 0, "src_stride": 4, "src_opaque": True,
    }  # fmt: skip
    module.mix(**fields)
    with pytest.raises(ValueError, match=complaint):
        module.mix(**(fields | change))
