from __future__ import annotations

from typing import Any

import pytest

from spicetrio.canvas.checks import check
from spicetrio.canvas.exactness import is_basic, is_exact
from spicetrio.canvas.operations import code, is_opaque, read, written
from spicetrio.canvas.surface import Surface
from spicetrio.wire import draw
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
from spicetrio.wire.enums import (
    BitmapFlags,
    BitmapFormat,
    CompositeFlags,
    LineFlags,
    PathFlags,
    Ropd,
    ScaleMode,
    StringFlags,
    SurfaceFormat,
)
from spicetrio.wire.geometry import Point, Point16, PointFix, Rect, Transform
from spicetrio.wire.image import Bitmap, Image, Lz, Palette
from spicetrio.wire.image import Surface as SurfaceImage

SURFACES = {
    0: Surface(40, 30, SurfaceFormat.XRGB32),
    1: Surface(20, 10, SurfaceFormat.ARGB32),
    2: Surface(20, 10, SurfaceFormat.XRGB1555),
    3: Surface(20, 10, SurfaceFormat.A1),
    4: Surface(20, 10, SurfaceFormat.A8),
}
BOX = Rect(5, 5, 13, 11)
BASE = DisplayBase(0, BOX)
AREA = Rect(0, 0, BOX.width, BOX.height)
ORIGIN = Point(0, 0)
NOWHERE = Rect(0, 0, 0, 0)
UNIT = Transform(65536, 0, 0, 0, 65536, 0)
WHITE = Solid(0xFFFFFF)


def bitmap(
    width: int,
    height: int,
    kind: int = BitmapFormat.BIT32,
    bits: int = 32,
    palette: Palette | None = None,
    **other: Any,
) -> Image:
    """An image whose bytes are all 0x55."""
    stride = (bits * width + 7) // 8
    fields = {"flags": BitmapFlags.TOP_DOWN, "width": width, "height": height, "stride": stride, "palette": palette}
    fields["data"] = b"\x55" * (stride * height)
    return Image(0, 0, width, height, Bitmap(kind, **(fields | other)))


def surface_image(surface_id: int) -> Image:
    surface = SURFACES[surface_id]
    return Image(0, 0, surface.width, surface.height, SurfaceImage(surface_id))


IMAGE = bitmap(8, 6)
MASK = QMask(0, ORIGIN, bitmap(8, 6, BitmapFormat.BIT1_BE, 1))
GLYPH = Glyph(Point(6, 6), Point(1, 1), 3, 2, b"\xa0\x40")


def fill(**other: Any) -> draw.DrawFill:
    return draw.DrawFill(**({"base": BASE, "brush": WHITE} | other))


def copy(src: Image = IMAGE, area: Rect = AREA, **other: Any) -> draw.DrawCopy:
    return draw.DrawCopy(**({"base": BASE, "src": src, "src_area": area} | other))


def rop3(rop: int, **other: Any) -> draw.DrawRop3:
    return draw.DrawRop3(**({"base": BASE, "src": IMAGE, "src_area": AREA, "brush": WHITE, "rop3": rop} | other))


def text(*glyphs: Glyph, flags: int = StringFlags.A1, back: Rect = NOWHERE, **other: Any) -> draw.DrawText:
    string = String(flags, glyphs or (GLYPH,))
    return draw.DrawText(
        **({"base": BASE, "string": string, "back_area": back, "fore_brush": WHITE, "back_brush": WHITE} | other)
    )


def stroke(*points: tuple[int, int], flags: int = PathFlags.BEGIN, **other: Any) -> draw.DrawStroke:
    path = Path((PathSegment(flags, tuple(PointFix(16 * x, 16 * y) for x, y in points)),))
    return draw.DrawStroke(**({"base": BASE, "path": path, "attr": LineAttr(), "brush": WHITE} | other))


def blend(src: Image = IMAGE, alpha: int = 255, **other: Any) -> draw.DrawAlphaBlend:
    return draw.DrawAlphaBlend(
        **({"base": BASE, "alpha_flags": 0, "alpha": alpha, "src": src, "src_area": AREA} | other)
    )


def compose(operator: int, src: Image = IMAGE, mask: Image | None = None, **other: Any) -> draw.DrawComposite:
    flags = operator | (CompositeFlags.HAS_MASK if mask else 0)
    fields = {"base": BASE, "flags": flags, "src": src, "mask": mask, "src_transform": None, "mask_transform": None}
    return draw.DrawComposite(**(fields | {"src_origin": Point16(0, 0), "mask_origin": Point16(0, 0)} | other))


