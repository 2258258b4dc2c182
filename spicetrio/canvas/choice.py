"""How a picture is sent: which codec, by what it shows and what its viewer can decode (spec IC-1 to IC-11).

Whatever is chosen here, a result that is not smaller than the pixels is worth nothing, and they go raw (spec IC-9). No
codec that is chosen can fail: LZ takes what the others do not.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from spicetrio.canvas.graduality import Graduality
from spicetrio.wire.enums import BitmapFormat, ImageCompression
from spicetrio.wire.image import BITS_PER_PIXEL

SMALLEST_COMPRESSED: Final = 54
"""Bytes of pixels below which compressing cannot pay (spec IC-3)."""
SMALLEST_QUIC: Final = 3
"""The least width and height, in pixels, of what is sent with QUIC (spec IC-4)."""
SMALLEST_JPEG: Final = 32 * 32
"""Pixels below which JPEG does not pay: its tables alone take 600 bytes."""

_RGB: Final = frozenset({BitmapFormat.BIT16, BitmapFormat.BIT24, BitmapFormat.BIT32, BitmapFormat.RGBA})
_BY_CONTENT: Final = frozenset({ImageCompression.AUTO_GLZ, ImageCompression.AUTO_LZ, ImageCompression.QUIC})
_WITH_DICTIONARY: Final = frozenset({ImageCompression.AUTO_GLZ, ImageCompression.GLZ})


class Codec(enum.Enum):
    """How pixels become bytes."""

    RAW = "raw"
    """They stay as they are."""
    QUIC = "quic"
    """For photographs, without loss."""
    GLZ = "glz"
    """LZ that looks back into pictures sent before."""
    LZ = "lz"
    """For what repeats itself."""
    LZ4 = "lz4"
    """The same, faster and larger."""
    JPEG = "jpeg"
    """For photographs, with loss."""
    JPEG_ALPHA = "jpeg_alpha"
    """The same, and alpha behind it without loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a viewer can decode and the server can encode; LZ and JPEG are always there."""

    quic: bool
    """The server has QUIC as machine code."""
    lz4: bool
    """The viewer has the capability LZ4_COMPRESSION."""
    glz_window: int
    """Pixels of earlier pictures that the viewer keeps; 0 if it keeps none, or none for now."""


def choose(
    mode: ImageCompression,
    *,
    width: int,
    height: int,
    bitmap_format: BitmapFormat,
    graduality: Callable[[], Graduality],
    lossy: bool,
    can: Abilities,
) -> Codec:
    """Choose how a picture is sent.

    Args:
        mode: How the viewer, or the server's owner, wants pictures to be compressed.
        width: In pixels.
        height: In pixels.
        bitmap_format: What the pixels are.
        graduality: Looks at the pixels. It is called where that decides, and not elsewhere.
        lossy: This viewer may be sent this picture with loss.
        can: What there is to choose from.
    """
    row = (width * BITS_PER_PIXEL[bitmap_format] + 7) // 8
    if mode == ImageCompression.OFF or row * height < SMALLEST_COMPRESSED:
        return Codec.RAW
    if bitmap_format not in _RGB:
        return Codec.LZ
    if mode == ImageCompression.LZ4 and can.lz4:
        return Codec.LZ4
    if mode in _BY_CONTENT:
        quic = can.quic and min(width, height) >= SMALLEST_QUIC
        jpeg = lossy and width * height >= SMALLEST_JPEG
        always = mode == ImageCompression.QUIC
        gradual = (jpeg or (quic and not always)) and graduality() == Graduality.HIGH
        if gradual and jpeg:
            return Codec.JPEG_ALPHA if bitmap_format == BitmapFormat.RGBA else Codec.JPEG
        if quic and (gradual or always):
            return Codec.QUIC
    if mode in _WITH_DICTIONARY and width * height < can.glz_window:
        return Codec.GLZ
    return Codec.LZ
