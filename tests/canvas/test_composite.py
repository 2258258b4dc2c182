from __future__ import annotations

from itertools import product

import pytest

from spicetrio.canvas import composite
from tests.kernels import uncompiled

MODULES = pytest.mark.parametrize("module", [composite, uncompiled("canvas.composite")], ids=["in use", "uncompiled"])
ALPHAS = (0, 60, 200, 255)
PIXELS = [bytes([a * 2 // 5, a, a // 7, a]) for a in ALPHAS] + [bytes([a // 3, a // 4, a * 9 // 10, a]) for a in ALPHAS]
PAIRS = list(product(PIXELS, PIXELS))
SOURCES, BELOW = (b"".join(pixels) for pixels in zip(*PAIRS, strict=True))


def laid(module, operator: int, **mask: object) -> list[bytes]:
    """Every pixel over every pixel."""
    width = len(PAIRS)
    result = bytearray(BELOW)
    module.composite(operator, result, 0, 4 * width, False, width, 1, SOURCES, 0, 4 * width, False, **mask)
    return [bytes(result[at : at + 4]) for at in range(0, len(result), 4)]


@MODULES
@pytest.mark.parametrize("operator", composite.OPERATORS)
def test_both_count_as_much_as_the_operator_says(module, operator: int) -> None:
    for (source, below), result in zip(PAIRS, laid(module, operator), strict=True):
        s_alpha, d_alpha = source[3] / 255, below[3] / 255
        shares = [{0: 0, 1: 1, 2: alpha, 3: 1 - alpha} for alpha in (d_alpha, s_alpha)]
        if operator == composite.SATURATE:
            s_share, d_share = min(1, (1 - d_alpha) / s_alpha) if s_alpha else 1, 1
        else:
            s_kind, d_kind = composite.FACTORS[operator]
            s_share, d_share = shares[0][s_kind], shares[1][d_kind]
        for s, d, value in zip(source, below, result, strict=True):
            assert abs(value - min(255, s * s_share + d * d_share)) <= 1


@MODULES
def test_masks_weigh_the_source(module) -> None:
    white, black = b"\xff" * 8, bytearray(b"\0\0\0\xff" * 2)
    module.composite(3, black, 0, 8, True, 2, 1, white, 0, 8, False, b"\x40\xc0")
    assert black == b"\x40\x40\x40\0\xc0\xc0\xc0\0"
    module.composite(1, black, 0, 8, False, 2, 1, white, 0, 8, False, bytes(range(8)), mask_depth=4, by_component=True)
    assert black == bytes(range(8))


@pytest.mark.parametrize("operator", composite.OPERATORS)
def test_compiled_and_uncompiled_are_the_same(operator: int) -> None:
    pure = uncompiled("canvas.composite")
    mask = {"mask": bytes(range(0, 256, 2)), "mask_depth": 2}
    assert laid(composite, operator) == laid(pure, operator)
    assert laid(composite, operator, **mask) == laid(pure, operator, **mask)
    whole = {"mask": bytes(reversed(SOURCES)), "mask_depth": 4, "by_component": True}
    assert laid(composite, operator, **whole) == laid(pure, operator, **whole)


@MODULES
@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"operator": 14}, "operator 0xe"),
        ({"mask_depth": 0}, "mask_depth is 0"),
        ({"dst_stride": 5}, "destination has 2 rows of 4 bytes, 5 apart"),
        ({"src_offset": 5}, "source"),
        ({"mask": b"\xff", "mask_stride": 1}, "mask has 2 rows of 1 bytes"),
        ({"mask": b"\xff", "by_component": True}, "mask has 2 rows of 4 bytes"),
    ],
)
def test_what_is_not_all_there_is_refused(module, change: dict[str, object], complaint: str) -> None:
    fields = {
        "operator": 3, "dst": bytearray(8), "dst_offset": 0, "dst_stride": 4, "dst_opaque": True, "w": 1, "h": 2,
        "src": bytes(8), "src_offset": 0, "src_stride": 4, "src_opaque": True,
    }  # fmt: skip
    module.composite(**fields)
    with pytest.raises(ValueError, match=complaint):
        module.composite(**(fields | change))
