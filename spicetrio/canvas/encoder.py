"""From an area of the picture to the message that draws it, made once for all viewers that want it alike."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from spicetrio.canvas import pixels
from spicetrio.canvas.choice import SMALLEST_COMPRESSED
from spicetrio.canvas.region import intersect
from spicetrio.codecs import lz, lz4
from spicetrio.wire.buffer import Marshalled, marshal
from spicetrio.wire.draw import DrawCopy
from spicetrio.wire.drawing import DisplayBase
from spicetrio.wire.enums import BitmapFlags, BitmapFormat, ImageCompression, ImageFlags
from spicetrio.wire.geometry import Rect
from spicetrio.wire.image import Bitmap, Image, Lz, Lz4

SHARED_BYTES: Final = 16 * 1024 * 1024
"""Bytes of encoded images that are kept for other viewers; about two raw 1080p frames."""
SHARED_IMAGES: Final = 256
"""The most images that are kept."""
GROUP_SERVER_MADE: Final = 2
"""The group in the id of an image that the server made itself (spec S-7)."""


class Encoder:
    """Makes DRAW_COPY messages, and keeps those that are still true for the next viewer that needs one."""

    def __init__(self) -> None:
        self._shared: OrderedDict[tuple[Rect, ImageCompression], Marshalled] = OrderedDict()
        self._shared_bytes = 0
        self._last_image = 0

    def changed(self, rect: Rect) -> None:
        """Take in that an area has other pixels now."""
        for key in [key for key in self._shared if intersect(key[0], rect)]:
            self._shared_bytes -= self._shared.pop(key).size

    def encode(
        self, surface: bytearray, stride: int, rect: Rect, compression: ImageCompression, *, share: bool
    ) -> Marshalled:
        """Return the message that draws an area as it is now.

        Args:
            surface: BGRX pixels.
            stride: Bytes of a row.
            rect: The area.
            compression: What the viewer wants.
            share: Other viewers may need it too.
        """
        key = (rect, compression)
        message = self._shared.get(key)
        if message is None:
            message = marshal(self._draw_copy(surface, stride, rect, compression))
            if share:
                self._keep(key, message)
        return message

    def _keep(self, key: tuple[Rect, ImageCompression], message: Marshalled) -> None:
        self._shared[key] = message
        self._shared_bytes += message.size
        while self._shared_bytes > SHARED_BYTES or len(self._shared) > SHARED_IMAGES:
            _, dropped = self._shared.popitem(last=False)
            self._shared_bytes -= dropped.size

    def _draw_copy(self, surface: bytearray, stride: int, rect: Rect, compression: ImageCompression) -> DrawCopy:
        self._last_image = (self._last_image + 1) & 0xFFFFFFFF
        image = Image(
            self._last_image << 32 | GROUP_SERVER_MADE,
            ImageFlags.NONE,
            rect.width,
            rect.height,
            _compress(surface, stride, rect, compression),
        )
        return DrawCopy(DisplayBase(0, rect), image, Rect(0, 0, rect.width, rect.height))


def _compress(surface: bytearray, stride: int, rect: Rect, compression: ImageCompression) -> Bitmap | Lz | Lz4:
    """Compress an area, or leave it raw if that is not smaller (spec IC-9)."""
    width, height = rect.width, rect.height
    raw_size = 4 * width * height
    offset = rect.top * stride + 4 * rect.left
    if raw_size >= SMALLEST_COMPRESSED:
        if compression == ImageCompression.LZ:
            data = lz.encode(
                surface, width=width, height=height, stride=stride, offset=offset,
                image_type=lz.LzType.RGB32, limit=raw_size,
            )  # fmt: skip
            if data is not None:
                return Lz(data)
        elif compression == ImageCompression.LZ4:
            data = lz4.encode(surface, width=width, height=height, stride=stride, offset=offset, limit=raw_size)
            if data is not None:
                return Lz4(data)
    packed = pixels.pack(surface, stride, rect.left, rect.top, width, height)
    return Bitmap(BitmapFormat.BIT32, BitmapFlags.TOP_DOWN, width, height, 4 * width, None, packed)
