from __future__ import annotations

import random

import lz4.block
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicetrio.codecs import lz4 as spice_lz4


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 3), (64, 64), (300, 2)])
@pytest.mark.parametrize(("gap", "offset"), [(0, 0), (0, 5), (4, 0), (33, 8)])
@pytest.mark.parametrize("top_down", [True, False])
def test_pictures_come_back(width, height, gap, offset, top_down):
    stride = 4 * width + gap
    buffer = random.Random(width).randbytes(7) * (offset + stride * height)
    payload = spice_lz4.encode(
        buffer, width=width, height=height, stride=stride, offset=offset, bitmap_format=9, top_down=top_down
    )
    rows = b"".join(buffer[offset + y * stride :][: 4 * width] for y in range(height))
    assert spice_lz4.decode(payload, len(rows)) == spice_lz4.Decoded(top_down, 9, rows)


def test_layout():
    payload = spice_lz4.encode(bytes(4000), width=100, height=10, stride=400)
    assert payload[:2] == bytes([1, spice_lz4.BITMAP_32BIT])
    assert int.from_bytes(payload[2:6], "big") == len(payload) - 6
    assert lz4.block.decompress(payload[6:], uncompressed_size=4000) == bytes(4000)


def test_blocks_look_back_into_those_before():
    first, second = random.Random(1).randbytes(3000), random.Random(2).randbytes(100)
    one = lz4.block.compress(first, store_size=False)
    two = lz4.block.compress(first[500:] + second, dict=first, store_size=False)
    assert len(two) < 300
    payload = b"\1\x08" + len(one).to_bytes(4, "big") + one + len(two).to_bytes(4, "big") + two
    assert spice_lz4.decode(payload, 5600).pixels == first + first[500:] + second


def test_limit_is_the_first_size_too_large():
    size = {"width": 20, "height": 20, "stride": 80}
    payload = spice_lz4.encode(bytes(1600), **size)
    assert spice_lz4.encode(bytes(1600), **size, limit=len(payload)) is None
    assert spice_lz4.encode(bytes(1600), **size, limit=len(payload) + 1) == payload


@pytest.mark.parametrize(
    "changes", [{"width": 0}, {"height": 0}, {"stride": 39}, {"offset": 1}, {"offset": -1}, {"height": 11}]
)
def test_refuses_bounds(changes):
    with pytest.raises(ValueError, match=r"expected|but the buffer has"):
        spice_lz4.encode(bytes(400), **({"width": 10, "height": 10, "stride": 40} | changes))


@given(st.binary(max_size=60), st.integers(-1, 3000))
def test_garbage_raises_value_error(data, size):
    try:
        decoded = spice_lz4.decode(data, size)
    except ValueError:
        return
    assert len(decoded.pixels) == size


@given(st.integers(0, 2**32))
def test_damaged_pictures_raise_value_error(seed):
    chance = random.Random(seed)
    pixels = chance.randbytes(5) * 80
    payload = bytearray(spice_lz4.encode(pixels, width=10, height=10, stride=40))
    for _ in range(3):
        payload[chance.randrange(len(payload))] = chance.randrange(256)
    try:
        decoded = spice_lz4.decode(payload[: chance.randint(0, len(payload))], 400)
    except ValueError:
        return
    assert len(decoded.pixels) == 400
