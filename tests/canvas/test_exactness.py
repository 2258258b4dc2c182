from __future__ import annotations

from typing import Any

import pytest

from spicetrio.canvas.checks import check
from spicetrio.canvas.exactness import is_basic, is_exact
from spicetrio.wire import draw
from spicetrio.wire.drawing import (
    DisplayBase,
    Glyph,
    LineAttr,
    Pattern,
    QMask,
)
from spicetrio.wire.enums import (
    BitmapFormat,
    CompositeFlags,
    LineFlags,
    PathFlags,
    Ropd,
    ScaleMode,
    StringFlags,
)
from spicetrio.wire.geometry import Point, Rect
from spicetrio.wire.image import Palette
from tests.canvas.simple_operations import (
    BASE,
    BOX,
    IMAGE,
    MASK,
    ORIGIN,
    SURFACES,
    UNIT,
    bitmap,
    blend,
    compose,
    copy,
    fill,
    on,
    rop3,
    stroke,
    surface_image,
    text,
    transparent,
)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (fill(), True),
        (fill(base=on(1)), True),
        (fill(base=on(2)), False),
        (copy(scale_mode=ScaleMode.INTERPOLATE), True),
        (copy(area=Rect(0, 0, 4, 4), scale_mode=ScaleMode.INTERPOLATE), False),
        (copy(area=Rect(0, 0, 4, 4), scale_mode=ScaleMode.NEAREST), True),
        (copy(area=Rect(0, 0, 4, 4), scale_mode=ScaleMode.NEAREST, base=on(1)), False),
        (copy(bitmap(8, 6, BitmapFormat.BIT4_BE, 4, Palette(0, (0,) * 16))), True),
        (copy(bitmap(8, 6, BitmapFormat.BIT4_LE, 4, Palette(0, (0,) * 16))), False),
        (copy(bitmap(8, 6, BitmapFormat.BIT1_LE, 1, Palette(0, (0, 1)))), False),
        (fill(mask=QMask(0, ORIGIN, bitmap(8, 6, BitmapFormat.BIT1_LE, 1))), True),
        (fill(mask=QMask(0, ORIGIN, surface_image(3))), False),
        (copy(surface_image(1)), True),
        (copy(surface_image(0)), False),
        (copy(surface_image(0), base=on(1)), False),
        (rop3(0xB8), True),
        (rop3(0xCC), False),
        (rop3(0xB8, brush=None), False),
        (rop3(0xB8, brush=Pattern(IMAGE, Point(6, 0))), False),
        (rop3(0xB8, brush=Pattern(IMAGE, Point(5, 5))), True),
        (stroke((0, 0), (9, 9)), True),
        (stroke((0, 0), (9, 9), attr=LineAttr(LineFlags.STYLED, (48, 48))), False),
        (stroke((0, 0), (9, 9), (8, 8), (7, 9), flags=PathFlags.BEGIN | PathFlags.BEZIER), False),
        (stroke((0, 0), (9, 9), brush=Pattern(surface_image(1), ORIGIN)), False),
        (text(), True),
        (text(flags=StringFlags.A1 | StringFlags.TOP_DOWN), False),
        (text(Glyph(ORIGIN, ORIGIN, 3, 1, b"123"), flags=StringFlags.A8), False),
        (text(Glyph(ORIGIN, ORIGIN, 3, 1, b"12"), Glyph(Point(3, 0), ORIGIN, 3, 1, b"12"), flags=StringFlags.A4), True),
        (
            text(Glyph(ORIGIN, ORIGIN, 3, 1, b"12"), Glyph(Point(2, 0), ORIGIN, 3, 1, b"12"), flags=StringFlags.A4),
            False,
        ),
        (text(fore_brush=Pattern(IMAGE, ORIGIN)), False),
        (text(back_brush=Pattern(IMAGE, ORIGIN)), True),
        (blend(bitmap(8, 6, BitmapFormat.RGBA), 99), True),
        (transparent(), True),
        (compose(3), True),
        (compose(13), False),
        (compose(0x30), False),
        (compose(3 | CompositeFlags.HAS_SRC_TRANSFORM, src_transform=UNIT), False),
        (compose(3, bitmap(8, 6, BitmapFormat.BIT8_A, 8)), False),
        (compose(3, surface_image(1), surface_image(1)), False),
        (draw.CopyBits(BASE, Point(6, 5)), True),
    ],
)
def test_what_viewers_render_as_we_do(operation: Any, expected: bool) -> None:
    check(SURFACES, operation)
    assert is_exact(SURFACES, operation) is expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (fill(), True),
        (draw.CopyBits(BASE, ORIGIN), True),
        (fill(ropd=Ropd.XOR), False),
        (fill(mask=MASK), False),
        (fill(base=on(1)), False),
        (fill(base=DisplayBase(0, BOX, (BOX,))), False),
        (fill(brush=None), False),
        (copy(), False),
        (draw.DrawBlackness(BASE), False),
    ],
)
def test_what_even_the_simplest_viewers_know(operation: Any, expected: bool) -> None:
    assert is_basic(operation) is expected
