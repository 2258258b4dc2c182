"""What is drawn: images and brushes as pixels (spec S-8 to S-10, DT-17d).

Everything here trusts that the operation was checked (`spicetrio.canvas.checks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from spicetrio.canvas import formats, sampling
from spicetrio.canvas.surface import BITS, Plane, Surface
from spicetrio.wire.drawing import Brush, Pattern, Solid
from spicetrio.wire.enums import BitmapFlags, BitmapFormat, ScaleMode, SurfaceFormat
from spicetrio.wire.geometry import Point, Rect
from spicetrio.wire.image import Bitmap, Image, Palette
from spicetrio.wire.image import Surface as SurfaceImage

LAYOUTS: Final[Mapping[int, str]] = {
    BitmapFormat.BIT1_LE: "P1LE",
    BitmapFormat.BIT1_BE: "P1BE",
    BitmapFormat.BIT4_LE: "P4LE",
    BitmapFormat.BIT4_BE: "P4BE",
    BitmapFormat.BIT8: "P8",
    BitmapFormat.BIT16: "555",
    BitmapFormat.BIT24: "BGR",
    BitmapFormat.BIT8_A: "A8",
}
"""What `formats.unpack` calls the formats that have not 4 bytes a pixel."""
PALETTE_SIZES: Final[Mapping[int, int]] = {
    BitmapFormat.BIT1_LE: 2,
    BitmapFormat.BIT1_BE: 2,
    BitmapFormat.BIT4_LE: 16,
    BitmapFormat.BIT4_BE: 16,
    BitmapFormat.BIT8: 256,
}
"""Entries that a palette can have."""
PACKED: Final = {SurfaceFormat.A8: "A8", SurfaceFormat.XRGB1555: "555", SurfaceFormat.RGB565: "565"}
"""What `formats` calls the surface formats that have not 4 bytes a pixel."""
_ALPHA: Final = (SurfaceFormat.ARGB32, SurfaceFormat.A8)


def has_alpha(plane: Plane) -> bool:
    """Tell whether pixels can be transparent."""
    return plane.format in _ALPHA


def rows(bitmap: Bitmap) -> tuple[int, int]:
    """Return where a bitmap's top row begins, and the bytes from there to the row below it."""
    if bitmap.flags & BitmapFlags.TOP_DOWN:
        return 0, bitmap.stride
    return bitmap.stride * (bitmap.height - 1), -bitmap.stride


def image_plane(surfaces: Mapping[int, Surface], image: Image, target: Surface) -> Plane:
    """Return an image's pixels, to be drawn on a surface; of that surface itself, a copy.

    Pixels of a bitmap have 4 bytes; those of a surface have its format.
    """
    payload = image.payload
    if isinstance(payload, SurfaceImage):
        surface = surfaces[payload.surface_id]
        plane = surface.plane()
        if surface is target:
            return Plane(bytes(surface.pixels), 0, plane.stride, plane.width, plane.height, plane.format)
        return plane
    assert isinstance(payload, Bitmap)
    width, height = payload.width, payload.height
    offset, stride = rows(payload)
    opaque = payload.format not in (BitmapFormat.RGBA, BitmapFormat.BIT8_A)
    pixel_format = SurfaceFormat.XRGB32 if opaque else SurfaceFormat.ARGB32
    layout = LAYOUTS.get(payload.format)
    if layout is None:
        return Plane(payload.data, offset, stride, width, height, pixel_format)
    palette = _palette(payload, target.format)
    unpacked = formats.unpack(payload.data, offset, stride, width, height, layout, palette)
    return Plane(unpacked, 0, 4 * width, width, height, pixel_format)


def _palette(bitmap: Bitmap, surface_format: SurfaceFormat) -> bytes:
    """Return 4 bytes for each index; the entries are colors as the surface has them."""
    if not isinstance(bitmap.palette, Palette):
        return b""
    count = PALETTE_SIZES.get(bitmap.format, 0)
    entries = b"".join(entry.to_bytes(4, "little") for entry in bitmap.palette.entries[:count])
    entries += bytes(4 * count - len(entries))
    if BITS[surface_format] == 16:
        low = b"".join(entries[at : at + 2] for at in range(0, len(entries), 4))
        return bytes(formats.unpack(low, 0, len(low), count, 1, PACKED[surface_format]))
    return entries


