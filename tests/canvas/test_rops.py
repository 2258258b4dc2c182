from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spicetrio.canvas import rops
from tests.kernels import uncompiled

MODULES = pytest.mark.parametrize("module", [rops, uncompiled("canvas.rops")], ids=["in use", "uncompiled"])


def combined(code: int, brush: int, source: int, old: int) -> int:
    """Eight bits, one by one."""
    bits = ((code >> ((brush >> i & 1) << 2 | (source >> i & 1) << 1 | old >> i & 1) & 1) << i for i in range(8))
    return sum(bits)


@MODULES
@given(
    code=st.integers(0, 255), depth=st.sampled_from([1, 2, 4]), has_x=st.booleans(), covered=st.booleans(),
    w=st.integers(0, 9), h=st.integers(0, 5), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_every_code_on_every_depth(
    module, code: int, depth: int, has_x: bool, covered: bool, w: int, h: int, seed: int
) -> None:
    noise = random.Random(seed)
    stride = depth * w + 3
    dst = bytearray(noise.randbytes(stride * h + 5))
    brush, source = noise.randbytes(depth * w + 1), noise.randbytes(stride * h)
    cover = bytes(noise.choice((0, 1, 255)) for _ in range(w * h)) if covered else None
    expected = bytearray(dst)
    for y in range(h):
        for x in range(depth * w):
            at = 5 + y * stride + x
            if cover is None or cover[y * w + x // depth]:
                # The brush is one row for all, the source's rows go up.
                value = combined(code, brush[1 + x], source[(h - 1 - y) * stride + x], dst[at])
                expected[at] = 0 if depth == 4 and has_x and x % 4 == 3 else value
    module.rop3(
        code, depth, has_x, dst, 5, stride, w, h, brush, 1, 0, source, max(0, h - 1) * stride, -stride, cover, 0, w
    )
    assert dst == expected


@MODULES
@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"code": 256}, "code 0x100"),
        ({"depth": 3}, "depth 3"),
        ({"w": -1}, "-1 x 2"),
        ({"dst_stride": 9}, "destination has 2 rows of 8 bytes, 9 apart"),
        ({"dst_offset": 1}, "destination"),
        ({"brush_stride": -1}, "brush"),
        ({"src_stride": -8}, "source"),
        ({"cover": bytes(3), "cover_stride": 2}, "cover"),
        ({"dst": bytes(16)}, "read-only"),
    ],
)
def test_what_is_not_all_there_is_refused(module, change: dict[str, object], complaint: str) -> None:
    fields = {
        "code": 0,
        "depth": 4,
        "has_x": True,
        "dst": bytearray(16),
        "dst_offset": 0,
        "dst_stride": 8,
        "w": 2,
        "h": 2,
    }
    for name in ("brush", "src"):
        fields |= {name: bytes(8), f"{name}_offset": 0, f"{name}_stride": 0}
    module.rop3(**fields)
    with pytest.raises(ValueError, match=complaint):
        module.rop3(**(fields | change))
