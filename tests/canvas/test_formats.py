from __future__ import annotations

import random

import pytest

from spicetrio.canvas import formats
from tests.kernels import uncompiled

MODULES = pytest.mark.parametrize("module", [formats, uncompiled("canvas.formats")], ids=["in use", "uncompiled"])
COLORS = b"".join(bytes([i, 0, 255 - i, 7]) for i in range(256))


@MODULES
@pytest.mark.parametrize(
    ("layout", "data", "expected"),
    [
        ("P1LE", b"\x06", [0, 1, 1, 0]),
        ("P1BE", b"\x60", [0, 1, 1, 0]),
        ("P4LE", b"\x21\x43", [1, 2, 3, 4]),
        ("P4BE", b"\x12\x34", [1, 2, 3, 4]),
        ("P8", bytes([9, 8, 7, 255]), [9, 8, 7, 255]),
    ],
)
def test_indexes_become_the_colors_of_the_palette(module, layout: str, data: bytes, expected: list[int]) -> None:
    assert module.unpack(data, 0, len(data), 4, 1, layout, COLORS) == b"".join(
        COLORS[4 * i : 4 * i + 4] for i in expected
    )
    assert module.highest_index(data, 0, len(data), 4, 1, layout) == max(expected)


@MODULES
@pytest.mark.parametrize(
    ("layout", "data", "expected"),
    [
        ("555", b"\x00\x80\xff\x7f\x1f\x00\x00\x7c\x21\x84", "00000000 ffffff00 ff000000 0000ff00 08080800"),
        ("565", b"\x00\x00\xff\xff\x1f\x00\xe0\x07\x21\x84", "00000000 ffffff00 ff000000 00ff0000 08868400"),
        ("BGR", bytes(range(6)), "00010200 03040500"),
        ("A8", b"\x00\x80\xff", "00000000 00000080 000000ff"),
    ],
)  # fmt: skip
def test_low_bits_are_filled_with_high_ones(module, layout: str, data: bytes, expected: str) -> None:
    width = len(data) * 8 // formats.BITS[layout]
    assert module.unpack(data, 0, len(data), width, 1, layout) == bytes.fromhex(expected)


@MODULES
@pytest.mark.parametrize("layout", list(formats.PACKED))
def test_what_is_packed_again_is_as_it_was(module, layout: str) -> None:
    size = formats.PACKED[layout]
    stride = 7 * size + 3
    data = bytearray(random.Random(1).randbytes(5 * stride))
    if layout == "555":
        data = bytearray(byte & 0x7F for byte in data)
    unpacked = module.unpack(data, 4 * stride, -stride, 7, 5, layout)
    packed = bytearray(2 + 5 * stride)
    module.pack(packed, 2, stride, unpacked, 0, 28, 7, 5, layout)
    for y in range(5):
        row = data[(4 - y) * stride :][: 7 * size]
        assert packed[2 + y * stride :][: 7 * size] == row


@MODULES
def test_what_is_not_all_there_is_refused(module) -> None:
    with pytest.raises(ValueError, match="layout 'RGB'"):
        module.unpack(bytes(9), 0, 9, 3, 1, "RGB")
    with pytest.raises(ValueError, match="layout 'BGR'"):
        module.pack(bytearray(9), 0, 9, bytes(12), 0, 12, 3, 1, "BGR")
    with pytest.raises(ValueError, match="palette has 1020 bytes, expected 1024"):
        module.unpack(bytes(9), 0, 9, 3, 1, "P8", COLORS[4:])
    with pytest.raises(ValueError, match="source has 1 rows of 9 bytes"):
        module.unpack(bytes(8), 0, 9, 3, 1, "BGR")
    with pytest.raises(ValueError, match="destination has 1 rows of 6 bytes"):
        module.pack(bytearray(5), 0, 6, bytes(12), 0, 12, 3, 1, "565")
    with pytest.raises(ValueError, match="source has 2 rows of 12 bytes"):
        module.pack(bytearray(12), 0, 6, bytes(12), 0, 12, 3, 2, "565")
