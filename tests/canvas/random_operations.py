"""Drawing operations of all kinds by chance, on surfaces of all formats."""

from __future__ import annotations

import random
from collections.abc import Mapping

from spicetrio.canvas.operations import Operation
from spicetrio.canvas.surface import BITS, Surface
from spicetrio.wire import draw
from spicetrio.wire.drawing import (
    NO_MASK,
    Brush,
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
    MaskFlags,
    PathFlags,
    Ropd,
    ScaleMode,
    StringFlags,
    SurfaceFormat,
)
from spicetrio.wire.geometry import Clip, Point, Point16, PointFix, Rect, Transform
from spicetrio.wire.image import BITS_PER_PIXEL, Bitmap, Image, Palette
from spicetrio.wire.image import Surface as SurfaceImage

KINDS = draw.DRAW_MESSAGES
PALETTES = {
    BitmapFormat.BIT1_LE: 2,
    BitmapFormat.BIT1_BE: 2,
    BitmapFormat.BIT4_LE: 16,
    BitmapFormat.BIT4_BE: 16,
    BitmapFormat.BIT8: 256,
}
OPERATORS = (*range(14), *range(0x30, 0x3F))


class RandomOperations:
    """Makes operations that pass the checks."""

    def __init__(self, surfaces: Mapping[int, Surface], seed: int) -> None:
        self.surfaces = surfaces
        self.random = random.Random(seed)

    def operation(self, kind: type, surface_id: int = 0) -> Operation:
        self.target = self.surfaces[surface_id]
        self.box = self.rect(self.target.bounds)
        base = DisplayBase(surface_id, self.box, self.clip())
        return getattr(self, f"_{kind.__name__.lower()}")(base)

    # Parts.

    def number(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def rect(self, bounds: Rect) -> Rect:
        """A rectangle in another: often small, sometimes all of it."""
        most = self.random.choice((3, 12, 1 << 30))
        width = self.number(1, min(most, bounds.width))
        height = self.number(1, min(most, bounds.height))
        left = self.number(bounds.left, bounds.right - width)
        top = self.number(bounds.top, bounds.bottom - height)
        return Rect(left, top, left + width, top + height)

    def clip(self) -> Clip:
        if self.number(0, 2):
            return None
        around = Rect(self.box.left - 5, self.box.top - 5, self.box.right + 5, self.box.bottom + 5)
        return tuple(self.rect(around) for _ in range(self.number(0, 4)))

    def color(self) -> int:
        return self.number(0, (1 << min(24, BITS[self.target.format])) - 1)

    def ropd(self) -> int:
        inverted = sum(bit for bit in (1, 2, 4, Ropd.INVERS_RES) if self.number(0, 1))
        return inverted | self.random.choice([bit for bit in Ropd if Ropd.PUT <= bit < Ropd.INVERS_RES])

    def bitmap(self, width: int, height: int, formats: tuple[int, ...] | None = None) -> Image:
        if formats is None:
            formats = tuple(BITS_PER_PIXEL)
            if self.target.format is SurfaceFormat.A8:
                formats = tuple(one for one in formats if one not in PALETTES)
        pixel_format = self.random.choice(formats)
        row = (BITS_PER_PIXEL[pixel_format] * width + 7) // 8
        stride = row + self.random.choice((0, 0, 1, 3))
        palette = None
        if pixel_format in PALETTES and formats is not MASKS:
            palette = Palette(0, tuple(self.color() for _ in range(PALETTES[pixel_format])))
        flags = self.random.choice((BitmapFlags.NONE, BitmapFlags.TOP_DOWN))
        data = bytearray(self.random.randbytes(stride * height))
        if pixel_format == BitmapFormat.RGBA:  # colors are premultiplied
            for at in (stride * y + 4 * x for y in range(height) for x in range(width)):
                data[at : at + 4] = self.premultiplied()
        payload = Bitmap(pixel_format, flags, width, height, stride, palette, bytes(data))
        return Image(0, 0, width, height, payload)

    def premultiplied(self) -> bytes:
        alpha = self.random.choice((0, 255, self.number(0, 255)))
        return bytes([self.number(0, alpha), self.number(0, alpha), self.number(0, alpha), alpha])

    def image(self, width: int, height: int) -> Image:
        """An image of at least that size."""
        fits = [
            number
            for number, surface in self.surfaces.items()
            if BITS[surface.format] == BITS[self.target.format] and surface.width >= width and surface.height >= height
        ]
        if fits and not self.number(0, 3):
            number = self.random.choice(fits)
            surface = self.surfaces[number]
            return Image(0, 0, surface.width, surface.height, SurfaceImage(number))
        return self.bitmap(width + self.number(0, 5), height + self.number(0, 5))

    def source(self) -> tuple[Image, Rect]:
        width, height = self.box.width, self.box.height
        if not self.number(0, 3):
            width, height = self.number(1, 20), self.number(1, 20)
        image = self.image(width, height)
        left, top = self.number(0, image.width - width), self.number(0, image.height - height)
        if not self.number(0, 3):
            left = top = 0
        return image, Rect(left, top, left + width, top + height)

    def brush(self) -> Brush:
        kind = self.number(0, 5)
        if kind == 0:
            return None
        if kind < 3:
            return Solid(self.color())
        place = Point(self.number(-30, 30), self.number(-30, 30))
        return Pattern(self.image(self.number(1, 9), self.number(1, 9)), place)

    def mask(self) -> QMask:
        if self.number(0, 1):
            return NO_MASK
        x, y = self.number(0, 9), self.number(0, 9)
        width, height = x + self.box.width + self.number(0, 9), y + self.box.height + self.number(0, 9)
        return QMask(self.random.choice(tuple(MaskFlags)), Point(x, y), self.bitmap(width, height, MASKS))

    def point(self) -> PointFix:
        around = self.random.choice((self.box, self.target.bounds, Rect(-100, -100, 200, 200)))
        return PointFix(
            self.number(16 * around.left, 16 * around.right), self.number(16 * around.top, 16 * around.bottom)
        )

    def path(self) -> Path:
        segments = []
        for index in range(self.number(1, 4)):
            flags = PathFlags.BEGIN if index == 0 or self.number(0, 1) else 0
            count = self.number(1, 6)
            if not self.number(0, 5) and (flags or not segments[-1].flags & PathFlags.END):
                flags |= PathFlags.BEZIER
                count = 3 * self.number(1, 2) + (1 if flags & PathFlags.BEGIN else 0)
            if not self.number(0, 2):
                flags |= PathFlags.END | self.random.choice((0, PathFlags.CLOSE))
            segments.append(PathSegment(flags, tuple(self.point() for _ in range(count))))
        return Path(tuple(segments))

    def line_attr(self) -> LineAttr:
        if self.number(0, 3):
            return LineAttr()
        style = tuple(self.number(16, 100) for _ in range(self.number(1, 5)))
        return LineAttr(LineFlags.STYLED | self.random.choice((0, LineFlags.START_WITH_GAP)), style)

    def string(self) -> String:
        depth, flags = self.random.choice(((1, StringFlags.A1), (4, StringFlags.A4), (8, StringFlags.A8)))
        glyphs = []
        for _ in range(self.number(1, 5)):
            width, height = self.number(1, 12), self.number(1, 12)
            place = Point(
                self.number(self.box.left - 3, self.box.right), self.number(self.box.top - 3, self.box.bottom)
            )
            data = self.random.randbytes((depth * width + 7) // 8 * height)
            glyphs.append(Glyph(place, Point(self.number(-5, 5), self.number(-5, 5)), width, height, data))
        return String(flags | self.random.choice((0, 0, StringFlags.TOP_DOWN)), tuple(glyphs))

    # Operations.

    def _copybits(self, base: DisplayBase) -> Operation:
        x = self.number(0, self.target.width - self.box.width)
        y = self.number(0, self.target.height - self.box.height)
        return draw.CopyBits(base, Point(x, y))

    def _drawfill(self, base: DisplayBase) -> Operation:
        return draw.DrawFill(base, self.brush(), self.ropd(), self.mask())

    def _drawopaque(self, base: DisplayBase) -> Operation:
        return draw.DrawOpaque(base, *self.source(), self.brush(), self.ropd(), self.scale_mode(), self.mask())

    def _drawcopy(self, base: DisplayBase) -> Operation:
        return draw.DrawCopy(base, *self.source(), self.ropd(), self.scale_mode(), self.mask())

    def _drawblend(self, base: DisplayBase) -> Operation:
        return draw.DrawBlend(base, *self.source(), self.ropd(), self.scale_mode(), self.mask())

    def _drawblackness(self, base: DisplayBase) -> Operation:
        return draw.DrawBlackness(base, self.mask())

    def _drawwhiteness(self, base: DisplayBase) -> Operation:
        return draw.DrawWhiteness(base, self.mask())

    def _drawinvers(self, base: DisplayBase) -> Operation:
        return draw.DrawInvers(base, self.mask())

    def _drawrop3(self, base: DisplayBase) -> Operation:
        code = self.number(0, 255)
        return draw.DrawRop3(base, *self.source(), self.brush(), code, self.scale_mode(), self.mask())

    def _drawstroke(self, base: DisplayBase) -> Operation:
        return draw.DrawStroke(base, self.path(), self.line_attr(), self.brush(), self.ropd(), self.ropd())

    def _drawtext(self, base: DisplayBase) -> Operation:
        back = self.rect(self.box) if self.number(0, 1) else Rect(0, 0, 0, 0)
        return draw.DrawText(base, self.string(), back, self.brush(), self.brush())

    def _drawtransparent(self, base: DisplayBase) -> Operation:
        image, area = self.source()
        key = self.color()
        if isinstance(image.payload, Bitmap) and image.payload.palette:
            key = self.random.choice(image.payload.palette.entries)
        return draw.DrawTransparent(base, image, area, 0, key)

    def _drawalphablend(self, base: DisplayBase) -> Operation:
        alpha = self.random.choice((0, 255, self.number(0, 255)))
        return draw.DrawAlphaBlend(base, self.number(0, 3), alpha, *self.source())

    def _drawcomposite(self, base: DisplayBase) -> Operation:
        flags = self.random.choice(OPERATORS)
        flags |= self.number(0, 4) << 8 | self.number(0, 4) << 11 | self.number(0, 3) << 14 | self.number(0, 3) << 16
        src = self.image(self.number(1, 20), self.number(1, 20))
        mask = self.image(self.number(1, 20), self.number(1, 20)) if self.number(0, 1) else None
        if mask:
            flags |= CompositeFlags.HAS_MASK
            if flags & 0xFF < 0x3B and self.number(0, 1):
                flags |= CompositeFlags.COMPONENT_ALPHA
        transforms = [self.transform() if there and not self.number(0, 2) else None for there in (True, mask)]
        flags |= CompositeFlags.HAS_SRC_TRANSFORM if transforms[0] else 0
        flags |= CompositeFlags.HAS_MASK_TRANSFORM if transforms[1] else 0
        origins = [Point16(self.number(-5, 25), self.number(-5, 25)) for _ in range(2)]
        return draw.DrawComposite(base, flags, src, mask, transforms[0], transforms[1], origins[0], origins[1])

    def transform(self) -> Transform:
        return Transform(*(self.number(-(2 << 16), 2 << 16) & 0xFFFFFFFF for _ in range(6)))

    def scale_mode(self) -> ScaleMode:
        return self.random.choice(tuple(ScaleMode))


MASKS = (BitmapFormat.BIT1_LE, BitmapFormat.BIT1_BE)
