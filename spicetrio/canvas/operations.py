"""Drawing operations, which are the wire's messages, and what is to be known of them besides their pixels.

Everything here trusts that the operation was checked (`spicetrio.canvas.checks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from spicetrio.canvas import composite, masks, rops
from spicetrio.canvas.region import Region, bounding, intersect, translate
from spicetrio.wire import draw
from spicetrio.wire.drawing import Brush, Pattern
from spicetrio.wire.enums import BitmapFormat, Ropd
from spicetrio.wire.geometry import Rect
from spicetrio.wire.image import Bitmap, Image
from spicetrio.wire.image import Surface as SurfaceImage

Operation: TypeAlias = (
    draw.CopyBits
    | draw.DrawFill
    | draw.DrawOpaque
    | draw.DrawCopy
    | draw.DrawBlend
    | draw.DrawBlackness
    | draw.DrawWhiteness
    | draw.DrawInvers
    | draw.DrawRop3
    | draw.DrawStroke
    | draw.DrawText
    | draw.DrawTransparent
    | draw.DrawAlphaBlend
    | draw.DrawComposite
)
"""What can be drawn. Images are bitmaps or surfaces; what is encoded comes later."""

RasterOperation: TypeAlias = (
    draw.DrawFill
    | draw.DrawOpaque
    | draw.DrawCopy
    | draw.DrawBlend
    | draw.DrawBlackness
    | draw.DrawWhiteness
    | draw.DrawInvers
    | draw.DrawRop3
)
"""What is nothing else but a ternary raster operation under a mask."""
ImageOperation: TypeAlias = (
    draw.DrawOpaque | draw.DrawCopy | draw.DrawBlend | draw.DrawRop3 | draw.DrawTransparent | draw.DrawAlphaBlend
)
"""What has a part of an image that is stretched over the box."""

_BRUSH, _SOURCE, _DESTINATION = 0xF0, 0xCC, 0xAA


def ropd_code(ropd: int, one: int, one_inverted: int, other: int, other_inverted: int) -> int:
    """Return the ternary code of `Ropd` bits.

    Args:
        ropd: the bits; of several operations the first in the order of the specification counts (DT-17a), and without
            one it is PUT
        one: the code of what is put
        one_inverted: the bit that inverts it
        other: the code of what it is combined with
        other_inverted: the bit that inverts that
    """
    if not ropd & (Ropd.PUT | Ropd.OR | Ropd.AND | Ropd.XOR):
        if ropd & Ropd.BLACKNESS:
            return rops.BLACKNESS
        if ropd & Ropd.WHITENESS:
            return rops.WHITENESS
        if ropd & Ropd.INVERS:
            return ~other & 0xFF
        return one
    if ropd & one_inverted:
        one = ~one
    if ropd & other_inverted:
        other = ~other
    if ropd & Ropd.PUT:
        result = one
    elif ropd & Ropd.OR:
        result = one | other
    elif ropd & Ropd.AND:
        result = one & other
    else:
        result = one ^ other
    return (~result if ropd & Ropd.INVERS_RES else result) & 0xFF


def brush_code(ropd: int) -> int:
    """Return the code by which a brush is combined with what is there."""
    return ropd_code(ropd, _BRUSH, Ropd.INVERS_BRUSH, _DESTINATION, Ropd.INVERS_DEST)


def code(operation: RasterOperation) -> int:
    """Return the ternary code of an operation."""
    match operation:
        case draw.DrawFill():
            return brush_code(operation.ropd)
        case draw.DrawOpaque():
            return ropd_code(operation.ropd, _BRUSH, Ropd.INVERS_BRUSH, _SOURCE, Ropd.INVERS_SRC)
        case draw.DrawCopy() | draw.DrawBlend():
            return ropd_code(operation.ropd, _SOURCE, Ropd.INVERS_SRC, _DESTINATION, Ropd.INVERS_DEST)
        case draw.DrawBlackness():
            return rops.BLACKNESS
        case draw.DrawWhiteness():
            return rops.WHITENESS
        case draw.DrawInvers():
            return rops.INVERS
        case draw.DrawRop3():
            return operation.rop3


def written(operation: Operation) -> list[Rect]:
    """Return the area of the surface that may change, as rectangles that do not overlap.

    It is the box within the clip. Of a text only the background and the rectangle of all glyphs are in it, of lines
    only the rectangle around them.
    """
    match operation:
        case draw.DrawStroke():
            return masks.clipped(operation.base, masks.path_bounds(operation.path))
        case draw.DrawText():
            around = bounding((masks.text_bounds(operation.string), *back_area(operation)))
            return masks.clipped(operation.base, around)
    return masks.clipped(operation.base)


def read(operation: Operation) -> list[tuple[int, Rect]]:
    """Return what an operation takes from surfaces, by id: more than its own destination's pixels in place.

    Of images that are stretched, turned or repeated it is all that they could need.
    """
    return list(_reads(operation))


def is_opaque(operation: Operation) -> bool:
    """Tell whether what an operation writes does not depend on what was there, for all of `written`."""
    areas = written(operation)
    for surface_id, rect in read(operation):
        if surface_id == operation.base.surface_id and any(intersect(rect, area) for area in areas):
            return False
    if isinstance(operation, draw.CopyBits):
        return True
    if isinstance(operation, RasterOperation):
        return operation.mask.bitmap is None and ignores(code(operation), 1)
    match operation:
        case draw.DrawText():
            back = Region(*back_area(operation))
            return all(back.covers(area) for area in areas)
        case draw.DrawAlphaBlend():
            payload = operation.src.payload
            formats = (BitmapFormat.RGBA, BitmapFormat.BIT8_A)
            return operation.alpha == 255 and isinstance(payload, Bitmap) and payload.format not in formats
        case draw.DrawComposite():
            return composite.FACTORS[operation.operator][1] == 0 if operation.operator <= composite.SRC else False
    return False


def images(operation: Operation) -> Iterator[Image]:
    """Yield the images of an operation, except its mask of bits."""
    if isinstance(operation, ImageOperation | draw.DrawComposite):
        yield operation.src
    if isinstance(operation, draw.DrawComposite) and operation.mask is not None:
        yield operation.mask
    for brush in brushes(operation):
        if isinstance(brush, Pattern):
            yield brush.image


def brushes(operation: Operation) -> Iterator[Brush]:
    """Yield the brushes of an operation."""
    match operation:
        case draw.DrawFill() | draw.DrawOpaque() | draw.DrawRop3() | draw.DrawStroke():
            yield operation.brush
        case draw.DrawText():
            yield operation.fore_brush
            yield operation.back_brush


def back_area(text: draw.DrawText) -> tuple[Rect, ...]:
    """Return the background of a text, if it has one."""
    area = text.back_area
    return (area,) if area.width > 0 and area.height > 0 else ()


def ignores(ternary: int, bit: int) -> bool:
    """Tell whether a ternary code does not look at one of its bits: 4 of the brush, 2 the source, 1 what is there."""
    return all((ternary >> bits ^ ternary >> (bits ^ bit)) & 1 == 0 for bits in range(8))


def _reads(operation: Operation) -> Iterator[tuple[int, Rect]]:
    base = operation.base
    if isinstance(operation, draw.CopyBits):
        x, y = operation.src_position
        dx, dy = x - base.box.left, y - base.box.top
        yield from ((base.surface_id, translate(area, dx, dy)) for area in written(operation))
        return
    if isinstance(operation, RasterOperation) and (bitmap := operation.mask.bitmap) is not None:
        x, y = operation.mask.position
        yield from _surface_read(bitmap, Rect(x, y, x + base.box.width, y + base.box.height))
    for image in images(operation):
        if isinstance(operation, ImageOperation) and image is operation.src:
            yield from _surface_read(image, operation.src_area)
        else:
            yield from _surface_read(image, Rect(0, 0, image.width, image.height))


def _surface_read(image: Image, rect: Rect) -> Iterator[tuple[int, Rect]]:
    if isinstance(image.payload, SurfaceImage):
        yield image.payload.surface_id, rect
