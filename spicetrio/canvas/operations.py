"""Drawing operations, which are the wire's messages, and what is to be known of them besides their pixels.

Everything here trusts that the operation was checked (`spicetrio.canvas.checks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from spicetrio.canvas import composite, masks, rops
from spicetrio.canvas.region import Region, bounding, intersect, translate
from spicetrio.canvas.surface import Surface
from spicetrio.wire import draw
from spicetrio.wire.drawing import Brush, Pattern, Solid
from spicetrio.wire.enums import BitmapFormat, PathFlags, Ropd, ScaleMode, StringFlags, SurfaceFormat
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
            around = bounding((masks.text_bounds(operation.string), *_back_area(operation)))
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
        return operation.mask.bitmap is None and _ignores(code(operation), 1)
    match operation:
        case draw.DrawText():
            back = Region(*_back_area(operation))
            return all(back.covers(area) for area in areas)
        case draw.DrawAlphaBlend():
            payload = operation.src.payload
            formats = (BitmapFormat.RGBA, BitmapFormat.BIT8_A)
            return operation.alpha == 255 and isinstance(payload, Bitmap) and payload.format not in formats
        case draw.DrawComposite():
            return composite.FACTORS[operation.operator][1] == 0 if operation.operator <= composite.SRC else False
    return False


def is_basic(operation: Operation) -> bool:
    """Tell whether the simplest of viewers carry it out: a copy within the primary, or a plain fill of it.

    Viewers in browsers know no more operations than these, and images; they do not announce COMPOSITE.
    """
    base = operation.base
    if base.surface_id != 0 or base.clip is not None:
        return False
    if isinstance(operation, draw.DrawFill):
        plain = isinstance(operation.brush, Solid) and operation.ropd == Ropd.PUT
        return plain and operation.mask.bitmap is None
    return isinstance(operation, draw.CopyBits)


def is_exact(surfaces: Mapping[int, Surface], operation: Operation) -> bool:
    """Tell whether all viewers that know it render an operation bit for bit as `spicetrio.canvas.render` does.

    What is not exact must reach viewers as pixels. That is what depends on how a viewer rounds, and what those that
    draw with the code of spice-common (spice-gtk, virt-viewer) get wrong, or do not survive.
    """
    return bool(_exact_surface(surfaces, operation) and _exact_images(operation) and _exact_kind(operation))


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


def _back_area(text: draw.DrawText) -> tuple[Rect, ...]:
    area = text.back_area
    return (area,) if area.width > 0 and area.height > 0 else ()


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


def _exact_surface(surfaces: Mapping[int, Surface], operation: Operation) -> bool:
    """Tell whether it is seen to be exact on such a surface, with such surfaces as images."""
    target = surfaces[operation.base.surface_id]
    if target.format not in _EXACT_FORMATS:
        return False
    for image in images(operation):
        if isinstance(image.payload, SurfaceImage):
            source = surfaces[image.payload.surface_id]
            # What the x bytes of a surface are, each viewer decides for itself.
            if source is target or (target.format is SurfaceFormat.ARGB32 and source.format is not target.format):
                return False
    return True


_EXACT_FORMATS: Final = (SurfaceFormat.XRGB32, SurfaceFormat.ARGB32)
_FATAL_FORMATS: Final = (BitmapFormat.BIT1_LE, BitmapFormat.BIT4_LE)


def _exact_images(operation: Operation) -> bool:
    for image in images(operation):
        if image.flags or (isinstance(image.payload, Bitmap) and image.payload.format in _FATAL_FORMATS):
            return False
    return True


def _exact_kind(operation: Operation) -> bool:
    box = operation.base.box
    match operation:
        case draw.DrawStroke():
            flags = {flag for segment in operation.path.segments for flag in PathFlags if segment.flags & flag}
            tiled_by_surface = any(isinstance(image.payload, SurfaceImage) for image in images(operation))
            return operation.attr.style is None and PathFlags.BEZIER not in flags and not tiled_by_surface
        case draw.DrawText():
            plain = operation.fore_mode == Ropd.PUT or not _back_area(operation)
            return plain and operation.string.flags in (StringFlags.A1, StringFlags.A4)
        case draw.DrawComposite():
            return _exact_composite(operation)
        case draw.DrawTransparent() | draw.DrawAlphaBlend():
            return True
        case draw.DrawOpaque() | draw.DrawCopy() | draw.DrawBlend() | draw.DrawRop3():
            area = operation.src_area
            stretched = (area.width, area.height) != (box.width, box.height)
            if stretched and operation.scale_mode != ScaleMode.NEAREST:
                return False
            return not isinstance(operation, draw.DrawRop3) or _exact_rop3(operation, stretched=stretched)
    return True


def _exact_rop3(operation: draw.DrawRop3, *, stretched: bool) -> bool:
    box, brush = operation.base.box, operation.brush
    # Viewers end at a code that does not look at all three, and at a tile that begins to the right or below.
    if any(_ignores(operation.rop3, shift) for shift in (1, 2, 4)) or brush is None:
        return False
    if isinstance(brush, Pattern) and (brush.position.x > box.left or brush.position.y > box.top):
        return False
    return not stretched or (operation.src_area.left, operation.src_area.top) == (0, 0)


def _ignores(ternary: int, shift: int) -> bool:
    """Tell whether a code does not look at one of its three bits: 4 the brush, 2 the source, 1 the destination."""
    return all((ternary >> bits ^ ternary >> (bits ^ shift)) & 1 == 0 for bits in range(8))


def _exact_composite(operation: draw.DrawComposite) -> bool:
    if operation.operator >= composite.SATURATE or operation.src_transform or operation.mask_transform:
        return False
    mask = operation.mask
    return mask is None or not (isinstance(mask.payload, Bitmap) and mask.payload.format == BitmapFormat.BIT8_A)
