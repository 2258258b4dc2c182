"""Which encoded frames a viewer can begin with: those that need none before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spicetrio.wire.enums import VideoCodec

if TYPE_CHECKING:
    from typing_extensions import Buffer

_START_CODE: Final = b"\0\0\1"
_MOST_UNITS: Final = 256
"""Units that are looked at; those before the pixels are a few."""
_H264_SLICES: Final = range(1, 6)
_H264_IDR: Final = 5
_H265_SLICES: Final = range(32)
_H265_RANDOM_ACCESS: Final = range(16, 22)


def stands_alone(codec: VideoCodec, frame: Buffer) -> bool:
    """Tell whether a frame can be shown by a viewer that has none of those before it, nor will those after it need one.

    Args:
        codec: What it was encoded with. H264 and H265 are streams of bytes with start codes (Annex B).
        frame: The encoded frame. What is damaged does not stand alone.
    """
    data = memoryview(frame).cast("B")
    match codec:
        case VideoCodec.MJPEG:
            return True
        case VideoCodec.VP8:
            return bool(data) and not data[0] & 1
        case VideoCodec.VP9:
            return bool(data) and _is_vp9_key(data[0])
        case VideoCodec.H264:
            return _first_slice(bytes(data), 0x1F, 0, _H264_SLICES) == _H264_IDR
        case VideoCodec.H265:
            return _first_slice(bytes(data), 0x7E, 1, _H265_SLICES) in _H265_RANDOM_ACCESS


def _is_vp9_key(head: int) -> bool:
    """Look at a frame's first byte: marker, profile (and with the last profile a zero), what is shown, the kind."""
    bits = f"{head:08b}"
    skipped = 5 if bits[2:4] == "11" else 4
    return bits[:2] == "10" and bits[skipped : skipped + 2] == "00"


def _first_slice(data: bytes, mask: int, shift: int, slices: range) -> int | None:
    """Return the type of the first unit that has pixels; None if it does not come soon, or at all."""
    at = data.find(_START_CODE)
    for _ in range(_MOST_UNITS):
        if at < 0 or at + 3 >= len(data):
            break
        kind = (data[at + 3] & mask) >> shift
        if kind in slices:
            return kind
        at = data.find(_START_CODE, at + 3)
    return None
