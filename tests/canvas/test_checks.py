from __future__ import annotations

from typing import Any

import pytest

from spicetrio.canvas.checks import check
from spicetrio.wire import draw
from spicetrio.wire.drawing import (
    DisplayBase,
    Glyph,
    LineAttr,
    Pattern,
    QMask,
    Solid,
    String,
)
from spicetrio.wire.enums import (
    BitmapFormat,
    CompositeFlags,
    LineFlags,
    PathFlags,
)
from spicetrio.wire.geometry import Point, Point16, Rect
from spicetrio.wire.image import Image, Lz, Palette
from spicetrio.wire.image import Surface as SurfaceImage
from tests.canvas.simple_operations import (
    BASE,
    BOX,
    GLYPH,
    IMAGE,
    MASK,
    NOWHERE,
    ORIGIN,
    SURFACES,
    UNIT,
    WHITE,
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
    ("operation", "complaint"),
    [
        (fill(base=DisplayBase(9, BOX)), "surface 9, expected one of those there are: 0, 1, 2, 3, 4"),
        (fill(base=on(3)), "has one bit a pixel"),
        (fill(base=DisplayBase(0, Rect(5, 5, 41, 11))), "the box is Rect.*within"),
        (fill(base=DisplayBase(0, Rect(-1, 5, 4, 11))), "the box is Rect.*within"),
        (fill(base=DisplayBase(0, Rect(5, 5, 5, 11))), "at least one pixel"),
        (fill(base=DisplayBase(0, BOX, (Rect(9, 0, 8, 5),))), "in the clip"),
        (fill(base=DisplayBase(0, BOX, (Rect(0, 0, 1 << 30, 5),))), "less than 16777216 pixels away"),
        (fill(brush=Solid(1 << 32)), "color of a brush"),
        (fill(brush=Pattern(IMAGE, Point(0, 1 << 30))), "the position of a pattern"),
        (fill(brush=Pattern(surface_image(2), ORIGIN)), "16 bits a pixel, expected 32"),
        (fill(brush=Pattern(surface_image(3), ORIGIN)), "1 bits a pixel, expected 32"),
        (fill(ropd=1 << 11), "raster operation is 0x800"),
        (fill(mask=QMask(0, Point(1, 0), MASK.bitmap)), "the part of the mask that is needed"),
        (fill(mask=QMask(0, Point(0, -1), MASK.bitmap)), "the part of the mask that is needed"),
        (fill(mask=QMask(0, ORIGIN, IMAGE)), "the mask's format is 8"),
        (fill(mask=QMask(0, ORIGIN, surface_image(4))), "format A8, expected A1"),
        (fill(mask=QMask(0, ORIGIN, Image(0, 0, 8, 6, Lz(b"")))), "the mask is Lz"),
        (copy(area=Rect(1, 0, 9, 6)), "src_area is Rect"),
        (copy(area=Rect(1, 0, 1, 6)), "src_area is Rect"),
        (copy(Image(0, 0, 8, 6, SurfaceImage(9))), "the image is surface 9"),
        (copy(Image(0, 0, 8, 6, SurfaceImage(1))), "expected that of its surface: 20 x 10"),
        (copy(Image(0, 0, 8, 6, Lz(b""))), "the image is Lz, expected a Bitmap or a Surface"),
        (copy(Image(0, 0, 8, 7, IMAGE.payload)), "the image is 8 x 7, its bitmap 8 x 6"),
        (copy(bitmap(0, 6)), "expected the same, and 1 to 32767 each"),
        (copy(bitmap(1 << 15, 1), Rect(0, 0, 1, 1)), "and 1 to 32767 each"),
        (copy(bitmap(8, 6, 11)), "the bitmap's format is 11"),
        (copy(bitmap(8, 6, stride=31, data=bytes(6 * 31))), "rows of at least 32"),
        (copy(bitmap(8, 6, data=bytes(6 * 32 - 1))), "191 bytes in 6 rows of 32"),
        (copy(bitmap(8, 6, BitmapFormat.BIT8, 8)), "palette is None"),
        (copy(bitmap(8, 6, BitmapFormat.BIT8, 8, palette=7)), "palette is 7"),
        (copy(bitmap(8, 6, BitmapFormat.BIT8, 8, Palette(0, (0,) * 256), flags=2)), "expected one with its colors"),
        (
            copy(bitmap(8, 6, BitmapFormat.BIT8, 8, Palette(0, (0,) * 85))),
            "index 85, expected less than the palette's 85",
        ),
        (copy(bitmap(8, 6, BitmapFormat.BIT4_BE, 4, Palette(0, (0,) * 5))), "index 5"),
        (copy(bitmap(8, 6, BitmapFormat.BIT1_LE, 1, Palette(0, (0,)))), "index 1"),
        (copy(bitmap(8, 6, BitmapFormat.BIT1_LE, 1, Palette(0, (0, 1 << 32)))), "color of the palette"),
        (copy(bitmap(8, 6, BitmapFormat.BIT1_LE, 1, Palette(0, (0, 1))), base=on(4)), "surface of alpha"),
        (copy(scale_mode=2), "scale_mode is 2"),
        (rop3(256), "rop3 is 256"),
        (transparent(true_color=1 << 24), "true_color"),
        (transparent(src_color=-1), "src_color"),
        (blend(alpha=256), "alpha is 256"),
        (blend(alpha_flags=4), "alpha_flags is 4"),
        (draw.CopyBits(BASE, Point(33, 0)), "the source is Rect"),
        (stroke(), "begins without a point"),
        (stroke(flags=0), "the path has no points"),
        (stroke((0, 0), (1, 1), (2, 2), flags=PathFlags.BEGIN | PathFlags.BEZIER), "a curve has 2 points"),
        (stroke((0, 0), (1, 1), (2, 2), flags=PathFlags.BEZIER), "a beginning before it"),
        (stroke((0, 0), (1 << 25, 1)), "expected less than 16777216 pixels"),
        (stroke((0, 0), attr=LineAttr(LineFlags.STYLED, ())), "the style is"),
        (stroke((0, 0), attr=LineAttr(LineFlags.STYLED, (16,) * 256)), "the style is"),
        (stroke((0, 0), attr=LineAttr(LineFlags.STYLED)), "expected STYLED if there is one"),
        (stroke((0, 0), attr=LineAttr(0, (16,))), "expected STYLED if there is one"),
        (stroke((0, 0), attr=LineAttr(LineFlags.STYLED, (3, 4))), "the style is"),
        (stroke((0, 0), attr=LineAttr(LineFlags.STYLED, (99, -1))), "the style is"),
        (stroke((0, 0), attr=LineAttr(LineFlags.STYLED, (1 << 21,))), "the style is"),
        (text(flags=3), "flags of the string are 0x3"),
        (draw.DrawText(BASE, String(1, ()), NOWHERE, WHITE, WHITE), "no glyphs"),
        (text(Glyph(ORIGIN, ORIGIN, 9, 2, b"123")), "9 x 2 has 3 bytes, expected 4"),
        (text(Glyph(Point(1 << 30, 0), ORIGIN, 3, 2, b"12")), "the place of a glyph"),
        (compose(14), "the operator is 0xe"),
        (compose(0x3B | CompositeFlags.COMPONENT_ALPHA, mask=IMAGE), "the operator is 0x3b"),
        (compose(3 | 5 << 8), "the filter is 5"),
        (compose(3 | CompositeFlags.HAS_MASK), "expected HAS_MASK if there is one"),
        (compose(3, src_transform=UNIT), "expected HAS_SRC_TRANSFORM if there is one"),
        (compose(3, mask_transform=UNIT), "expected HAS_MASK_TRANSFORM if there is one"),
        (compose(3, src_origin=Point16(1 << 15, 0)), "numbers of 16 bits"),
        (compose(3, surface_image(3)), "1 bits a pixel"),
    ],
)
def test_what_cannot_be_rendered_is_refused(operation: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check(SURFACES, operation)


def test_glyphs_and_lines_may_be_outside() -> None:
    check(SURFACES, text(Glyph(Point(-100, 9), ORIGIN, 0, 0, b""), GLYPH))
    check(SURFACES, stroke((-1000, 5), (1000, -8)))
