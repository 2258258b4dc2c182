"""Drawing operations rendered in the plainest way, on arrays: what the canvas is held against.

Surfaces are arrays of rows, columns and 4 bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np

from spicetrio.canvas.masks import polylines
from spicetrio.wire import draw
from spicetrio.wire.drawing import Brush, LineAttr, Pattern, QMask, Solid, String
from spicetrio.wire.enums import (
    BitmapFlags,
    BitmapFormat,
    CompositeFlags,
    LineFlags,
    MaskFlags,
    Ropd,
    ScaleMode,
    StringFlags,
    SurfaceFormat,
)
from spicetrio.wire.geometry import Rect, Transform
from spicetrio.wire.image import Bitmap, Image, Palette

Array = np.ndarray

FACTORS = {
    0: ("zero", "zero"), 1: ("one", "zero"), 2: ("zero", "one"), 3: ("one", "rest"), 4: ("rest", "one"),
    5: ("alpha", "zero"), 6: ("zero", "alpha"), 7: ("rest", "zero"), 8: ("zero", "rest"), 9: ("alpha", "rest"),
    10: ("rest", "alpha"), 11: ("rest", "rest"), 12: ("one", "one"),
}  # fmt: skip


class Reference:
    """Surfaces by id, as arrays and formats."""

    def __init__(self, arrays: Mapping[int, Array], formats: Mapping[int, SurfaceFormat]) -> None:
        self.arrays = arrays
        self.formats = formats

    def render(self, operation: object) -> None:
        """Draw on the array of the surface that an operation names."""
        base = operation.base
        self.id, self.box = base.surface_id, base.box
        self.array = self.arrays[self.id]
        self.height, self.width = self.array.shape[:2]
        self.where = inside(self.array, self.box)
        if base.clip is not None:
            self.where &= np.logical_or.reduce([inside(self.array, rect) for rect in base.clip] or [self.where & False])
        result = getattr(self, f"_{type(operation).__name__.lower()}")(operation)
        if self.formats[self.id] is SurfaceFormat.XRGB32:
            result[..., 3] = 0
        self.array[self.where] = result[self.where]

    # Parts. All arrays have the size of the surface.

    def place(self, part: Array) -> Array:
        """What covers the box, in an array as large as the surface."""
        whole = np.zeros((self.height, self.width, *part.shape[2:]), part.dtype)
        whole[self.box.top : self.box.bottom, self.box.left : self.box.right] = part
        return whole

    def source(self, image: Image, area: Rect, scale_mode: int) -> Array:
        array, opaque = self.image(image)
        part = array[area.top : area.bottom, area.left : area.right]
        if (area.width, area.height) == (self.box.width, self.box.height):
            return self.place(part)
        matrix = (area.width * 65536 // self.box.width, 0, 0, 0, area.height * 65536 // self.box.height, 0)
        if opaque:
            part = with_alpha(part)
        shape = (self.box.height, self.box.width)
        return self.place(lookup(part, shape, 0, 0, matrix, 2, smooth=scale_mode == ScaleMode.INTERPOLATE))

    def image(self, image: Image) -> tuple[Array, bool]:
        """Its pixels, and whether they have no alpha."""
        payload = image.payload
        if not isinstance(payload, Bitmap):
            return self.arrays[payload.surface_id].copy(), self.formats[payload.surface_id] is SurfaceFormat.XRGB32
        return bitmap_array(payload), payload.format not in (BitmapFormat.RGBA, BitmapFormat.BIT8_A)

    def tiles(self, brush: Pattern, *, alpha: bool) -> Array:
        tile, opaque = self.image(brush.image)
        if alpha and opaque:
            tile = with_alpha(tile)
        rows = (np.arange(self.height) - brush.position.y) % tile.shape[0]
        columns = (np.arange(self.width) - brush.position.x) % tile.shape[1]
        return tile[rows][:, columns]

    def brush(self, brush: Brush) -> Array:
        if isinstance(brush, Pattern):
            return self.tiles(brush, alpha=False)
        color = brush.color if isinstance(brush, Solid) else 0
        return np.broadcast_to(
            np.frombuffer(color.to_bytes(4, "little"), np.uint8), (self.height, self.width, 4)
        ).copy()

    def mask(self, mask: QMask) -> None:
        if mask.bitmap is None:
            return
        bits = bit_rows(mask.bitmap.payload)
        x, y = mask.position
        part = bits[y : y + self.box.height, x : x + self.box.width].astype(bool)
        if mask.flags & MaskFlags.INVERS:
            part = ~part
        self.where &= self.place(part)

    def combine(self, ropd: int, one: Array, other: Array, inverted: tuple[int, int]) -> Array:
        put = ~one if ropd & inverted[0] else one
        below = ~other if ropd & inverted[1] else other
        for bit, result in (
            (Ropd.PUT, put), (Ropd.OR, put | below), (Ropd.AND, put & below), (Ropd.XOR, put ^ below),
        ):  # fmt: skip
            if ropd & bit:
                return ~result if ropd & Ropd.INVERS_RES else result.copy()
        for bit, result in (
            (Ropd.BLACKNESS, other & 0), (Ropd.WHITENESS, other | 255), (Ropd.INVERS, ~other),
        ):  # fmt: skip
            if ropd & bit:
                return result
        return one

    # Operations.

    def _copybits(self, op: draw.CopyBits) -> Array:
        x, y = op.src_position
        return self.place(self.array[y : y + self.box.height, x : x + self.box.width].copy())

    def _drawfill(self, op: draw.DrawFill) -> Array:
        self.mask(op.mask)
        return self.combine(op.ropd, self.brush(op.brush), self.array, (Ropd.INVERS_BRUSH, Ropd.INVERS_DEST))

    def _drawopaque(self, op: draw.DrawOpaque) -> Array:
        self.mask(op.mask)
        source = self.source(op.src, op.src_area, op.scale_mode)
        return self.combine(op.ropd, self.brush(op.brush), source, (Ropd.INVERS_BRUSH, Ropd.INVERS_SRC))

    def _drawcopy(self, op: draw.DrawCopy) -> Array:
        self.mask(op.mask)
        source = self.source(op.src, op.src_area, op.scale_mode)
        return self.combine(op.ropd, source, self.array, (Ropd.INVERS_SRC, Ropd.INVERS_DEST))

    _drawblend = _drawcopy

    def _drawblackness(self, op: draw.DrawBlackness) -> Array:
        self.mask(op.mask)
        return self.array & 0

    def _drawwhiteness(self, op: draw.DrawWhiteness) -> Array:
        self.mask(op.mask)
        return self.array | 255

    def _drawinvers(self, op: draw.DrawInvers) -> Array:
        self.mask(op.mask)
        return ~self.array

    def _drawrop3(self, op: draw.DrawRop3) -> Array:
        self.mask(op.mask)
        brush, source = self.brush(op.brush), self.source(op.src, op.src_area, op.scale_mode)
        result = self.array & 0
        for bits in range(8):
            if op.rop3 >> bits & 1:
                result |= (
                    (brush if bits & 4 else ~brush)
                    & (source if bits & 2 else ~source)
                    & (self.array if bits & 1 else ~self.array)
                )
        return result

    def _drawtransparent(self, op: draw.DrawTransparent) -> Array:
        source = self.source(op.src, op.src_area, ScaleMode.NEAREST)
        key = np.frombuffer(op.true_color.to_bytes(3, "little"), np.uint8)
        self.where &= (source[..., :3] != key).any(axis=2)
        return source

    def _drawalphablend(self, op: draw.DrawAlphaBlend) -> Array:
        source = self.source(op.src, op.src_area, ScaleMode.NEAREST)
        if self.image(op.src)[1]:
            source = with_alpha(source)
        factor = np.full((self.height, self.width, 4), op.alpha)
        return self.compose(3, source, factor)

    def _drawstroke(self, op: draw.DrawStroke) -> Array:
        result = self.array.copy()
        brush = self.brush(op.brush)
        for x, y in stroke_points(op):
            if 0 <= x < self.width and 0 <= y < self.height:
                bits = (Ropd.INVERS_BRUSH, Ropd.INVERS_DEST)
                result[y, x] = self.combine(op.fore_mode, brush[y, x], result[y, x], bits)
        return result

    def _drawtext(self, op: draw.DrawText) -> Array:
        background = inside(self.array, op.back_area)
        before = self.array.copy()
        here = self.where & background
        self.array[here] = self.brush(op.back_brush)[here]
        if self.formats[self.id] is SurfaceFormat.XRGB32:
            self.array[here, 3] = 0
        result = self.array.copy()
        if op.fore_brush is not None:
            if isinstance(op.fore_brush, Pattern):
                ink = self.tiles(op.fore_brush, alpha=True)
            else:
                ink = with_alpha(self.brush(op.fore_brush))
            cover = string_cover(op.string, self.array.shape[:2])
            result = self.compose(3, ink, np.repeat(cover[..., None], 4, axis=2))
        self.array[...] = before
        return result

    def _drawcomposite(self, op: draw.DrawComposite) -> Array:
        shape = (self.box.height, self.box.width)
        source = self.sampled(op.src, shape, op.src_origin, op.src_transform, op.src_repeat, op.src_filter)
        factor = np.full((self.height, self.width, 4), 255)
        if op.mask is not None:
            mask = self.sampled(op.mask, shape, op.mask_origin, op.mask_transform, op.mask_repeat, op.mask_filter)
            factor = mask if op.flags & CompositeFlags.COMPONENT_ALPHA else np.repeat(mask[..., 3:], 4, axis=2)
        return self.compose(op.operator, source, factor)

    def sampled(
        self, image: Image, shape: tuple[int, int], origin: tuple[int, int], transform: Transform | None, *how: int
    ) -> Array:
        repeat, kind = how
        array, opaque = self.image(image)
        if opaque:
            array = with_alpha(array)
        matrix = (65536, 0, 0, 0, 65536, 0)
        if transform is not None:
            numbers = np.array([getattr(transform, name) for name in transform.__slots__], np.uint32)
            matrix = tuple(numbers.view(np.int32).tolist())
        smooth = kind in (1, 2, 4) and transform is not None
        return self.place(lookup(array, shape, *origin, matrix, repeat, smooth=smooth))

    def compose(self, operator: int, source: Array, factor: Array) -> Array:
        source, factor, below = source.astype(int), factor.astype(int), self.array.astype(int)
        if self.formats[self.id] is SurfaceFormat.XRGB32:
            below[..., 3] = 255
        s_alpha = product(source[..., 3:], factor)
        d_alpha = below[..., 3:]
        source = product(source, factor)
        if operator == 13:
            room = 255 - d_alpha
            safe = np.maximum(s_alpha, 1)
            s_factor = np.where(s_alpha > room, (room * 255 + safe // 2) // safe, 255)
            return np.minimum(product(source, s_factor) + below, 255).astype(np.uint8)
        first, second = FACTORS[operator]
        amounts = {
            "zero": lambda a: a * 0,
            "one": lambda a: a * 0 + 255,
            "alpha": lambda a: a,
            "rest": lambda a: 255 - a,
        }
        result = product(source, amounts[first](d_alpha)) + product(below, amounts[second](s_alpha))
        return np.minimum(result, 255).astype(np.uint8)


def product(a: Array, b: Array) -> Array:
    """A product of fractions of 255, rounded to the nearest one."""
    return (2 * a * b + 255) // 510


def with_alpha(array: Array) -> Array:
    array = array.copy()
    array[..., 3] = 255
    return array


def inside(array: Array, rect: Rect) -> Array:
    rows, columns = np.mgrid[: array.shape[0], : array.shape[1]]
    return (rows >= rect.top) & (rows < rect.bottom) & (columns >= rect.left) & (columns < rect.right)


def bit_rows(bitmap: Bitmap) -> Array:
    rows = np.frombuffer(bitmap.data, np.uint8).reshape(bitmap.height, bitmap.stride)
    if not bitmap.flags & BitmapFlags.TOP_DOWN:
        rows = rows[::-1]
    order = "little" if bitmap.format in (BitmapFormat.BIT1_LE, BitmapFormat.BIT4_LE) else "big"
    return np.unpackbits(rows, axis=1, bitorder=order)


def bitmap_array(bitmap: Bitmap) -> Array:
    rows = np.frombuffer(bitmap.data, np.uint8).reshape(bitmap.height, bitmap.stride)
    if not bitmap.flags & BitmapFlags.TOP_DOWN:
        rows = rows[::-1]
    width = bitmap.width
    result = np.zeros((bitmap.height, width, 4), np.uint8)
    if bitmap.format in (BitmapFormat.BIT32, BitmapFormat.RGBA):
        return rows[:, : 4 * width].reshape(bitmap.height, width, 4).copy()
    if bitmap.format == BitmapFormat.BIT24:
        result[..., :3] = rows[:, : 3 * width].reshape(bitmap.height, width, 3)
    elif bitmap.format == BitmapFormat.BIT16:
        values = rows[:, : 2 * width].copy().view("<u2")
        for channel in range(3):
            result[..., channel] = (values >> 5 * channel & 31) * 33 >> 2
    elif bitmap.format == BitmapFormat.BIT8_A:
        result[..., 3] = rows[:, :width]
    else:
        assert isinstance(bitmap.palette, Palette)
        colors = np.array(bitmap.palette.entries, "<u4").view(np.uint8).reshape(-1, 4)
        if bitmap.format == BitmapFormat.BIT8:
            indexes = rows[:, :width]
        else:
            depth = 1 if bitmap.format in (BitmapFormat.BIT1_LE, BitmapFormat.BIT1_BE) else 4
            bits = bit_rows(bitmap)[:, : depth * width].reshape(bitmap.height, width, depth)
            order = "little" if bitmap.format == BitmapFormat.BIT4_LE else "big"
            weights = [1, 2, 4, 8][:depth] if order == "little" else [8, 4, 2, 1][-depth:]
            indexes = (bits * weights).sum(axis=2)
        return colors[indexes]
    return result


def lookup(
    array: Array, shape: tuple[int, int], x: int, y: int, matrix: tuple[int, ...], repeat: int, *, smooth: bool
) -> Array:
    """Pixels of an image at the places that a matrix gives for the centers of others."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.int64)
    a, b, c, d, e, f = matrix
    # In halves of 1/65536, rounded up to whole ones.
    px = (a * (2 * (columns + x) + 1) + b * (2 * (rows + y) + 1) + 2 * c + 1) // 2
    py = (d * (2 * (columns + x) + 1) + e * (2 * (rows + y) + 1) + 2 * f + 1) // 2
    if not smooth:
        return fetch(array, (px - 1) // 65536, (py - 1) // 65536, repeat)
    px, py = px - 32768, py - 32768
    right, down = (px // 512 % 128)[..., None], (py // 512 % 128)[..., None]
    left, top = px // 65536, py // 65536
    corners = (fetch(array, left + dx, top + dy, repeat).astype(np.int64) for dy in (0, 1) for dx in (0, 1))
    weights = ((128 - right, 128 - down), (right, 128 - down), (128 - right, down), (right, down))
    return (sum(corner * w * v for corner, (w, v) in zip(corners, weights, strict=True)) // 16384).astype(np.uint8)


def fetch(array: Array, columns: Array, rows: Array, repeat: int) -> Array:
    height, width = array.shape[:2]
    nothing = (columns < 0) | (columns >= width) | (rows < 0) | (rows >= height)
    if repeat in (0, 2):
        columns, rows = columns.clip(0, width - 1), rows.clip(0, height - 1)
    elif repeat == 1:
        columns, rows = columns % width, rows % height
    else:
        columns, rows = columns % (2 * width), rows % (2 * height)
        columns, rows = np.minimum(columns, 2 * width - 1 - columns), np.minimum(rows, 2 * height - 1 - rows)
    result = array[rows, columns]
    if repeat == 0:
        result[nothing] = 0
    return result


def string_cover(string: String, shape: tuple[int, int]) -> Array:
    cover = np.zeros(shape, np.uint8)
    depth = next(bits for flag, bits in ((1, 1), (2, 4), (4, 8)) if string.flags & flag)
    for glyph in string.glyphs:
        size = (depth * glyph.width + 7) // 8
        rows = np.frombuffer(glyph.data, np.uint8).reshape(glyph.height, size)
        if not string.flags & StringFlags.TOP_DOWN:
            rows = rows[::-1]
        for row in range(glyph.height):
            for column in range(glyph.width):
                bits = int.from_bytes(rows[row].tobytes(), "big") >> (8 * size - depth * (column + 1))
                value = (bits & ((1 << depth) - 1)) * {1: 255, 4: 16, 8: 1}[depth]
                x = glyph.render_position.x + glyph.origin.x + column
                y = glyph.render_position.y + glyph.origin.y + row
                if 0 <= x < shape[1] and 0 <= y < shape[0]:
                    cover[y, x] = max(cover[y, x], value)
    return cover


def dashes(attr: LineAttr) -> Iterator[bool]:
    """Whether the next pixel of a line is drawn."""
    if attr.style is None:
        while True:
            yield True
    drawn = not attr.flags & LineFlags.START_WITH_GAP
    while True:
        for length in attr.style:
            for _ in range((length + 7) // 16):
                yield drawn
            drawn = not drawn


def stroke_points(stroke: draw.DrawStroke) -> Iterator[tuple[int, int]]:
    """The pixels of a path, one after another, as Bresenham found them."""
    for line in polylines(stroke.path):
        drawn = dashes(stroke.attr)
        for (x, y), (end_x, end_y) in pairwise(line):
            along, aside = abs(end_x - x), abs(end_y - y)
            step_x, step_y = (1 if end_x >= x else -1), (1 if end_y >= y else -1)
            steep = along <= aside
            if steep:
                along, aside = aside, along
            backward = (step_y if steep else step_x) < 0
            error = 2 * aside - along - backward
            for _ in range(along):
                if next(drawn):
                    yield x, y
                both = error >= 0
                error += 2 * aside - (2 * along if both else 0)
                x += step_x if both or not steep else 0
                y += step_y if both or steep else 0
