"""A viewer's screen: it draws what it is sent, with decoders, caches and surfaces as real viewers have them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from spicetrio.canvas import pixels
from spicetrio.canvas.checks import check
from spicetrio.canvas.exactness import is_basic
from spicetrio.canvas.images import is_plain, with_images
from spicetrio.canvas.render import render
from spicetrio.canvas.surface import Surface
from spicetrio.codecs import glz_decoder, jpeg, lz, lz4, quic, zlib_glz
from spicetrio.codecs.lz import LzType
from spicetrio.codecs.quic import QuicType
from spicetrio.wire import display, draw
from spicetrio.wire.buffer import Message
from spicetrio.wire.drawing import Solid
from spicetrio.wire.enums import BitmapFlags, BitmapFormat, ImageFlags, SurfaceFormat
from spicetrio.wire.geometry import Rect
from spicetrio.wire.image import (
    Bitmap,
    FromCache,
    Glz,
    Image,
    Jpeg,
    JpegAlpha,
    Lz,
    Lz4,
    LzPalette,
    Palette,
    Quic,
    ZlibGlz,
)
from spicetrio.wire.image import Surface as SurfaceImage

_FORMATS: Final = {
    LzType.PLT1_LE: BitmapFormat.BIT1_LE,
    LzType.PLT1_BE: BitmapFormat.BIT1_BE,
    LzType.PLT4_LE: BitmapFormat.BIT4_LE,
    LzType.PLT4_BE: BitmapFormat.BIT4_BE,
    LzType.PLT8: BitmapFormat.BIT8,
    LzType.RGB16: BitmapFormat.BIT16,
    LzType.RGB24: BitmapFormat.BIT24,
    LzType.RGB32: BitmapFormat.BIT32,
    LzType.RGBA: BitmapFormat.RGBA,
}


class Screen:
    """The picture as a client draws it.

    Args:
        window: Pixels that its GLZ dictionary looks back into.
    """

    def __init__(self, window: int = 1 << 20) -> None:
        self.surfaces: dict[int, Surface] = {}
        self.images: dict[int, Image] = {}
        """What it was told to keep."""
        self.palettes: dict[int, Palette] = {}
        self.heads: tuple[display.Head, ...] = ()
        self.most_heads = 0
        self.marked = False
        self.counts: dict[str, int] = {}
        """How often each message came, and each kind of image."""
        self.lossy = False
        """An image with losses was the last."""
        self._glz = glz_decoder.Decoder(window)

    @property
    def width(self) -> int:
        return self.surfaces[0].width if self.surfaces else 0

    @property
    def height(self) -> int:
        return self.surfaces[0].height if self.surfaces else 0

    def pixels(self) -> bytes:
        return bytes(self.surfaces[0].pixels) if self.surfaces else b""

    def handle(self, message: Message) -> None:
        self._count(type(message).__name__)
        if isinstance(message, tuple(draw.DRAW_MESSAGES)):
            self._draw(message)
        elif handler := getattr(self, f"_on_{type(message).__name__}", None):
            handler(message)

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def _draw(self, operation: Any) -> None:
        operation = with_images(operation, self.decoded)
        check(self.surfaces, operation)
        surface, box = self.surfaces[operation.base.surface_id], operation.base.box
        if is_basic(operation) and isinstance(operation, draw.DrawFill):
            assert isinstance(operation.brush, Solid)
            color = operation.brush.color
            pixels.fill(surface.pixels, surface.stride, box.left, box.top, box.width, box.height, color)
        elif is_plain(operation) and surface.format == SurfaceFormat.XRGB32:
            bitmap = operation.src.payload
            assert bitmap.format == BitmapFormat.BIT32
            assert bitmap.flags & BitmapFlags.TOP_DOWN
            assert operation.src_area == Rect(0, 0, box.width, box.height)
            pixels.blit(
                surface.pixels, surface.stride, box.left, box.top,
                bitmap.data, 0, bitmap.stride, box.width, box.height, "BGRX",
            )  # fmt: skip
        else:
            render(self.surfaces, operation)

    def decoded(self, image: Image) -> Image:
        """Return an image with its pixels, and keep them if that was asked for."""
        self._count(type(image.payload).__name__)
        if isinstance(image.payload, SurfaceImage):
            return image
        if isinstance(image.payload, FromCache):
            found = self.images[image.id]
            assert (found.width, found.height) == (image.width, image.height)
            return found
        self.lossy = isinstance(image.payload, Jpeg | JpegAlpha)
        decoded = replace(image, payload=self._bitmap(image))
        if image.flags & ImageFlags.CACHE_ME:
            assert image.id not in self.images, "it is kept already"
            self.images[image.id] = decoded
        return decoded

    def _bitmap(self, image: Image) -> Bitmap:
        match image.payload:
            case Bitmap() as bitmap:
                flags = bitmap.flags & BitmapFlags.TOP_DOWN
                return replace(bitmap, flags=flags, palette=self._palette(bitmap.flags, bitmap.palette))
            case Lz(data) | LzPalette(data=data):
                decoded = lz.decode(bytes(data))
                flags = BitmapFlags.TOP_DOWN if decoded.top_down else BitmapFlags.NONE
                palette = None
                if isinstance(image.payload, LzPalette):
                    palette = self._palette(image.payload.flags, image.payload.palette)
                return _made(image, _FORMATS[decoded.image_type], decoded.stride, decoded.pixels, flags, palette)
            case Quic(data):
                picture = quic.decode(data)
                alpha = picture.image_type == QuicType.RGBA
                return _made(image, _argb(alpha), picture.stride, picture.pixels)
            case Glz(data):
                return self._from_glz(image, bytes(data))
            case ZlibGlz(size, data):
                return self._from_glz(image, zlib_glz.decode(data, size))
            case Lz4(data):
                block = lz4.decode(data, 4 * image.width * image.height)
                return _made(image, BitmapFormat(block.bitmap_format), 4 * image.width, block.pixels)
            case Jpeg(data):
                return _made(image, BitmapFormat.BIT32, 4 * image.width, jpeg.decode(data).pixels)
            case JpegAlpha(_, size, data):
                return _made(image, BitmapFormat.RGBA, 4 * image.width, jpeg.decode_alpha(data, size).pixels)
            case other:
                raise AssertionError(f"got {other}")

    def _from_glz(self, image: Image, data: bytes) -> Bitmap:
        decoded = self._glz.decode(data)
        return _made(image, _FORMATS[decoded.image_type], decoded.stride, decoded.pixels)

    def _palette(self, flags: int, palette: Palette | int | None) -> Palette | None:
        if isinstance(palette, int):
            return self.palettes[palette]
        if palette is not None and flags & BitmapFlags.PAL_CACHE_ME:
            self.palettes[palette.unique] = palette
        return palette

    def _on_SurfaceCreate(self, message: display.SurfaceCreate) -> None:
        assert message.surface_id not in self.surfaces, "the surface is there already"
        surface = Surface(message.width, message.height, SurfaceFormat(message.format))
        surface.pixels[:] = b"\xaa" * len(surface.pixels)  # whatever was in that memory
        self.surfaces[message.surface_id] = surface

    def _on_SurfaceDestroy(self, message: display.SurfaceDestroy) -> None:
        del self.surfaces[message.surface_id]
        self.marked = self.marked and message.surface_id != 0

    def _on_MonitorsConfig(self, message: display.MonitorsConfig) -> None:
        self.heads = message.heads
        self.most_heads = message.max_allowed

    def _on_Mark(self, message: display.Mark) -> None:
        self.marked = True

    def _on_InvalList(self, message: display.InvalList) -> None:
        for resource in message.resources:
            del self.images[resource.id]

    def _on_InvalPalette(self, message: display.InvalPalette) -> None:
        del self.palettes[message.id]


def _argb(alpha: bool) -> BitmapFormat:
    return BitmapFormat.RGBA if alpha else BitmapFormat.BIT32


def _made(
    image: Image,
    bitmap_format: BitmapFormat,
    stride: int,
    data: bytes,
    flags: BitmapFlags = BitmapFlags.TOP_DOWN,
    palette: Palette | None = None,
) -> Bitmap:
    return Bitmap(bitmap_format, flags, image.width, image.height, stride, palette, data)
