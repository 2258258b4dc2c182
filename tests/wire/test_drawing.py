from __future__ import annotations

import pytest

from spicetrio.wire.buffer import ReadBuffer, WriteBuffer
from spicetrio.wire.drawing import (
    NO_MASK,
    Brush,
    DisplayBase,
    Glyph,
    LineAttr,
    Path,
    PathSegment,
    Pattern,
    QMask,
    Solid,
    String,
    pull_brush,
    push_brush,
)
from spicetrio.wire.enums import LineFlags, MaskFlags, PathFlags, StringFlags
from spicetrio.wire.errors import LocalProtocolError, RemoteProtocolError
from spicetrio.wire.geometry import Point, PointFix, Rect
from spicetrio.wire.image import Image, Surface

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole, push

IMAGE = Image(5, 0, 3, 2, Surface(7))
IMAGE_BODY = "0500000000000000 68 00 03000000 02000000 07000000"

VECTORS = [
    Vector(DisplayBase(6, Rect(1, 2, 3, 4)), "06000000 02000000 01000000 04000000 03000000 00"),
    Vector(
        DisplayBase(6, Rect(1, 2, 3, 4), (Rect(1, 2, 2, 3),)),
        "06000000 02000000 01000000 04000000 03000000 01 01000000 02000000 01000000 03000000 02000000",
    ),
    Vector(NO_MASK, "00 00000000 00000000 00000000"),
    Vector(QMask(MaskFlags.INVERS, Point(1, -2), IMAGE), "01 01000000 feffffff 0d000000" + IMAGE_BODY),
    Vector(LineAttr(), "00"),
    Vector(LineAttr(LineFlags.START_WITH_GAP), "04"),
    Vector(LineAttr(LineFlags.STYLED, ()), "08 00 00000000"),
    Vector(LineAttr(LineFlags.STYLED | LineFlags.START_WITH_GAP, (48, -1)), "0c 02 06000000 30000000 ffffffff"),
    Vector(Path(()), "00000000"),
    Vector(
        Path(
            (
                PathSegment(PathFlags.BEGIN, (PointFix(16, 32),)),
                PathSegment(PathFlags.END | PathFlags.CLOSE | PathFlags.BEZIER, (PointFix(0, -1), PointFix(1, 2))),
            )
        ),
        "02000000  01 01000000 10000000 20000000  1a 02000000 00000000 ffffffff 01000000 02000000",
    ),
    Vector(String(StringFlags.A1, ()), "0000 01"),
    Vector(
        String(StringFlags.A1, (Glyph(Point(1, 2), Point(-1, -2), 9, 2, b"abcd"),)),
        "0100 01  01000000 02000000 ffffffff feffffff 0900 0200 61626364",
    ),
    Vector(
        String(
            StringFlags.A4 | StringFlags.TOP_DOWN,
            (Glyph(Point(1, 2), Point(0, 0), 3, 2, b"abcd"), Glyph(Point(9, 2), Point(0, 0), 0, 5, b"")),
        ),
        "0200 0a  01000000 02000000 00000000 00000000 0300 0200 61626364"
        "  09000000 02000000 00000000 00000000 0000 0500",
    ),
    Vector(
        String(StringFlags.A8, (Glyph(Point(1, 2), Point(0, 0), 2, 2, b"abcd"),)),
        "0100 04  01000000 02000000 00000000 00000000 0200 0200 61626364",
    ),
]

BRUSHES: list[tuple[Brush, str]] = [
    (None, "00"),
    (Solid(0x00AABBCC), "01 ccbbaa00"),
    (Pattern(IMAGE, Point(1, -2)), "02 0d000000 01000000 feffffff" + IMAGE_BODY),
]

each = pytest.mark.parametrize("vector", VECTORS, ids=str)


@each
def test_whole(vector: Vector) -> None:
    check_whole(vector)


@each
def test_truncated(vector: Vector) -> None:
    check_truncated(vector)


@each
def test_trailing(vector: Vector) -> None:
    check_trailing(vector)


@each
def test_damaged(vector: Vector) -> None:
    check_damaged(vector)


@pytest.mark.parametrize(("brush", "body"), BRUSHES)
def test_brushes(brush: Brush, body: str) -> None:
    data = bytes.fromhex(body)
    buffer = WriteBuffer()
    push_brush(buffer, brush)
    assert b"".join(buffer.finish()) == data
    assert pull_brush(ReadBuffer(data + b"more")) == brush
    for size in range(len(data)):
        with pytest.raises(RemoteProtocolError):
            pull_brush(ReadBuffer(data[:size]))


def test_unknown_brushes_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="got BrushType 3, expected one of 0, 1, 2"):
        pull_brush(ReadBuffer(b"\3" + bytes(40)))


def test_patterns_need_an_image() -> None:
    with pytest.raises(RemoteProtocolError, match="null pointer"):
        pull_brush(ReadBuffer(b"\2" + bytes(40)))


def test_unknown_mask_flags_are_kept() -> None:
    assert QMask.pull(ReadBuffer(b"\xfe" + bytes(12))) == QMask(0xFE)


def test_unknown_line_flags_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="got LineFlags 0x10, expected bits of 0xc only"):
        LineAttr.pull(ReadBuffer(b"\x10" + bytes(40)))


def test_styles_need_lengths() -> None:
    with pytest.raises(RemoteProtocolError, match="null pointer, expected a style of 1 lengths"):
        LineAttr.pull(ReadBuffer(b"\x08\x01" + bytes(40)))


def test_an_empty_style_may_have_any_pointer() -> None:
    assert LineAttr.pull(ReadBuffer(b"\x08\x00\x06\x00\x00\x00")) == LineAttr(LineFlags.STYLED, ())


@pytest.mark.parametrize("attr", [LineAttr(LineFlags.STYLED), LineAttr(0, ()), LineAttr(8, (1,) * 256)])
def test_styles_that_do_not_fit_are_not_written(attr: LineAttr) -> None:
    with pytest.raises(LocalProtocolError):
        push(attr)


def test_unknown_path_flags_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="PathFlags"):
        Path.pull(ReadBuffer(b"\1\0\0\0\4" + bytes(40)))


@pytest.mark.parametrize("flags", [0, 3, 5, 6, 7, 8, 16, 17])
def test_strings_have_one_depth(flags: int) -> None:
    with pytest.raises(RemoteProtocolError, match="got"):
        String.pull(ReadBuffer(bytes([0, 0, flags])))
    with pytest.raises(LocalProtocolError):
        push(String(flags, ()))


def test_glyphs_have_all_their_rows() -> None:
    with pytest.raises(LocalProtocolError, match="3 bytes are not a glyph of 9x2"):
        push(String(StringFlags.A1, (Glyph(Point(0, 0), Point(0, 0), 9, 2, b"abc"),)))