def transparent(**other: Any) -> draw.DrawTransparent:
    fields = {"base": BASE, "src": IMAGE, "src_area": AREA, "src_color": 0, "true_color": 0}
    return draw.DrawTransparent(**(fields | other))


def on(surface_id: int) -> DisplayBase:
    return DisplayBase(surface_id, AREA)


@pytest.mark.parametrize(
    ("operation", "complaint"),
    [
        (fill(base=DisplayBase(9, BOX)), "surface 9, expected one of those there are: 0, 1, 2, 3, 4"),
        (fill(base=on(3)), "has one bit a pixel"),
        (fill(base=DisplayBase(0, Rect(5, 5, 41, 11))), "the box is Rect.*within"),
        (fill(base=DisplayBase(0, Rect(-1, 5, 4, 11))), "the box is Rect.*within"),
        (fill(base=DisplayBase(0, Rect(5, 5, 5, 11))), "at least one pixel"),
        (fill(base=DisplayBase(0, BOX, (Rect(9, 0, 8, 5),))), "in the clip"),
        (fill(brush=Solid(1 << 32)), "color of a brush"),
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
        (copy(bitmap(0, 6)), "at least 1 x 1"),
        (copy(bitmap(8, 6, 11)), "the bitmap's format is 11"),
        (copy(bitmap(8, 6, stride=31, data=bytes(6 * 31))), "rows of at least 32"),
        (copy(bitmap(8, 6, data=bytes(6 * 32 - 1))), "191 bytes in 6 rows of 32"),
        (copy(bitmap(8, 6, BitmapFormat.BIT8, 8)), "palette is None"),
        (copy(bitmap(8, 6, BitmapFormat.BIT8, 8, palette=7)), "palette is 7"),
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
        (blend(alpha=256), "alpha is 256"),
        (draw.CopyBits(BASE, Point(33, 0)), "the source is Rect"),
        (stroke(), "begins without a point"),
        (stroke(flags=0), "the path has no points"),
        (stroke((0, 0), (1, 1), (2, 2), flags=PathFlags.BEGIN | PathFlags.BEZIER), "a curve has 2 points"),
        (stroke((0, 0), (1, 1), (2, 2), flags=PathFlags.BEZIER), "a beginning before it"),
        (stroke((0, 0), (1 << 25, 1)), "expected less than 16777216 pixels"),
        (stroke((0, 0), attr=LineAttr(LineFlags.STYLED, ())), "the style is"),
        (stroke((0, 0), attr=LineAttr(LineFlags.STYLED, (3, 4))), "the style is"),
        (stroke((0, 0), attr=LineAttr(LineFlags.STYLED, (99, -1))), "the style is"),
        (stroke((0, 0), attr=LineAttr(LineFlags.STYLED, (1 << 21,))), "the style is"),
        (text(flags=3), "flags of the string are 0x3"),
        (draw.DrawText(BASE, String(1, ()), NOWHERE, WHITE, WHITE), "no glyphs"),
        (text(Glyph(ORIGIN, ORIGIN, 9, 2, b"123")), "9 x 2 has 3 bytes, expected 4"),
        (text(Glyph(Point(1 << 30, 0), ORIGIN, 3, 2, b"12")), "a glyph is at"),
        (compose(14), "the operator is 0xe"),
        (compose(0x3B | CompositeFlags.COMPONENT_ALPHA, mask=IMAGE), "the operator is 0x3b"),
        (compose(3 | 5 << 8), "the filter is 5"),
        (compose(3, surface_image(3)), "1 bits a pixel"),
    ],
)
def test_what_cannot_be_rendered_is_refused(operation: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check(SURFACES, operation)


def test_glyphs_and_lines_may_be_outside() -> None:
    check(SURFACES, text(Glyph(Point(-100, 9), ORIGIN, 0, 0, b""), GLYPH))
    check(SURFACES, stroke((-1000, 5), (1000, -8)))


@pytest.mark.parametrize(
    ("ropd", "expected"),
    [
        (0, 0xF0),
        (Ropd.PUT, 0xF0),
        (Ropd.PUT | Ropd.INVERS_BRUSH, 0x0F),
        (Ropd.PUT | Ropd.INVERS_SRC, 0xF0),
        (Ropd.PUT | Ropd.INVERS_BRUSH | Ropd.INVERS_RES, 0xF0),
        (Ropd.OR, 0xFA),
        (Ropd.OR | Ropd.INVERS_DEST, 0xF5),
        (Ropd.AND | Ropd.INVERS_RES, 0x5F),
        (Ropd.XOR, 0x5A),
        (Ropd.XOR | Ropd.INVERS_DEST | Ropd.INVERS_BRUSH, 0x5A),
        (Ropd.BLACKNESS | Ropd.INVERS_RES, 0x00),
        (Ropd.WHITENESS, 0xFF),
        (Ropd.INVERS, 0x55),
        (Ropd.PUT | Ropd.OR | Ropd.BLACKNESS, 0xF0),
        (Ropd.AND | Ropd.XOR | Ropd.INVERS, 0xA0),
        (Ropd.WHITENESS | Ropd.BLACKNESS, 0x00),
    ],
)
def test_the_bits_of_a_raster_operation_become_a_ternary_code(ropd: int, expected: int) -> None:
    assert code(fill(ropd=ropd)) == expected


def test_an_opaque_combines_its_brush_with_its_image() -> None:
    operation = draw.DrawOpaque(BASE, IMAGE, AREA, WHITE, Ropd.AND | Ropd.INVERS_SRC)
    assert code(operation) == 0xF0 & ~0xCC


def test_what_is_written_is_the_box_within_the_clip() -> None:
    assert written(fill()) == [BOX]
    clip = (Rect(0, 0, 7, 7), Rect(6, 6, 9, 9), Rect(30, 0, 40, 30))
    areas = written(fill(base=DisplayBase(0, BOX, clip)))
    assert sum(rect.width * rect.height for rect in areas) == 4 + 9 - 1
    assert written(fill(base=DisplayBase(0, BOX, ()))) == []


def test_of_a_text_its_glyphs_and_background_are_written_and_of_lines_what_is_around_them() -> None:
    assert written(text()) == [Rect(7, 7, 10, 9)]
    assert written(text(back=Rect(0, 0, 6, 6))) == [Rect(5, 5, 10, 9)]
    assert written(stroke((6, 6), (-10, 9))) == [Rect(5, 6, 7, 10)]
    assert written(stroke((0, 0), (2, 2))) == []


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (fill(), []),
        (copy(), []),
        (draw.CopyBits(BASE, Point(1, 2)), [(0, Rect(1, 2, 9, 8))]),
        (draw.CopyBits(DisplayBase(0, BOX, (Rect(5, 5, 6, 6),)), Point(1, 2)), [(0, Rect(1, 2, 2, 3))]),
        (copy(surface_image(1), Rect(1, 2, 9, 8)), [(1, Rect(1, 2, 9, 8))]),
        (fill(brush=Pattern(surface_image(1), ORIGIN)), [(1, Rect(0, 0, 20, 10))]),
        (fill(mask=QMask(0, Point(3, 2), surface_image(3))), [(3, Rect(3, 2, 11, 8))]),
        (text(back_brush=Pattern(surface_image(1), ORIGIN)), [(1, Rect(0, 0, 20, 10))]),
        (compose(3, mask=surface_image(4)), [(4, Rect(0, 0, 20, 10))]),
    ],
)
def test_what_is_read_of_surfaces(operation: Any, expected: list[tuple[int, Rect]]) -> None:
    assert read(operation) == expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (fill(), True),
        (fill(ropd=Ropd.XOR), False),
        (fill(ropd=Ropd.WHITENESS), True),
        (fill(mask=MASK), False),
        (copy(), True),
        (copy(ropd=Ropd.AND), False),
        (copy(surface_image(0), Rect(0, 0, 8, 6)), False),
        (copy(surface_image(0), Rect(20, 0, 28, 6)), True),
        (draw.DrawOpaque(BASE, IMAGE, AREA, WHITE, Ropd.XOR), True),
        (draw.DrawBlackness(BASE), True),
        (draw.DrawInvers(BASE), False),
        (rop3(0xB8), False),
        (rop3(0x3C), True),
        (transparent(), False),
        (blend(), True),
        (blend(alpha=254), False),
        (blend(bitmap(8, 6, BitmapFormat.RGBA)), False),
        (blend(surface_image(1)), False),
        (compose(0), True),
        (compose(1, mask=IMAGE), True),
        (compose(3), False),
        (compose(0x30), False),
        (draw.CopyBits(BASE, Point(20, 20)), True),
        (draw.CopyBits(BASE, Point(6, 5)), False),
        (stroke((6, 6), (9, 9)), False),
        (text(), False),
        (text(back=BOX), True),
        (text(back=Rect(7, 7, 9, 9)), False),
    ],
)
def test_what_is_opaque(operation: Any, expected: bool) -> None:
    check(SURFACES, operation)
    assert is_opaque(operation) is expected


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
        (compose(3, src_transform=UNIT), False),
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
