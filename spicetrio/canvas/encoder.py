"""From an area of a surface, or an operation, to the messages that draw it, made once for all who want them alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypedDict

from spicetrio.canvas import pixels
from spicetrio.canvas.choice import Abilities, Codec, choose
from spicetrio.canvas.drawings import Drawing
from spicetrio.canvas.graduality import Graduality, graduality
from spicetrio.canvas.images import packed, palettes_of, with_images
from spicetrio.canvas.repeats import Repeats
from spicetrio.canvas.shared import Shared
from spicetrio.canvas.surface import Surface
from spicetrio.canvas.viewer import Viewer
from spicetrio.codecs import jpeg, lz, lz4, quic, zlib_glz
from spicetrio.codecs.lz import LzType
from spicetrio.codecs.quic import QuicType
from spicetrio.wire.buffer import Marshalled, marshal
from spicetrio.wire.display import InvalList, InvalPalette, ResourceId
from spicetrio.wire.draw import DrawCopy, DrawFill
from spicetrio.wire.drawing import DisplayBase, Solid
from spicetrio.wire.enums import BitmapFlags, BitmapFormat, ImageCompression, ImageFlags, ResourceType, SurfaceFormat
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
    Payload,
    Quic,
    ZlibGlz,
)

GROUP_SERVER_MADE: Final = 2
"""The group in the id of an image that the server made itself (spec S-7)."""
REPEATED: Final = 1 << 63
"""Bit in the ids of images that are to be kept, which apart from it are counted as others are."""
TOP_DOWN: Final = 1
"""Flag of a JPEG with alpha: its rows run from top to bottom."""
CACHE_SHARE: Final = 4
"""An image may take one part in so many of a viewer's image cache."""


@dataclass(frozen=True, slots=True)
class Made:
    """What draws a strip."""

    messages: tuple[Marshalled, ...]
    """In order."""
    lossy: bool = False
    """The viewer then has the pixels but for what was lost."""
    personal: bool = False
    """They are good only for a viewer that has kept what this one has."""

    @property
    def size(self) -> int:
        """Bytes of the messages."""
        return sum([message.size for message in self.messages])


class _Area(TypedDict):
    """What all codecs take."""

    width: int
    height: int
    stride: int
    offset: int
    limit: int


@dataclass(slots=True)
class _Facts:
    """What was seen in an area."""

    color: int | None
    """It has this color alone."""
    repeated: int | None
    """The id of the picture in it, if that was sent before, and may be kept."""
    _graduality: Graduality | None = None

    def graduality(self, surface: Surface, rect: Rect) -> Graduality:
        """Return how gradually its colors change, looked at when somebody asks for the first time."""
        if self._graduality is None:
            self._graduality = graduality(surface.pixels, surface.stride, rect.left, rect.top, rect.width, rect.height)
        return self._graduality


