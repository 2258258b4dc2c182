"""Whether an operation can be rendered at all (spec DT-3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from spicetrio.canvas import composite, formats, masks, mixing, operations, sources
from spicetrio.canvas.operations import Operation
from spicetrio.canvas.region import intersect
from spicetrio.canvas.surface import BITS, LARGEST, Shape
from spicetrio.wire import draw
from spicetrio.wire.drawing import GLYPH_BITS, LineAttr, Path, Pattern, QMask, Solid, String
from spicetrio.wire.enums import (
    AlphaFlags,
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
from spicetrio.wire.geometry import Rect
from spicetrio.wire.image import BITS_PER_PIXEL, Bitmap, Image, Palette
from spicetrio.wire.image import Surface as SurfaceImage

_ALL_ROPD: Final = sum(Ropd)
_LONGEST_DASHES: Final = 1 << 16
_FARTHEST: Final = 1 << 24
"""Pixels from which on nothing is tried."""
_FILTERS: Final = range(5)


def check(surfaces: Mapping[int, Shape], operation: Operation) -> None:
    """Refuse what cannot be rendered; what passes is rendered without an error, as long as the surfaces stay.

    Raises:
        ValueError: It cannot; the text says what was got and what was expected.
    """
    base = operation.base
    target = _surface(surfaces, base.surface_id, "the drawing is on")
    if target.format is SurfaceFormat.A1:
        raise ValueError(f"surface {base.surface_id} has one bit a pixel, expected one that is not only a mask")
    _check_inside("the box", base.box, target.bounds)
    for rect in base.clip or ():
        if rect.width < 0 or rect.height < 0 or max(map(abs, rect)) > _FARTHEST:
            raise ValueError(
                f"got {rect} in the clip, expected its right and bottom not before its left and top, "
                f"and less than {_FARTHEST} pixels away"
            )
    for brush in operations.brushes(operation):
        if isinstance(brush, Solid):
            _check_range("the color of a brush", brush.color, 0xFFFFFFFF)
        elif isinstance(brush, Pattern):
            _check_image(surfaces, brush.image, target)
            _check_near("the position of a pattern", *brush.position)
    if isinstance(operation, draw.CopyBits):
        x, y = operation.src_position
        _check_inside("the source", Rect(x, y, x + base.box.width, y + base.box.height), target.bounds)
    elif isinstance(operation, draw.DrawStroke):
        _check_path(operation.path)
        _check_dashes(operation.attr)
        _check_ropd(operation.fore_mode)
        _check_ropd(operation.back_mode)
    elif isinstance(operation, draw.DrawText):
        _check_string(operation.string)
        _check_ropd(operation.fore_mode)
        _check_ropd(operation.back_mode)
    elif isinstance(operation, draw.DrawComposite):
        _check_composite(surfaces, operation, target)
    if isinstance(operation, operations.ImageOperation):
        _check_image(surfaces, operation.src, target)
        _check_inside("src_area", operation.src_area, _image_bounds(surfaces, operation.src))
    if isinstance(operation, operations.RasterOperation):
        _check_mask(surfaces, operation.mask, base.box)
    if isinstance(operation, draw.DrawFill | draw.DrawOpaque | draw.DrawCopy | draw.DrawBlend):
        _check_ropd(operation.ropd)
    if isinstance(operation, draw.DrawOpaque | draw.DrawCopy | draw.DrawBlend | draw.DrawRop3):
        _check_range("scale_mode", operation.scale_mode, max(ScaleMode))
    if isinstance(operation, draw.DrawRop3):
        _check_range("rop3", operation.rop3, 0xFF)
    elif isinstance(operation, draw.DrawTransparent):
        _check_range("true_color", operation.true_color, 0xFFFFFF)
        _check_range("src_color", operation.src_color, 0xFFFFFFFF)
    elif isinstance(operation, draw.DrawAlphaBlend):
        _check_range("alpha", operation.alpha, 0xFF)
        _check_range("alpha_flags", operation.alpha_flags, sum(AlphaFlags))


def _check_range(what: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        raise ValueError(f"{what} is {value}, expected 0 to {most}")


def _check_near(what: str, *places: int) -> None:
    if max(map(abs, places)) > _FARTHEST:
        raise ValueError(f"{what} is {places}, expected less than {_FARTHEST} pixels")


def _check_ropd(ropd: int) -> None:
    if ropd & ~_ALL_ROPD:
        raise ValueError(f"the raster operation is {ropd:#x}, expected bits of {_ALL_ROPD:#x}")


def _check_inside(what: str, rect: Rect, bounds: Rect) -> None:
    if intersect(rect, bounds) != rect:
        raise ValueError(f"{what} is {rect}, expected at least one pixel, and all of it within {bounds}")


def _surface(surfaces: Mapping[int, Shape], surface_id: int, what: str) -> Shape:
    surface = surfaces.get(surface_id)
    if surface is None:
        known = ", ".join(map(str, surfaces)) or "none"
        raise ValueError(f"{what} surface {surface_id}, expected one of those there are: {known}")
    return surface


def _image_bounds(surfaces: Mapping[int, Shape], image: Image) -> Rect:
    if isinstance(image.payload, SurfaceImage):
        return surfaces[image.payload.surface_id].bounds
    return Rect(0, 0, image.width, image.height)


def _check_image(surfaces: Mapping[int, Shape], image: Image, target: Shape, *, any_depth: bool = False) -> None:
    payload = image.payload
    if isinstance(payload, SurfaceImage):
        surface = _surface(surfaces, payload.surface_id, "the image is")
        depths = BITS[surface.format], BITS[target.format]
        if depths[0] == 1 or (depths[0] != depths[1] and not any_depth):
            raise ValueError(f"the image is a surface of {depths[0]} bits a pixel, expected {depths[1]} as drawn on")
        if (image.width, image.height) != (surface.width, surface.height):
            raise ValueError(
                f"the image is {image.width} x {image.height}, expected that of its surface: "
                f"{surface.width} x {surface.height}"
            )
    elif isinstance(payload, Bitmap):
        _check_bitmap(image, payload)
        _check_colors(payload, target)
    else:
        raise ValueError(f"the image is {type(payload).__name__}, expected a Bitmap or a Surface")


def _check_bitmap(image: Image, bitmap: Bitmap) -> None:
    """Check that all pixels of a bitmap are there."""
    size = bitmap.width, bitmap.height
    if min(size) < 1 or max(size) > LARGEST or (image.width, image.height) != size:
        raise ValueError(
            f"the image is {image.width} x {image.height}, its bitmap {bitmap.width} x {bitmap.height}, "
            f"expected the same, and 1 to {LARGEST} each"
        )
    bits = BITS_PER_PIXEL.get(bitmap.format)
    if bits is None:
        raise ValueError(f"the bitmap's format is {bitmap.format}, expected one of {[*map(int, BITS_PER_PIXEL)]}")
    row = (bits * bitmap.width + 7) // 8
    view = memoryview(bitmap.data)
    if bitmap.stride < row or view.nbytes != bitmap.stride * bitmap.height or not view.c_contiguous:
        raise ValueError(
            f"the bitmap has {view.nbytes} bytes in {bitmap.height} rows of {bitmap.stride}, "
            f"expected rows of at least {row} without gaps"
        )


def _check_colors(bitmap: Bitmap, target: Shape) -> None:
    """Check that there is a color for each index."""
    count = sources.PALETTE_SIZES.get(bitmap.format)
    if count is None:
        return
    if target.format is SurfaceFormat.A8:
        raise ValueError("the bitmap has a palette, expected none on a surface of alpha")
    if not isinstance(bitmap.palette, Palette) or bitmap.flags & BitmapFlags.PAL_FROM_CACHE:
        raise ValueError(f"the bitmap's palette is {bitmap.palette!r}, expected one with its colors")
    entries = bitmap.palette.entries
    for entry in entries:
        _check_range("a color of the palette", entry, 0xFFFFFFFF)
    if len(entries) < count:
        offset, stride = sources.rows(bitmap)
        layout = sources.LAYOUTS[bitmap.format]
        highest = formats.highest_index(bitmap.data, offset, stride, bitmap.width, bitmap.height, layout)
        if highest >= len(entries):
            raise ValueError(f"the bitmap has index {highest}, expected less than the palette's {len(entries)} colors")


def _check_mask(surfaces: Mapping[int, Shape], mask: QMask, box: Rect) -> None:
    image = mask.bitmap
    if image is None:
        return
    if isinstance(image.payload, SurfaceImage):
        surface = _surface(surfaces, image.payload.surface_id, "the mask is")
        if surface.format is not SurfaceFormat.A1:
            raise ValueError(f"the mask is a surface of format {surface.format.name}, expected A1")
    elif isinstance(image.payload, Bitmap):
        _check_bitmap(image, image.payload)
        if image.payload.format not in (BitmapFormat.BIT1_LE, BitmapFormat.BIT1_BE):
            raise ValueError(f"the mask's format is {image.payload.format}, expected BIT1_LE or BIT1_BE")
    else:
        raise ValueError(f"the mask is {type(image.payload).__name__}, expected a Bitmap or a Surface")
    x, y = mask.position
    needed = Rect(x, y, x + box.width, y + box.height)
    _check_inside("the part of the mask that is needed", needed, _image_bounds(surfaces, image))


def _check_path(path: Path) -> None:
    begun = False
    for segment in path.segments:
        curves = len(segment.points)
        if segment.flags & PathFlags.BEGIN:
            if not segment.points:
                raise ValueError("a part of the path begins without a point, expected one")
            begun, curves = True, curves - 1
        if segment.flags & PathFlags.BEZIER and (curves % 3 or not begun):
            raise ValueError(f"a curve has {curves} points, expected a beginning before it, and three for each curve")
        begun = (begun or bool(segment.points)) and not segment.flags & PathFlags.END
        for x, y in segment.points:
            _check_near("a point of the path", x // 16, y // 16)
    if not any(segment.points for segment in path.segments):
        raise ValueError("the path has no points, expected at least one")


def _check_dashes(attr: LineAttr) -> None:
    if bool(attr.flags & LineFlags.STYLED) != (attr.style is not None):
        raise ValueError(
            f"the line's flags are {attr.flags:#x} with style {attr.style}, expected STYLED if there is one"
        )
    if attr.style is None:
        return
    proper = 0 < len(attr.style) < 256 and min(attr.style) >= 0 and sum(attr.style) <= 16 * _LONGEST_DASHES
    if not proper or not masks.dash_pattern(attr):
        raise ValueError(f"the style is {attr.style}, expected lengths of 1 to {_LONGEST_DASHES} pixels together")


def _check_string(string: String) -> None:
    depth = GLYPH_BITS.get(string.flags & ~StringFlags.TOP_DOWN)
    if depth is None:
        raise ValueError(f"the flags of the string are {string.flags:#x}, expected one of A1, A4 and A8")
    if not string.glyphs:
        raise ValueError("the string has no glyphs, expected at least one")
    for glyph in string.glyphs:
        expected = (depth * glyph.width + 7) // 8 * glyph.height
        size = memoryview(glyph.data).nbytes
        if not (0 <= glyph.width < 1 << 16 and 0 <= glyph.height < 1 << 16) or size != expected:
            raise ValueError(f"a glyph of {glyph.width} x {glyph.height} has {size} bytes, expected {expected}")
        _check_near("the place of a glyph", *glyph.render_position, *glyph.origin)


def _check_composite(surfaces: Mapping[int, Shape], operation: draw.DrawComposite, target: Shape) -> None:
    by_component = operation.mask is not None and operation.flags & CompositeFlags.COMPONENT_ALPHA
    known = operation.operator in composite.OPERATORS or operation.operator in mixing.OPERATORS
    if not known or (by_component and operation.operator >= mixing.HUE):
        raise ValueError(
            f"the operator is {operation.operator:#x}, expected 0 to 0xd or 0x30 to 0x3e, less than 0x3b by component"
        )
    for flag, value in (
        (CompositeFlags.HAS_MASK, operation.mask),
        (CompositeFlags.HAS_SRC_TRANSFORM, operation.src_transform),
        (CompositeFlags.HAS_MASK_TRANSFORM, operation.mask_transform),
    ):
        if bool(operation.flags & flag) != (value is not None):
            raise ValueError(f"the flags are {operation.flags:#x} with {value!r}, expected {flag.name} if there is one")
    places = (*operation.src_origin, *operation.mask_origin)
    if not all(-(1 << 15) <= place < 1 << 15 for place in places):
        raise ValueError(f"the origins are {places}, expected numbers of 16 bits")
    _check_range("the filter", max(operation.src_filter, operation.mask_filter), max(_FILTERS))
    for image in (operation.src, operation.mask):
        if image is not None:
            _check_image(surfaces, image, target, any_depth=True)
