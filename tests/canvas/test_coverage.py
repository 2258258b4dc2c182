from __future__ import annotations

import pytest

from spicetrio.canvas import coverage
from tests.kernels import uncompiled

MODULES = pytest.mark.parametrize("module", [coverage, uncompiled("canvas.coverage")], ids=["in use", "uncompiled"])


def drawn(cover: bytearray, w: int) -> list[str]:
    """Rows, with a digit for each pixel that is covered."""
    marks = {0: ".", 255: "#"}
    text = "".join(marks.get(value, str(value)) for value in cover)
    return [text[at : at + w] for at in range(0, len(text), w)]


def line(module, *ends: int, dashes: bytes = b"\1", phase: int = 0, size: tuple[int, int] = (6, 4)) -> list[str]:
    cover = bytearray(size[0] * size[1])
    module.add_line(cover, *size, *ends, dashes, phase)
    return drawn(cover, size[0])


@MODULES
def test_bits_are_read_from_either_end(module) -> None:
    assert drawn(module.bits(b"\x06", 0, 1, 0, 0, 4, 1, low_first=True, invert=False), 4) == [".##."]
    assert drawn(module.bits(b"\x60", 0, 1, 0, 0, 4, 1, low_first=False, invert=False), 4) == [".##."]
    assert drawn(module.bits(b"\x60", 0, 1, 1, 0, 4, 1, low_first=False, invert=True), 4) == ["..##"]
    assert drawn(module.bits(b"\x01\x80", 1, -1, 0, 0, 8, 2, low_first=False, invert=False), 8) == [
        "#.......",
        ".......#",
    ]


@MODULES
def test_a_pixel_differs_by_any_color_but_not_by_x(module) -> None:
    pixels = bytes.fromhex("01020300 010203ff 00020300 01000300 01020000")
    assert drawn(module.differs(pixels, 0, 20, 5, 1, 0x030201), 5) == ["..###"]


@MODULES
def test_lines_lack_their_last_pixel(module) -> None:
    assert line(module, 0, 0, 5, 0) == ["11111.", "......", "......", "......"]
    assert line(module, 0, 3, 3, 0) == ["......", "..1...", ".1....", "1....."]
    assert line(module, 2, 2, 2, 2) == ["......"] * 4


@MODULES
def test_a_tie_depends_on_the_direction(module) -> None:
    assert line(module, 0, 0, 4, 2) == ["1.....", ".11...", "...1..", "......"]
    assert line(module, 4, 2, 0, 0) == ["......", ".11...", "...11.", "......"]


@MODULES
def test_what_is_outside_does_not_change_what_is_inside(module) -> None:
    whole = line(module, 0, 0, 60, 40, size=(60, 40))
    part = bytearray(7 * 5)
    module.add_line(part, 7, 5, -10, -6, 50, 34, b"\1", 0)
    assert drawn(part, 7) == [row[10:17] for row in whole[6:11]]


@MODULES
def test_dashes_go_on_where_they_were(module) -> None:
    assert line(module, 0, 0, 6, 0, dashes=b"\1\1\0")[0] == "11.11."
    assert line(module, 0, 0, 6, 0, dashes=b"\1\1\0", phase=2)[0] == ".11.11"
    assert line(module, -2, 0, 6, 0, dashes=b"\1\0\0\0")[0] == "..1..."


@MODULES
def test_a_pixel_counts_how_often_it_is_passed(module) -> None:
    cover = bytearray(3)
    for expected in (b"\1\1\0", b"\2\2\0", b"\1\1\0"):
        module.add_line(cover, 3, 1, 0, 0, 2, 0, b"\1", 0)
        assert cover == expected


@MODULES
@pytest.mark.parametrize(
    ("depth", "data", "expected"),
    [
        (1, b"\xa0\x40", [0, 255, 0, 255, 0, 255]),
        (4, b"\x12\x30\x45\x60", [64, 80, 96, 16, 32, 48]),
        (8, bytes(range(6)), [3, 4, 5, 0, 1, 2]),
    ],
)
def test_glyphs_are_upward_or_not(module, depth: int, data: bytes, expected: list[int]) -> None:
    cover = bytearray(6)
    module.add_glyph(cover, 3, 2, 0, 0, data, 3, 2, depth, upward=True)
    assert list(cover) == expected
    cover = bytearray(6)
    module.add_glyph(cover, 3, 2, 0, 0, data, 3, 2, depth, upward=False)
    assert list(cover) == expected[3:] + expected[:3]


@MODULES
def test_glyphs_overlap_and_stick_out(module) -> None:
    cover = bytearray([9, 9, 9, 9])
    module.add_glyph(cover, 2, 2, -1, 1, bytes([50, 20, 8, 60, 70, 80]), 3, 2, 8, upward=False)
    assert list(cover) == [9, 9, 20, 9]
    module.add_glyph(cover, 2, 2, 5, -7, bytes(6), 3, 2, 8, upward=False)
    assert list(cover) == [9, 9, 20, 9]


@MODULES
def test_what_is_not_all_there_is_refused(module) -> None:
    with pytest.raises(ValueError, match="bitmap has 1 rows of 2 bytes"):
        module.bits(b"\1", 0, 1, 4, 0, 5, 1, low_first=True, invert=False)
    with pytest.raises(ValueError, match="expected at least 1x1 from 0 on"):
        module.bits(b"\1", 0, 1, -1, 0, 5, 1, low_first=True, invert=False)
    with pytest.raises(ValueError, match="color 0x1000000"):
        module.differs(bytes(4), 0, 4, 1, 1, 1 << 24)
    with pytest.raises(ValueError, match="source has 2 rows"):
        module.differs(bytes(4), 0, 4, 1, 2, 0)
    with pytest.raises(ValueError, match="of 2 bits"):
        module.add_glyph(bytearray(4), 2, 2, 0, 0, b"12", 1, 2, 2, upward=True)
    with pytest.raises(ValueError, match="glyph has 3 rows of 1 bytes"):
        module.add_glyph(bytearray(4), 2, 2, 0, 0, b"12", 1, 3, 8, upward=True)
    with pytest.raises(ValueError, match="cover has 3 rows of 2 bytes"):
        module.add_glyph(bytearray(4), 2, 3, 0, 0, b"12", 1, 2, 8, upward=True)
    with pytest.raises(ValueError, match="cover has 3 rows of 2 bytes"):
        module.add_line(bytearray(4), 2, 3, 0, 0, 1, 1, b"\1", 0)
    with pytest.raises(ValueError, match="less far away"):
        module.add_line(bytearray(4), 2, 2, 0, 0, 1 << 29, 1, b"\1", 0)
    with pytest.raises(ValueError, match="and dashes"):
        module.add_line(bytearray(4), 2, 2, 0, 0, 1, 1, b"", 0)
