"""SPICE's JPEG images, around Pillow: colors in JPEG, and where there is alpha, that in LZ behind them.

Pillow is given a file descriptor to write to. Only then does it encode without the GIL.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PIL import Image, UnidentifiedImageError

from spicetrio.codecs import lz
from spicetrio.codecs.buffers import check_area, readable

if TYPE_CHECKING:
    from typing_extensions import Buffer

QUALITY: Final = 85
"""Of 100 (spec IC-15)."""
MAX_SIZE: Final = 65500
"""The widest and highest picture, in pixels, that libjpeg makes."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture taken out of its encoding."""

    width: int
    """Pixels in a row."""
    height: int
    """Rows."""
    pixels: bytes
    """Rows of blue, green, red and alpha; without alpha the last byte is 0."""


def encode(
    pixels: Buffer, *, width: int, height: int, stride: int, offset: int = 0, limit: int | None = None
) -> bytes | None:
    """Encode a picture of 4-byte pixels, or a rectangle of a larger one, without its x or alpha bytes (spec X-1).

    Args:
        pixels: Rows of blue, green, red, x.
        width: Pixels in a row, 1 to `MAX_SIZE`.
        height: Rows, 1 to `MAX_SIZE`.
        stride: Bytes from one row to the next.
        offset: Bytes before the first row.
        limit: How many bytes would be too many.

    Returns:
        A baseline JFIF file, or None if it would have `limit` bytes or more.

    Raises:
        ValueError: The size is out of range, or the picture ends behind the buffer.
        OSError: There is no descriptor or no memory for the file.
    """
    view = readable(pixels)
    if not (1 <= width <= MAX_SIZE and 1 <= height <= MAX_SIZE):
        raise ValueError(f"the picture is {width}x{height}, expected 1x1 to {MAX_SIZE}x{MAX_SIZE}")
    check_area("picture", view.nbytes, offset, stride, 0, 0, width, height, 4)
    end = offset + (height - 1) * stride + 4 * width
    rows = view[offset:end]
    image = Image.frombuffer("RGB", (width, height), rows, "raw", "BGRX", stride, 1)  # type: ignore[arg-type]
    with open("jpeg", "w+b", buffering=0, opener=_memory_file) as file:
        image.save(file, "JPEG", quality=QUALITY)
        size = file.tell()
        if limit is not None and size >= limit:
            return None
        file.seek(0)
        return file.read(size)


def encode_alpha(
    pixels: Buffer, *, width: int, height: int, stride: int, offset: int = 0, limit: int | None = None
) -> tuple[bytes, int] | None:
    """Encode a picture of 4-byte pixels, or a rectangle of a larger one, with its alpha bytes (spec X-2).

    Args:
        pixels: Rows of blue, green, red, alpha.
        width: As in `encode`.
        height: As in `encode`.
        stride: As in `encode`.
        offset: As in `encode`.
        limit: How many bytes would be too many, of both parts together.

    Returns:
        Both parts, and the size of the first, which is the JPEG; or None if they would have `limit` bytes or more.

    Raises:
        ValueError: As in `encode`.
        OSError: As in `encode`.
    """
    colors = encode(pixels, width=width, height=height, stride=stride, offset=offset, limit=limit)
    if colors is None:
        return None
    alpha = lz.encode(
        pixels, width=width, height=height, stride=stride, offset=offset,
        image_type=lz.LzType.XXXA, limit=None if limit is None else limit - len(colors),
    )  # fmt: skip
    return None if alpha is None else (colors + alpha, len(colors))


def decode(data: Buffer) -> Decoded:
    """Decode a picture without alpha; ValueError if the data is not one."""
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            return Decoded(*image.size, image.convert("RGB").tobytes("raw", "BGRX"))
    except UnidentifiedImageError as error:
        raise ValueError("the data is no JPEG") from error
    except OSError as error:
        raise ValueError(f"the JPEG is damaged: {error}") from error


def decode_alpha(data: Buffer, jpeg_size: int) -> Decoded:
    """Decode a picture with alpha, of which the JPEG has `jpeg_size` bytes; ValueError if the data is not one."""
    view = readable(data)
    if not 0 <= jpeg_size <= view.nbytes:
        raise ValueError(f"the JPEG has {jpeg_size} bytes, but the data has {view.nbytes}")
    colors = decode(view[:jpeg_size])
    alpha = lz.decode(view[jpeg_size:])
    if alpha.image_type != lz.LzType.XXXA:
        raise ValueError(f"behind the JPEG is {alpha.image_type.name}, expected XXXA")
    if (alpha.width, alpha.height) != (colors.width, colors.height):
        raise ValueError(f"alpha is {alpha.width}x{alpha.height}, the JPEG {colors.width}x{colors.height}")
    pixels = bytearray(colors.pixels)
    pixels[3::4] = alpha.pixels[3::4]
    return Decoded(colors.width, colors.height, bytes(pixels))


def _memory_file(name: str, flags: int) -> int:
    """Open a file that is nothing but memory; `open` owns it, and closes it if it fails itself."""
    return os.memfd_create(name)
