from __future__ import annotations

import pytest

from spicetrio.wire.buffer import PAYLOAD_SIZE, ReadBuffer, marshal
from spicetrio.wire.draw import (
    CopyBits,
    DrawAlphaBlend,
    DrawBlackness,
    DrawBlend,
    DrawComposite,
    DrawCopy,
    DrawFill,
    DrawInvers,
    DrawOpaque,
    DrawRop3,
    DrawStroke,
    DrawText,
    DrawTransparent,
    DrawWhiteness,
)
from spicetrio.wire.drawing import (
    DisplayBase,
    Glyph,
    LineAttr,
    Path,
    PathSegment,
    Pattern,
    QMask,
    Solid,
    String,
)
from spicetrio.wire.enums import AlphaFlags, BitmapFlags, BitmapFormat, CompositeFlags, Ropd, ScaleMode
from spicetrio.wire.errors import LocalProtocolError, RemoteProtocolError
from spicetrio.wire.geometry import Point, Point16, PointFix, Rect, Transform
from spicetrio.wire.image import Bitmap, Image, Lz, Palette, Surface

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole, push

BASE = DisplayBase(0, Rect(1, 2, 3, 4))
BASE_BODY = "00000000 02000000 01000000 04000000 03000000 00"  # 21 bytes
CLIPPED = DisplayBase(5, Rect(1, 2, 3, 4), (Rect(1, 2, 2, 3),))
CLIPPED_BODY = "05000000 02000000 01000000 04000000 03000000 01 01000000 02000000 01000000 03000000 02000000"  # 41
AREA = Rect(0, 0, 2, 2)
AREA_BODY = "00000000 00000000 02000000 02000000"  # 16
NO_MASK_BODY = "00 00000000 00000000 00000000"  # 13
IMAGE = Image(0x100000002, 0, 2, 2, Lz(b"abc"))
IMAGE_BODY = "0200000001000000 65 00 02000000 02000000 03000000 616263"  # 25
OTHER = Image(3, 1, 2, 2, Surface(9))
OTHER_BODY = "0300000000000000 68 01 02000000 02000000 09000000"  # 22
INDEXED = Image(4, 0, 2, 1, Bitmap(BitmapFormat.BIT8, BitmapFlags.TOP_DOWN, 2, 1, 2, Palette(6, (7,)), b"ab"))