class Encoder:
    """Makes the messages, and keeps those that are still true for the next viewer that needs one.

    Args:
        display: The display's id. The images of all displays of a viewer are in one cache, so their ids differ by it.
    """

    def __init__(self, display: int) -> None:
        self._group = display << 8 | GROUP_SERVER_MADE
        self._last_image = 0
        self._repeats = Repeats(REPEATED | self._group, 1 << 32)
        self._facts: Shared[_Facts] = Shared()
        self._made: Shared[Made] = Shared()

    def changed(self, surface: int, rect: Rect) -> None:
        """Take in that an area has other pixels now."""
        self._facts.changed(surface, rect)
        self._made.changed(surface, rect)

    def operation(self, drawing: Drawing, viewer: Viewer) -> Made:
        """Return the messages by which a viewer carries out an operation."""
        operation = drawing.operation
        assert operation is not None
        dropped: list[int] = []
        known: set[int] = set()
        palettes = list(palettes_of(operation))
        for palette in palettes:
            if viewer.palettes.use(palette.unique):
                known.add(palette.unique)
            else:
                dropped += viewer.palettes.add(palette.unique)
        compress = viewer.wishes.compression != ImageCompression.OFF
        key = (compress, frozenset(known))
        message = drawing.made.get(key)
        if message is None:
            pack = partial(packed, compress=compress, known=lambda palette: palette.unique in known)
            message = drawing.made[key] = marshal(with_images(operation, pack))
        return Made((*(marshal(InvalPalette(unique)) for unique in dropped), message), personal=bool(palettes))

    def strip(self, number: int, surface: Surface, rect: Rect, viewer: Viewer, *, lossless: bool, share: bool) -> Made:
        """Return the messages that draw an area as it is now.

        Args:
            number: The surface's id.
            surface: Its pixels.
            rect: The area.
            viewer: Whom they are for.
            lossless: Nothing may be lost, whatever the viewer wishes.
            share: Other viewers may need them too.
        """
        size = rect.width * rect.height
        keeps = size <= viewer.images.capacity // CACHE_SHARE
        facts = self._facts.get(number, rect, keeps)
        if facts is None:
            facts = _Facts(_color(surface, rect), self._repeats.find(surface, rect) if keeps else None)
            if share:
                self._facts.keep(number, rect, keeps, facts, 0)
        if facts.color is not None:
            return Made((marshal(DrawFill(DisplayBase(number, rect), Solid(facts.color))),))
        if facts.repeated is not None and viewer.images.use(facts.repeated):
            cached = _draw_copy(number, rect, facts.repeated, ImageFlags.NONE, FromCache())
            return Made((marshal(cached),), personal=True)
        if facts.repeated is None:
            return self._image(number, surface, rect, viewer, facts, lossless=lossless, share=share)
        dropped = viewer.images.add(facts.repeated, size)
        made = self._image(number, surface, rect, viewer, facts, lossless=True, share=share)
        if not dropped:
            return replace(made, personal=True)
        resources = tuple(ResourceId(ResourceType.PIXMAP, other) for other in dropped)
        return Made((marshal(InvalList(resources)), *made.messages), personal=True)

    def _image(
        self,
        number: int,
        surface: Surface,
        rect: Rect,
        viewer: Viewer,
        facts: _Facts,
        *,
        lossless: bool,
        share: bool,
    ) -> Made:
        """Return the message that draws an area with an image, which the viewer keeps if it is a repeated one."""
        repeated = facts.repeated
        codec = choose(
            viewer.wishes.compression,
            width=rect.width,
            height=rect.height,
            bitmap_format=_bitmap_format(surface),
            graduality=partial(facts.graduality, surface, rect),
            lossy=viewer.wishes.lossy and not lossless,
            can=Abilities(quic=quic.COMPILED, lz4=viewer.wishes.lz4, glz_window=viewer.memory.window),
        )
        share = share and codec is not Codec.GLZ
        key = (codec, repeated)
        made = self._made.get(number, rect, key) if share else None
        if made is None:
            payload = _encode(surface, rect, codec, viewer)
            flags = ImageFlags.NONE if repeated is None else ImageFlags.CACHE_ME
            copy = _draw_copy(number, rect, self._new_id() if repeated is None else repeated, flags, payload)
            made = Made((marshal(copy),), lossy=isinstance(payload, Jpeg | JpegAlpha), personal=codec is Codec.GLZ)
            if share:
                self._made.keep(number, rect, key, made, made.size)
        return made

    def _new_id(self) -> int:
        self._last_image = (self._last_image + 1) & 0x7FFFFFFF
        return self._last_image << 32 | self._group


def _color(surface: Surface, rect: Rect) -> int | None:
    """Return the only color of an area, if it has no others; alpha is no color."""
    if surface.format != SurfaceFormat.XRGB32:
        return None
    return pixels.solid_color(surface.pixels, surface.stride, rect.left, rect.top, rect.width, rect.height)


def _bitmap_format(surface: Surface) -> BitmapFormat:
    return BitmapFormat.RGBA if surface.format == SurfaceFormat.ARGB32 else BitmapFormat.BIT32


def _draw_copy(number: int, rect: Rect, image_id: int, flags: ImageFlags, payload: Payload) -> DrawCopy:
    image = Image(image_id, flags, rect.width, rect.height, payload)
    return DrawCopy(DisplayBase(number, rect), image, Rect(0, 0, rect.width, rect.height))


def _encode(surface: Surface, rect: Rect, codec: Codec, viewer: Viewer) -> Payload:
    """Encode an area, or leave it raw if that is not smaller (spec IC-9)."""
    alpha = surface.format == SurfaceFormat.ARGB32
    width, height, stride = rect.width, rect.height, surface.stride
    data: bytes | None = None
    area: _Area = {
        "width": width,
        "height": height,
        "stride": stride,
        "offset": rect.top * stride + 4 * rect.left,
        "limit": 4 * width * height,
    }
    lz_type = LzType.RGBA if alpha else LzType.RGB32
    match codec:
        case Codec.JPEG if (data := jpeg.encode(surface.pixels, **area)) is not None:
            return Jpeg(data)
        case Codec.JPEG_ALPHA if (both := jpeg.encode_alpha(surface.pixels, **area)) is not None:
            return JpegAlpha(TOP_DOWN, both[1], both[0])
        case Codec.QUIC if (
            data := quic.encode(surface.pixels, **area, image_type=QuicType.RGBA if alpha else QuicType.RGB32)
        ) is not None:
            return Quic(data)
        case Codec.LZ4 if (data := lz4.encode(surface.pixels, **area)) is not None:
            return Lz4(data)
        case Codec.GLZ if (
            viewer.dictionary
            and (data := viewer.dictionary.encode(surface.pixels, **area, image_type=lz_type)) is not None
        ):
            zipped = zlib_glz.encode(data) if viewer.wishes.zlib else None
            return Glz(data) if zipped is None else ZlibGlz(len(data), zipped)
        case Codec.LZ | Codec.GLZ if (data := lz.encode(surface.pixels, **area, image_type=lz_type)) is not None:
            return Lz(data)
    packed_rows = pixels.pack(surface.pixels, stride, rect.left, rect.top, width, height)
    return Bitmap(_bitmap_format(surface), BitmapFlags.TOP_DOWN, width, height, 4 * width, None, packed_rows)
