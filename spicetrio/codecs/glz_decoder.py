"""The decoder of SPICE's GLZ image format, as a viewer has it; plain Python (spec G-1 to G-10)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from spicetrio.codecs.buffers import readable
from spicetrio.codecs.glz import HEADER, MAGIC, TOP_DOWN, TYPES, VERSION
from spicetrio.codecs.lz import Decoded, LzType, layers, row_bytes

if TYPE_CHECKING:
    from typing_extensions import Buffer


@dataclass(frozen=True, slots=True)
class _Kept:
    """A picture of a viewer's window."""

    image_type: LzType
    pixels: int
    passes: tuple[bytes, ...]


class Decoder:
    """The window of a viewer: decodes pictures in the order in which a `Dictionary` made them."""

    def __init__(self, window_pixels: int) -> None:
        """Begin with nothing; what is kept never has more than `window_pixels` pixels."""
        self._window = window_pixels
        self._kept: dict[int, _Kept] = {}
        self._pixels = 0
        self._next = 0

    def decode(self, data: Buffer) -> Decoded:
        """Decode the next picture and keep it; ValueError if the data is not that, and then nothing has changed."""
        view = readable(data)
        if view.nbytes < HEADER.size:
            raise ValueError(f"the data has {view.nbytes} bytes, expected at least a header of {HEADER.size}")
        magic, version, kind, width, height, stride, image, distance = HEADER.unpack_from(view)
        if magic != MAGIC or version != VERSION:
            raise ValueError(f"magic {magic:#x} version {version:#x}, expected {MAGIC:#x} and {VERSION:#x}")
        if kind & 15 not in TYPES or kind > TOP_DOWN | 15:
            raise ValueError(f"type is {kind:#x}, expected 6 to 9, and 0x10 more if the top row is the first")
        image_type = LzType(kind & 15)
        if stride != row_bytes(image_type, width):
            raise ValueError(f"stride is {stride}, expected {row_bytes(image_type, width)} for {width} pixels")
        if image != self._next:
            raise ValueError(f"the picture has number {image}, expected {self._next}")
        if distance > len(self._kept):
            raise ValueError(f"the window begins {distance} pictures ago, but {len(self._kept)} are here")
        leaving = range(image - len(self._kept), image - distance)
        count = width * height
        kept = self._pixels - sum(self._kept[number].pixels for number in leaving)
        if not 0 < count <= self._window - kept:
            raise ValueError(f"the picture is {width}x{height}, expected 1 to {self._window - kept} pixels")
        passes = layers(image_type)
        if count * len(passes) > 255 * view.nbytes:  # no byte stands for more; checked before anything is allocated
            raise ValueError(f"{view.nbytes} bytes of data are too few for {width}x{height}")

        pixels = bytearray(stride * height)
        at = HEADER.size
        decoded = []
        for number, (size, step, begin) in enumerate(passes):
            source = partial(self._source, image, distance, image_type, number)
            units, at = _expand(view, at, count * size, size, source)
            for k in range(size):
                pixels[begin + k :: step] = units[
                    1 - k if sys.byteorder == "little" and image_type == LzType.RGB16 else k :: size
                ]
            decoded.append(units)
        if at != view.nbytes:
            raise ValueError(f"{view.nbytes - at} bytes of data follow the picture")
        for number in leaving:
            del self._kept[number]
        self._kept[image] = _Kept(image_type, count, tuple(decoded))
        self._pixels = kept + count
        self._next += 1
        return Decoded(image_type, width, height, stride, kind >= TOP_DOWN, bytes(pixels))

    def _source(self, image: int, distance: int, image_type: LzType, number: int, back: int) -> bytes:
        """Return the units of a pass of an earlier picture; none if the picture at hand may not refer to it."""
        old = self._kept.get(image - back) if back <= distance else None
        return old.passes[number] if old is not None and old.image_type == image_type else b""


def _expand(data: memoryview, at: int, total: int, size: int, source: Callable[[int], bytes]) -> tuple[bytes, int]:
    """Decode a pass; return its units, and where the data goes on.

    Args:
        data: the tokens
        at: where they begin
        total: bytes of all units
        size: bytes of a unit
        source: gives the same pass of another picture, by how many pictures ago it was
    """
    out = bytearray()
    while len(out) < total:
        try:
            control = data[at]
            at += 1
            if control < 32:
                length = (control + 1) * size
                units = bytes(data[at : at + length])
                at += length
            else:
                length, pixel, back, at = _match(data, at, control, size)
                origin = source(back) if back else out
                begin = pixel * size if back else len(out) - (pixel + 1) * size
                units = bytes(origin[begin : begin + length]) if 0 <= begin < len(origin) else b""
                if not back and units:
                    units = (units * (length // len(units) + 1))[:length]
        except IndexError:
            raise ValueError(f"the data ends at {len(out)} of {total} bytes of pixels") from None
        if len(units) != length or length > total - len(out):
            raise ValueError(f"{length} bytes are to follow {len(out)} of {total}, from where there are not as many")
        out += units
    return bytes(out), at


def _match(data: memoryview, at: int, control: int, size: int) -> tuple[int, int, int, int]:
    """Read the rest of a match: its bytes, where it begins, how many pictures ago, and where the data goes on."""
    length = control >> 5
    more = 255 if length == 7 else 0
    while more == 255:
        more = data[at]
        at += 1
        length += more
    pixel = control & 15 | data[at] << 4
    head = data[at + 1]
    at += 2
    back = 0
    for k in range(head >> 6):
        back |= data[at] << 8 * k
        at += 1
    if not control & 16:
        return (length + 3 - size) * size, pixel, back << 6 | head & 63, at
    pixel |= (head & 31) << 12
    if head & 32:
        pixel |= data[at] << 17
        at += 1
    return (length + 3 - size) * size, pixel, back, at
