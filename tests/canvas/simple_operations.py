"""One plain operation of each kind, to be changed in one respect."""

from __future__ import annotations

from typing import Any

from spicetrio.canvas.surface import Surface
from spicetrio.wire import draw
from spicetrio.wire.drawing import (
    DisplayBase,
    Glyph,
    LineAttr,
    Path,
    PathSegment,
    QMask,
    Solid,
    String,
)
from spicetrio.wire.enums import (
    BitmapFlags,
    BitmapFormat,
    CompositeFlags,
    PathFlags,
    StringFlags,
    SurfaceFormat,
)
from spicetrio.wire.geometry import Point, Point16, PointFix, Rect, Transform
from spicetrio.wire.image import Bitmap, Image, Palette
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
