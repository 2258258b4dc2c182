"""GLZ pictures inside of zlib: each is one complete zlib stream (RFC 1950; spec IC-17, X-3)."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from spicetrio.codecs.buffers import readable

if TYPE_CHECKING:
    from typing_extensions import Buffer

SMALLEST: Final = 100
"""Bytes of GLZ below which zlib is not tried."""
LEVEL: Final = 3
PROBE: Final = 1 << 16
"""Bytes that are tried first where there are more."""


def encode(glz: Buffer) -> bytes | None:
    """Compress what `glz.Dictionary.encode` made.

    Returns:
        One zlib stream; or None if the GLZ is to go as it is: it has less than `SMALLEST` bytes, zlib would not make
        it smaller, or it has more than `PROBE` bytes and the first `PROBE` of them do not become 5 % smaller. A frame
        of noise would take some 200 ms in vain.
    """
    view = readable(glz)
    if view.nbytes < SMALLEST:
        return None
    if view.nbytes > PROBE and 20 * len(zlib.compress(view[:PROBE], LEVEL)) > 19 * PROBE:
        return None
    data = zlib.compress(view, LEVEL)
    return data if len(data) < view.nbytes else None


def decode(data: Buffer, size: int) -> bytes:
    """Return the `size` bytes of GLZ; ValueError if the data is not one zlib stream of exactly as many."""
    if size < 1:
        raise ValueError(f"size is {size}, expected at least 1")
    inflator = zlib.decompressobj()
    try:
        glz = inflator.decompress(readable(data), size)
        glz += inflator.decompress(inflator.unconsumed_tail, 1)
    except zlib.error as error:
        raise ValueError(f"the data is no zlib stream: {error}") from error
    if len(glz) != size or not inflator.eof or inflator.unused_data:
        raise ValueError(f"got {len(glz)} bytes, expected {size} and then the end of the data")
    return glz