def as_argb(plane: Plane) -> Plane:
    """Return the same pixels with 4 bytes."""
    layout = PACKED.get(plane.format)
    if layout is None:
        return plane
    unpacked = formats.unpack(plane.data, plane.offset, plane.stride, plane.width, plane.height, layout)
    pixel_format = SurfaceFormat.ARGB32 if plane.format is SurfaceFormat.A8 else SurfaceFormat.XRGB32
    return Plane(unpacked, 0, 4 * plane.width, plane.width, plane.height, pixel_format)


def as_raw(plane: Plane, target: Surface) -> Plane:
    """Return pixels as the bits that a surface is to have; those of a surface of the same depth are left alone."""
    layout = PACKED.get(target.format)
    if layout is None or plane.depth == target.depth:
        return plane
    if target.format is SurfaceFormat.A8:
        plane = sampled(plane, Rect(0, 0, plane.width, plane.height))
    stride = target.depth * plane.width
    packed = bytearray(stride * plane.height)
    formats.pack(packed, 0, stride, plane.data, plane.offset, plane.stride, plane.width, plane.height, layout)
    return Plane(packed, 0, stride, plane.width, plane.height, target.format)


def sampled(
    plane: Plane,
    rect: Rect,
    matrix: tuple[int, int, int, int, int, int] = sampling.IDENTITY,
    repeat: int = sampling.PAD,
    *,
    smooth: bool = False,
) -> Plane:
    """Return 4-byte pixels of a rectangle, looked up in others; see `sampling.sample`."""
    plane = as_argb(plane)
    opaque = not has_alpha(plane)
    data = sampling.sample(
        plane.data, plane.offset, plane.stride, plane.width, plane.height, opaque,
        rect.left, rect.top, rect.width, rect.height, matrix, repeat, smooth,
    )  # fmt: skip
    # What lies beyond an opaque image is transparent, so alpha means something wherever there may be such pixels.
    pixel_format = SurfaceFormat.XRGB32 if opaque and repeat != sampling.NONE else SurfaceFormat.ARGB32
    return Plane(data, 0, 4 * rect.width, rect.width, rect.height, pixel_format)


def stretched(plane: Plane, area: Rect, box: Rect, scale_mode: int) -> Plane:
    """Return a part of an image in the size of a box."""
    plane = plane.part(area)
    if (area.width, area.height) == (box.width, box.height):
        return plane
    x_step = area.width * sampling.ONE // box.width
    y_step = area.height * sampling.ONE // box.height
    rect = Rect(0, 0, box.width, box.height)
    return sampled(plane, rect, (x_step, 0, 0, 0, y_step, 0), smooth=scale_mode != ScaleMode.NEAREST)


def brush_plane(surfaces: Mapping[int, Surface], brush: Brush, target: Surface, rect: Rect) -> Plane:
    """Return a brush's pixels for a rectangle of a surface, as that surface has them; black if there is no brush."""
    if isinstance(brush, Pattern):
        tile = image_plane(surfaces, brush.image, target)
        if target.format is SurfaceFormat.ARGB32:  # takes the fourth byte as it is, whatever it means
            tile = replace(tile, format=target.format)
        return as_raw(_tiled(tile, brush.position, rect), target)
    pixel = brush.color.to_bytes(4, "little")[: target.depth] if brush else bytes(target.depth)
    return Plane(pixel * rect.width, 0, 0, rect.width, rect.height, target.format)


def ink_plane(surfaces: Mapping[int, Surface], brush: Solid | Pattern, target: Surface, rect: Rect) -> Plane:
    """Return a brush's 4-byte pixels for a rectangle of a surface; a solid one is opaque."""
    if isinstance(brush, Pattern):
        return _tiled(image_plane(surfaces, brush.image, target), brush.position, rect)
    if target.depth == 2:
        return as_argb(brush_plane(surfaces, brush, target, rect))
    pixel = brush.color.to_bytes(4, "little")
    return Plane(pixel * rect.width, 0, 0, rect.width, rect.height, SurfaceFormat.XRGB32)


def _tiled(tile: Plane, position: Point, rect: Rect) -> Plane:
    left, top = (rect.left - position.x) % tile.width, (rect.top - position.y) % tile.height
    return sampled(tile, Rect(left, top, left + rect.width, top + rect.height), repeat=sampling.NORMAL)