VECTORS = [
    Vector(CopyBits(BASE, Point(5, -6)), BASE_BODY + "05000000 faffffff"),
    Vector(DrawFill(BASE, None), BASE_BODY + "00 0800" + NO_MASK_BODY),
    Vector(DrawFill(BASE, Solid(0x112233), Ropd.XOR), BASE_BODY + "01 33221100 4000" + NO_MASK_BODY),
    Vector(
        # The fixed part takes 21 + 1 + 4 + 8 + 2 + 13 = 49 bytes, the pattern 25.
        DrawFill(BASE, Pattern(IMAGE, Point(1, 2)), Ropd.PUT, QMask(1, Point(3, 4), OTHER)),
        BASE_BODY + "02 31000000 01000000 02000000 0800 01 03000000 04000000 4a000000" + IMAGE_BODY + OTHER_BODY,
    ),
    Vector(
        # Depth first: the palette of the pattern (18 + 14 + 4 + 2 = 38 bytes) stands before the mask's image.
        DrawFill(BASE, Pattern(INDEXED, Point(1, 2)), Ropd.PUT, QMask(0, Point(0, 0), OTHER)),
        BASE_BODY
        + "02 31000000 01000000 02000000 0800 00 00000000 00000000 65000000"
        + "0400000000000000 00 00 02000000 01000000  05 04 02000000 01000000 02000000 57000000 6162"
        + "0600000000000000 0100 07000000"
        + OTHER_BODY,
    ),
    Vector(
        # 21 + 4 + 16 + 1 + 3 + 13 = 58
        DrawOpaque(BASE, IMAGE, AREA, None, Ropd.OR | Ropd.INVERS_SRC, ScaleMode.NEAREST),
        BASE_BODY + "3a000000" + AREA_BODY + "00 1100 01" + NO_MASK_BODY + IMAGE_BODY,
    ),
    Vector(
        DrawCopy(BASE, IMAGE, AREA),
        BASE_BODY + "39000000" + AREA_BODY + "0800 00" + NO_MASK_BODY + IMAGE_BODY,
    ),
    Vector(
        # 41 + 4 + 16 + 3 + 13 = 77, and 25 more to the mask
        DrawCopy(CLIPPED, IMAGE, AREA, Ropd.PUT, ScaleMode.NEAREST, QMask(0, Point(0, 0), OTHER)),
        CLIPPED_BODY + "4d000000" + AREA_BODY + "0800 01  00 00000000 00000000 66000000" + IMAGE_BODY + OTHER_BODY,
    ),
    Vector(
        DrawBlend(BASE, IMAGE, AREA, Ropd.AND),
        BASE_BODY + "39000000" + AREA_BODY + "2000 00" + NO_MASK_BODY + IMAGE_BODY,
    ),
    Vector(DrawBlackness(BASE), BASE_BODY + NO_MASK_BODY),
    Vector(
        DrawWhiteness(BASE, QMask(1, Point(1, 1), OTHER)),
        BASE_BODY + "01 01000000 01000000 22000000" + OTHER_BODY,
    ),
    Vector(DrawInvers(CLIPPED), CLIPPED_BODY + NO_MASK_BODY),
    Vector(
        # 21 + 4 + 16 + 5 + 2 + 13 = 61
        DrawRop3(BASE, IMAGE, AREA, Solid(7), 0xCC, ScaleMode.NEAREST),
        BASE_BODY + "3d000000" + AREA_BODY + "01 07000000 cc 01" + NO_MASK_BODY + IMAGE_BODY,
    ),
    Vector(
        # 21 + 4 + 6 + 5 + 4 = 40; the path takes 25 bytes.
        DrawStroke(
            BASE,
            Path((PathSegment(3, (PointFix(16, 16), PointFix(32, 0))),)),
            LineAttr(8, (48, 32)),
            Solid(7),
            Ropd.PUT,
            Ropd.XOR,
        ),
        BASE_BODY
        + "28000000  08 02 41000000  01 07000000 0800 4000"
        + "01000000 03 02000000 10000000 10000000 20000000 00000000"
        + "30000000 20000000",
    ),
    Vector(
        DrawStroke(BASE, Path(()), LineAttr(), None),
        BASE_BODY + "1f000000 00 00 0800 0800 00000000",
    ),
    Vector(
        # 21 + 4 + 16 + 5 + 1 + 4 = 51
        DrawText(BASE, String(1, (Glyph(Point(1, 2), Point(0, -2), 3, 2, b"ab"),)), AREA, Solid(7), None),
        BASE_BODY
        + "33000000"
        + AREA_BODY
        + "01 07000000 00 0800 0800"
        + "0100 01 01000000 02000000 00000000 feffffff 0300 0200 6162",
    ),
    Vector(
        # 21 + 4 + 16 + 13 + 5 + 4 = 63; the string takes 3 bytes.
        DrawText(BASE, String(4, ()), AREA, Pattern(OTHER, Point(0, 0)), Solid(8), 1, 2),
        BASE_BODY
        + "3f000000"
        + AREA_BODY
        + "02 42000000 00000000 00000000  01 08000000  0100 0200"
        + "0000 04"
        + OTHER_BODY,
    ),
    Vector(
        # 21 + 4 + 16 + 8 = 49
        DrawTransparent(BASE, IMAGE, AREA, 0xFF, 0xFF00FF),
        BASE_BODY + "31000000" + AREA_BODY + "ff000000 ff00ff00" + IMAGE_BODY,
    ),
    Vector(
        # 21 + 2 + 4 + 16 = 43
        DrawAlphaBlend(BASE, AlphaFlags.SRC_SURFACE_HAS_ALPHA, 128, IMAGE, AREA),
        BASE_BODY + "02 80 2b000000" + AREA_BODY + IMAGE_BODY,
    ),
    Vector(
        # 21 + 4 + 4 + 4 + 4 = 37
        DrawComposite(BASE, 3, IMAGE, None, None, None, Point16(1, 2), Point16(-1, -2)),
        BASE_BODY + "03000000 25000000 0100 0200 ffff feff" + IMAGE_BODY,
    ),
    Vector(
        # 21 + 4 + 4 + 4 + 24 + 24 + 4 + 4 = 89, and 25 more to the mask
        DrawComposite(
            BASE,
            0x3E | CompositeFlags.HAS_MASK | CompositeFlags.HAS_SRC_TRANSFORM | CompositeFlags.HAS_MASK_TRANSFORM,
            IMAGE,
            OTHER,
            Transform(1, 2, 3, 4, 5, 6),
            Transform(7, 8, 9, 10, 11, 12),
            Point16(1, 2),
            Point16(3, 4),
        ),
        BASE_BODY
        + "3e003800 59000000 72000000"
        + "01000000 02000000 03000000 04000000 05000000 06000000"
        + "07000000 08000000 09000000 0a000000 0b000000 0c000000"
        + "0100 0200 0300 0400"
        + IMAGE_BODY
        + OTHER_BODY,
    ),
    Vector(
        # 21 + 4 + 4 + 24 + 4 + 4 = 61
        DrawComposite(
            BASE,
            CompositeFlags.HAS_MASK_TRANSFORM,
            IMAGE,
            None,
            None,
            Transform(7, 8, 9, 10, 11, 12),
            Point16(1, 2),
            Point16(3, 4),
        ),
        BASE_BODY
        + "00002000 3d000000"
        + "07000000 08000000 09000000 0a000000 0b000000 0c000000"
        + "0100 0200 0300 0400"
        + IMAGE_BODY,
    ),
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


def test_sources_may_not_be_null() -> None:
    with pytest.raises(RemoteProtocolError, match="null pointer"):
        DrawCopy.pull(ReadBuffer(bytes(100)))


def test_unknown_clips_are_refused() -> None:
    body = bytearray(push(DrawBlackness(BASE)))
    body[20] = 2
    with pytest.raises(RemoteProtocolError, match="ClipType"):
        DrawBlackness.pull(ReadBuffer(body))


def test_unknown_scale_modes_and_rops_are_kept() -> None:
    strange = DrawCopy(BASE, IMAGE, AREA, 0xF800, 77)
    assert DrawCopy.pull(ReadBuffer(push(strange))) == strange


def test_large_images_are_passed_along() -> None:
    data = bytearray(PAYLOAD_SIZE)
    marshalled = marshal(DrawCopy(BASE, Image(1, 0, 2, 2, Lz(data)), AREA))
    assert marshalled.type == 304
    assert marshalled.size == 57 + 22 + PAYLOAD_SIZE
    assert len(marshalled.buffers) == 2
    assert marshalled.buffers[1] is data


@pytest.mark.parametrize("flag", [1 << 19, 1 << 20, 1 << 21])
def test_composites_that_contradict_their_flags_are_not_written(flag: int) -> None:
    transform = Transform(1, 2, 3, 4, 5, 6)
    origin = Point16(0, 0)
    with pytest.raises(LocalProtocolError, match="do not agree"):
        push(DrawComposite(BASE, flag, IMAGE, None, None, None, origin, origin))
    with pytest.raises(LocalProtocolError, match="do not agree"):
        push(DrawComposite(BASE, 0x380000 & ~flag, IMAGE, OTHER, transform, transform, origin, origin))


def test_composites_are_taken_apart() -> None:
    flags = 0x3E | 1 << 8 | 5 << 11 | 2 << 14 | 3 << 16 | CompositeFlags.DEST_OPAQUE
    composite = DrawComposite(BASE, flags, IMAGE, None, None, None, Point16(0, 0), Point16(0, 0))
    assert composite.operator == 0x3E
    assert (composite.src_filter, composite.mask_filter) == (1, 5)
    assert (composite.src_repeat, composite.mask_repeat) == (2, 3)
