"""SPICE's LZ4 image payload.

A byte for the order of the rows, a byte for the bitmap format, then blocks, each after its size. Blocks after the
first may look back into those before; the encoder makes a single one for the whole picture.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import lz4.block

from spicetrio.codecs.buffers import readable

if TYPE_CHECKING:
    from typing_extensions import Buffer

BITMAP_32BIT = 8
"""The bitmap format of 4-byte pixels: blue, green, red, x."""
BITMAP_RGBA = 9
"""The bitmap format of 4-byte pixels: blue, green, red, alpha."""

_HEADER = struct.Struct(">BBI")
_SIZE = struct.Struct(">I")
_WINDOW = 1 << 16
_MOST_BYTES = (1 << 30) - 1


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture taken out of its payload."""

    top_down: bool
    """Whether the first row is the top one."""
    bitmap_format: int
    """What the pixels are, as a bitmap format of the protocol."""
    pixels: bytes
    """The rows with nothing between them."""


def encode(
    pixels: Buffer,
    *,
    width: int,
    height: int,
    stride: int,
    offset: int = 0,
    bitmap_format: int = BITMAP_32BIT,
    top_down: bool = True,
    limit: int | None = None,
) -> bytes | None:
    """Encode a picture of 4-byte pixels, or a rectangle of a larger one.

    Args:
        pixels: the rows
        width: pixels in a row
        height: rows
        stride: bytes from one row to the next
        offset: bytes before the first row
        bitmap_format: what to tell about the pixels
        top_down: whether the first row is the top one
        limit: how many bytes would be too many

    Returns:
        The payload, or None if it would have `limit` bytes or more.
    """
    view = readable(pixels)
    row = 4 * width
    if width < 1 or height < 1 or row * height > _MOST_BYTES:
        raise ValueError(f"the picture is {width}x{height}, expected 1 to {_MOST_BYTES} bytes of pixels")
    if stride < row or offset < 0:
        raise ValueError(f"stride is {stride} at offset {offset}, expected at least {row}, nothing negative")
    end = offset + (height - 1) * stride + row
    if end > view.nbytes:
        raise ValueError(f"the picture ends at byte {end}, but the buffer has {view.nbytes}")
    packed: Buffer = view[offset:end]
    if stride != row and height > 1:
        packed = b"".join([view[at : at + row] for at in range(offset, end, stride)])
    block: bytes = lz4.block.compress(packed, store_size=False)
    if limit is not None and _HEADER.size + len(block) >= limit:
        return None
    return _HEADER.pack(top_down, bitmap_format, len(block)) + block


def decode(data: Buffer, size: int) -> Decoded:
    """Decode a payload that holds `size` bytes of pixels; ValueError if it does not."""
    view = readable(data)
    if view.nbytes < 2:
        raise ValueError(f"the payload has {view.nbytes} bytes, expected at least 2")
    if not 0 <= size <= _MOST_BYTES:
        raise ValueError(f"size is {size}, expected 0 to {_MOST_BYTES}")
    pixels = bytearray()
    at = 2
    while len(pixels) < size:
        if view.nbytes - at < _SIZE.size:
            raise ValueError(f"the payload ends at {len(pixels)} of {size} bytes of pixels")
        (length,) = _SIZE.unpack_from(view, at)
        at += _SIZE.size
        if length > view.nbytes - at:
            raise ValueError(f"a block has {length} bytes, but {view.nbytes - at} are left")
        room = min(size - len(pixels), 255 * length)  # no byte of a block stands for more
        try:
            rows = lz4.block.decompress(view[at : at + length], uncompressed_size=room, dict=bytes(pixels[-_WINDOW:]))
        except lz4.block.LZ4BlockError as error:
            raise ValueError(f"a block of {length} bytes is wrong: {error}") from error
        if not rows:
            raise ValueError(f"an empty block at {len(pixels)} of {size} bytes of pixels")
        pixels += rows
        at += length
    return Decoded(view[0] != 0, view[1], bytes(pixels))
