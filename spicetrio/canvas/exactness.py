"""Which operations viewers render bit for bit as `spicetrio.canvas.render` does.

What they do not must reach them as pixels. That is what depends on how a viewer rounds, and what those that draw with
the code of spice-common (spice-gtk, virt-viewer) get wrong, or do not survive: tests/clients/test_gtk_canvas.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from spicetrio.canvas import composite, masks, operations
from spicetrio.canvas.operations import Operation
from spicetrio.canvas.region import intersect
from spicetrio.canvas.sources import PALETTE_SIZES
from spicetrio.canvas.surface import Surface
from spicetrio.wire import draw
from spicetrio.wire.drawing import Pattern, Solid, String
from spicetrio.wire.enums import (
    AlphaFlags,
    BitmapFormat,
    PathFlags,
    Ropd,
    ScaleMode,
    StringFlags,
    SurfaceFormat,
)
from spicetrio.wire.image import Bitmap, Image
from spicetrio.wire.image import Surface as SurfaceImage

_FORMATS: Final = (SurfaceFormat.XRGB32, SurfaceFormat.ARGB32)
_FATAL: Final = (BitmapFormat.BIT1_LE, BitmapFormat.BIT4_LE)
"""Formats of images at which viewers end."""


def is_basic(operation: Operation) -> bool:
    """Tell whether the simplest of viewers carry an operation out: a copy within the primary, or a plain fill of it.

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

    Args:
        surfaces: All surfaces by id.
        operation: It has passed `spicetrio.canvas.checks.check` with them.
    """
    if surfaces[operation.base.surface_id].format not in _FORMATS:
        return False
    if not all(_is_image_exact(surfaces, operation, image) for image in operations.images(operation)):
        return False
    if isinstance(operation, operations.RasterOperation) and _is_by_surface(operation.mask.bitmap):
        return False  # viewers cannot draw on such a surface either
    match operation:
        case draw.DrawStroke():
            return _is_stroke_exact(operation)
        case draw.DrawText():
            return _is_text_exact(operation)
        case draw.DrawComposite():
            return _is_composite_exact(operation)
        case draw.DrawOpaque() | draw.DrawCopy() | draw.DrawBlend():
            return not _is_stretched(operation) or operation.scale_mode == ScaleMode.NEAREST
        case draw.DrawRop3():
            return _is_rop3_exact(operation)
    return True


def _is_image_exact(surfaces: Mapping[int, Surface], operation: Operation, image: Image) -> bool:
    target = surfaces[operation.base.surface_id]
    has_alpha = target.format is SurfaceFormat.ARGB32
    if isinstance(operation, draw.DrawAlphaBlend) and operation.alpha_flags & AlphaFlags.SRC_SURFACE_HAS_ALPHA:
        has_alpha = True
    if isinstance(image.payload, SurfaceImage):
        source = surfaces[image.payload.surface_id]
        # What the x bytes of a surface are, each viewer decides for itself.
        return source is not target and (source.format is SurfaceFormat.ARGB32 or not has_alpha)
    assert isinstance(image.payload, Bitmap)
    if image.flags or image.payload.format in _FATAL:
        return False
    # So it is with those of an image that is stretched, or of 16 bits. If it has a palette, they take those for alpha.
    stretched = isinstance(operation, operations.ImageOperation) and _is_stretched(operation)
    blended = isinstance(operation, draw.DrawAlphaBlend) and image.payload.format in PALETTE_SIZES
    unclear = stretched or blended or image.payload.format == BitmapFormat.BIT16
    return not (has_alpha and unclear) or image.payload.format == BitmapFormat.RGBA


def _is_by_surface(image: Image | None) -> bool:
    return image is not None and isinstance(image.payload, SurfaceImage)


def _is_stretched(operation: operations.ImageOperation) -> bool:
    area, box = operation.src_area, operation.base.box
    return (area.width, area.height) != (box.width, box.height)


def _is_stroke_exact(operation: draw.DrawStroke) -> bool:
    curved = any(segment.flags & PathFlags.BEZIER for segment in operation.path.segments)
    # Viewers end at a surface as a brush.
    brush = operation.brush
    by_surface = isinstance(brush, Pattern) and _is_by_surface(brush.image)
    return operation.attr.style is None and not curved and not by_surface


def _is_text_exact(operation: draw.DrawText) -> bool:
    # Viewers begin a pattern where the text begins, and a surface that was one is drawn shifted from then on.
    if isinstance(operation.fore_brush, Pattern):
        return False
    if operation.fore_mode != Ropd.PUT and operations.back_area(operation):
        return False
    depth = operation.string.flags
    return depth == StringFlags.A1 or (depth == StringFlags.A4 and not _overlap(operation.string))


def _overlap(string: String) -> bool:
    """Tell whether any two glyphs of a string share a place; of A4 viewers add up some and replace others."""
    boxes = sorted(map(masks.glyph_box, string.glyphs))
    for index, box in enumerate(boxes):
        for other in boxes[index + 1 :]:
            if other.left >= box.right:
                break
            if intersect(box, other):
                return True
    return False


def _is_rop3_exact(operation: draw.DrawRop3) -> bool:
    box, brush = operation.base.box, operation.brush
    # Viewers end at a code that does not look at all three, and at a tile that begins to the right or below.
    if brush is None or any(operations.ignores(operation.rop3, bit) for bit in (1, 2, 4)):
        return False
    if isinstance(brush, Pattern) and (brush.position.x > box.left or brush.position.y > box.top):
        return False
    if not _is_stretched(operation):
        return True
    return operation.scale_mode == ScaleMode.NEAREST and (operation.src_area.left, operation.src_area.top) == (0, 0)


def _is_composite_exact(operation: draw.DrawComposite) -> bool:
    if operation.operator >= composite.SATURATE or operation.src_transform or operation.mask_transform:
        return False
    mask = operation.mask
    # What viewers set for the one they set for the other, if both are one surface.
    if mask is not None and _is_by_surface(mask) and mask.payload == operation.src.payload:
        return False
    # They lose the alpha of an image that has nothing else.
    return all(getattr(image.payload, "format", None) != BitmapFormat.BIT8_A for image in operations.images(operation))
