# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The encoder of SPICE's GLZ image format: LZ whose matches also repeat units of pictures that were sent before.

Encoder and viewer keep the same window of pictures. A picture is a header of big-endian numbers and one or two passes
of tokens, as in LZ; a match names the picture that it copies from by how many pictures ago it was, and the header says
which pictures the viewer need not keep any longer (spec G-1 to G-15).

The encoder keeps the units of each pass in 32-bit words, in a ring; what a pass wrote there is an area. A match is
found by its place in the ring, and the area around it says what picture it belongs to. The kernel is compiled where a
C compiler is at hand, and then works without the GIL. Uncompiled it makes the same bytes, slowly.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
import sys
from typing import TYPE_CHECKING, Final

try:
    import cython
except ImportError:  # uncompiled, and Cython is not installed
    from spicetrio.codecs import _cython as cython

from spicetrio.codecs.buffers import check_area, readable
from spicetrio.codecs.lz import LzType, layers, row_bytes, scratch, widen

if TYPE_CHECKING:
    from typing_extensions import Buffer

if cython.compiled:
    from cython.cimports.libc.string import memcpy

COMPILED: Final[bool] = bool(cython.compiled)
"""Whether this module runs as machine code."""
MOST_PIXELS: Final = 1 << 25
"""The largest window there can be; no match reaches farther (spec G-7)."""
MEMORY: Final = 1 << 24
"""Bytes that a dictionary has for pixels unless told otherwise: two 1080p frames."""

MAGIC: Final = 0x20205A4C
VERSION: Final = 0x00010001
HEADER: Final = struct.Struct(">IIBIIIQI")
"""Magic, version, type with `TOP_DOWN`, width, height, stride, number, distance to the oldest one kept (spec G-1)."""
TOP_DOWN: Final = 1 << 4
TYPES: Final = (LzType.RGB16, LzType.RGB24, LzType.RGB32, LzType.RGBA)
"""What pictures can be (spec G-2)."""

_LITTLE = cython.declare(cython.bint, sys.byteorder == "little")
_GOLDEN = cython.declare(cython.ulonglong, 0x9E3779B185EBCA87)
_LONGEST_STEP = cython.declare(cython.Py_ssize_t, 32)
_LONG = cython.declare(cython.Py_ssize_t, 64)
_AREAS = cython.declare(cython.Py_ssize_t, 2048)
_GUESSES = cython.declare(cython.Py_ssize_t, 16)


class Dictionary:
    """The pictures of one viewer's window, and the encoder that refers to them. Used by one thread at a time.

    What `encode` returns must be sent to the viewer, all of it and in order: the viewer's window moves with it.

    Memory: at first use, `min(4 * window_pixels, memory)` bytes for pixels, which are really taken as they fill up (an
    RGBA pixel takes 8), up to 256 KiB for places in them, and 64 KiB for what lies where.
    """

    def __init__(self, window_pixels: int, *, memory: int = MEMORY) -> None:
        """Make an empty dictionary.

        Args:
            window_pixels: how many pixels the viewer keeps, from its INIT; 1 to `MOST_PIXELS`
            memory: the most bytes that pixels may take here; less than the window needs shortens the window

        Raises:
            ValueError: There is no such window, or no memory.
        """
        if not 1 <= window_pixels <= MOST_PIXELS:
            raise ValueError(f"the window is {window_pixels} pixels, expected 1 to {MOST_PIXELS}")
        if memory < 4:
            raise ValueError(f"memory is {memory} bytes, expected at least 4")
        self._window = window_pixels
        self._end = 1 + min(window_pixels, memory // 4)  # an entry of the table that is 0 is none, so place 0 is unused
        self._bits = min(max(self._end.bit_length() - 2, 6), 16)
        self._image = 0
        self._pixels = 0
        self._first_area = self._next_area = 0
        self._ring: memoryview | None = None
        self._table: memoryview
        self._areas: memoryview

    def encode(
        self,
        pixels: Buffer,
        *,
        width: int,
        height: int,
        stride: int,
        offset: int = 0,
        image_type: LzType,
        limit: int | None = None,
    ) -> bytes | None:
        """Encode a picture, or a rectangle of a larger one, and keep it for the pictures that follow.

        Args:
            pixels: the rows, the top one first, in the layout `lz.Decoded.pixels` has; the x byte of RGB32 is left out
            width: pixels in a row
            height: rows
            stride: bytes from one row to the next
            offset: bytes before the first row
            image_type: what the pixels are: RGB16, RGB24, RGB32 or RGBA
            limit: how many bytes would be too many

        Returns:
            The encoding; or None if the picture does not fit into the window (spec G-9) or the memory, or as soon as
            it is clear that it would have `limit` bytes or more. Then the viewer is to know nothing of it, and the
            next picture takes its number; but some pictures of the window may be forgotten.
        """
        if image_type not in TYPES:
            raise ValueError(f"the image type is {image_type}, expected one of {', '.join(map(repr, TYPES))}")
        image_type = LzType(image_type)
        view = readable(pixels)
        if width < 1 or height < 1:
            raise ValueError(f"the picture is {width}x{height}, expected at least one pixel")
        check_area("picture", view.nbytes, offset, stride, 0, 0, width, height, row_bytes(image_type, 1))
        passes = layers(image_type)
        units: cython.Py_ssize_t = width * height
        if units >= self._window or units * len(passes) >= self._end:
            return None
        worst = HEADER.size + sum(units * size + units // 32 + 1 for size, _, _ in passes)
        room: cython.Py_ssize_t = worst if limit is None else min(worst, limit - 1)
        at: cython.Py_ssize_t = HEADER.size
        if room < at:
            return None

        start: cython.Py_ssize_t = self._make_room(units, len(passes))
        ring = self._ring
        assert ring is not None
        oldest = self._areas[self._slot(self._first_area) + 2] if self._first_area < self._next_area else self._image
        out = scratch(room + 8)  # a literal is stored as a whole word, beyond its own bytes
        row, distance = row_bytes(image_type, width), self._image - oldest
        out[:at] = HEADER.pack(MAGIC, VERSION, image_type | TOP_DOWN, width, height, row, self._image, distance)
        p: cython.p_uchar = _pointer(memoryview(out))
        q: cython.p_uint = _word_pointer(ring)
        t: cython.p_uint = _word_pointer(self._table)
        a: cython.p_longlong = _area_pointer(self._areas)
        shift: cython.int = 64 - self._bits
        first: cython.Py_ssize_t = self._first_area
        last: cython.Py_ssize_t = self._next_area
        image: cython.Py_ssize_t = self._image
        end: cython.Py_ssize_t = self._end
        per_row: cython.Py_ssize_t = width
        kind: cython.Py_ssize_t
        unit: cython.Py_ssize_t
        to: cython.Py_ssize_t = start
        for size, step, begin in passes:
            widen(
                ring[to : to + units], view,
                first=offset + begin, stride=stride, step=step, size=size, per_row=width, rows=height,
            )  # fmt: skip
            kind = width << 4 | (image_type if begin == 0 else LzType.A8)
            unit = size
            with cython.nogil:
                at = _compress(p, at, room, q, end, t, shift, a, first, last, image, kind, to, units, per_row, unit)
            if at < 0:
                return None
            to += units
        self._keep(start, units, width << 4 | image_type)
        if len(passes) > 1:
            self._keep(start + units, units, width << 4 | LzType.A8)
        self._image += 1
        self._pixels += units
        return bytes(memoryview(out)[:at])

    def _make_room(self, units: int, passes: int) -> int:
        """Forget the oldest pictures until another one fits into the window and the ring; return where it goes."""
        if self._ring is None:
            # Two units are looked at where one may be the last.
            memory = mmap.mmap(-1, 4 * (self._end + 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            with contextlib.suppress(OSError):  # a kernel without large pages
                memory.madvise(mmap.MADV_HUGEPAGE)
            self._ring = memoryview(memory).cast("I")
            self._table = memoryview(bytearray(4 << self._bits)).cast("I")
            self._areas = memoryview(bytearray(32 * _AREAS)).cast("q")
        while self._pixels + units > self._window or self._next_area - self._first_area + passes > _AREAS:
            self._forget_oldest()
        behind = self._areas[self._slot(self._next_area - 1) + 1] if self._pixels else 1
        needed = units * passes
        if behind + needed > self._end:  # around the end of the ring, over those that lie there
            while self._pixels and self._oldest_place() >= behind:
                self._forget_oldest()
            behind = 1
        while self._pixels and behind <= self._oldest_place() < behind + needed:
            self._forget_oldest()
        return behind

    def _oldest_place(self) -> int:
        place: int = self._areas[self._slot(self._first_area)]
        return place

    def _forget_oldest(self) -> None:
        slot = self._slot(self._first_area)
        image = self._areas[slot + 2]
        self._pixels -= self._areas[slot + 1] - self._areas[slot]
        while self._first_area < self._next_area and self._areas[self._slot(self._first_area) + 2] == image:
            self._first_area += 1

    def _keep(self, start: int, units: int, kind: int) -> None:
        slot = self._slot(self._next_area)
        for field, value in enumerate((start, start + units, self._image, kind)):
            self._areas[slot + field] = value
        self._next_area += 1

    @staticmethod
    def _slot(area: int) -> int:
        """Return where an area is told of: its start and end in the ring, its picture, its width and units."""
        return area % int(_AREAS) * 4


# Buffers


@cython.cfunc
def _pointer(view: memoryview) -> cython.p_uchar:
    """Return where the bytes are; good as long as `view` is kept."""
    if not cython.compiled:
        return view
    data: cython.uchar[:] = view
    return cython.address(data[0])


@cython.cfunc
def _word_pointer(view: memoryview) -> cython.p_uint:
    if not cython.compiled:
        return view
    data: cython.uint[:] = view
    return cython.address(data[0])


@cython.cfunc
def _area_pointer(view: memoryview) -> cython.p_longlong:
    if not cython.compiled:
        return view
    data: cython.longlong[:] = view
    return cython.address(data[0])


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _pair(q: cython.p_uint, i: cython.Py_ssize_t) -> cython.ulonglong:
    """Return two units at once."""
    if not cython.compiled:
        return q[i] | q[i + 1] << 32
    value: cython.ulonglong = 0
    memcpy(cython.address(value), q + i, 8)
    return value


# Encoding


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _compress(
    p: cython.p_uchar,
    at: cython.Py_ssize_t,
    room: cython.Py_ssize_t,
    q: cython.p_uint,
    ring: cython.Py_ssize_t,
    table: cython.p_uint,
    shift: cython.int,
    areas: cython.p_longlong,
    first: cython.Py_ssize_t,
    last: cython.Py_ssize_t,
    image: cython.Py_ssize_t,
    kind: cython.Py_ssize_t,
    start: cython.Py_ssize_t,
    count: cython.Py_ssize_t,
    per_row: cython.Py_ssize_t,
    size: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Encode the `count` units from place `start` of the ring on; return where the output ends, or -1 without room.

    At each place two units are compared with those as far from the last match in another picture (pictures change
    little) or a row further on, those just before (a run), those of the row above, and those where the same two were
    seen last. After a while without a match places are left out, more and more of them.
    """
    i: cython.Py_ssize_t = start
    end: cython.Py_ssize_t = start + count
    anchor: cython.Py_ssize_t = start
    area: cython.Py_ssize_t = _similar_area(areas, first, last, kind, count)
    lower: cython.Py_ssize_t = 0  # of the area looked at last
    upper: cython.Py_ssize_t = 0
    ago: cython.Py_ssize_t = 0
    apart: cython.Py_ssize_t = 0  # from there to here, at the last match
    skew: cython.Py_ssize_t = 0  # how much longer its rows are
    j: cython.Py_ssize_t
    k: cython.Py_ssize_t
    length: cython.Py_ssize_t
    best: cython.Py_ssize_t
    source: cython.Py_ssize_t = 0
    floor: cython.Py_ssize_t = 0  # where the picture that is copied from begins
    back: cython.Py_ssize_t = 0  # and how many pictures ago it was
    pixel: cython.Py_ssize_t
    cost: cython.Py_ssize_t
    slot: cython.Py_ssize_t
    value: cython.ulonglong
    if area >= 0:
        lower, upper, ago = _area(areas, area, 0), _area(areas, area, 1), image - _area(areas, area, 2)
        apart = start - lower
    while i + 1 < end:
        value = _pair(q, i)
        best = 0
        j = i - apart
        if skew and not (lower <= j and j + 1 < upper and value == _pair(q, j)):
            j += skew
        if lower <= j and j + 1 < upper and value == _pair(q, j):
            best = 2 + _common(q, i + 2, j + 2, min(end, i + upper - j))
            source, floor, back = j, lower, ago
        if best < _LONG:
            if i > start and value == _pair(q, i - 1):
                length = 2 + _common(q, i + 2, i + 1, end)
                if length > best:
                    best, source, floor, back = length, i - 1, start, 0
            if i - per_row >= start and value == _pair(q, i - per_row):
                length = 2 + _common(q, i + 2, i + 2 - per_row, end)
                if length > best:
                    best, source, floor, back = length, i - per_row, start, 0
        slot = _slot(value, shift)
        if best < 16:
            j = table[slot]
            if (j < i or j >= end) and value == _pair(q, j):  # not where this picture goes on: what lay there is gone
                if start <= j and j < i:
                    length = 2 + _common(q, i + 2, j + 2, end)
                    if length > best + 1:
                        best, source, floor, back = length, j, start, 0
                else:
                    if not (lower <= j and j < upper):
                        area = _area_around(areas, first, last, j, ring)
                        if area >= 0 and _area(areas, area, 3) & 15 == kind & 15:
                            lower, upper = _area(areas, area, 0), _area(areas, area, 1)
                            ago = image - _area(areas, area, 2)
                            skew = (_area(areas, area, 3) >> 4) - per_row
                    if lower <= j and j + 1 < upper:
                        length = 2 + _common(q, i + 2, j + 2, min(end, i + upper - j))
                        if length > best + 1:
                            best, source, floor, back = length, j, lower, ago
        table[slot] = i
        pixel = source - floor if back else i - source - 1
        cost = _cost(pixel, back)
        if best * size < cost + 2:
            i += 1 + min((i - anchor) >> 5, _LONGEST_STEP)
            continue
        while i > anchor and source > floor and q[i - 1] == q[source - 1]:
            i -= 1
            source -= 1
            best += 1
        at = _put_literals(p, at, room, q, anchor, i, size)
        if at < 0:
            return -1
        if back:
            apart = i - source
            pixel = source - floor
            cost = _cost(pixel, back)
            for k in range((best - 1) // _LONG):  # for the time when that picture is forgotten
                j = i + k * _LONG
                table[_slot(_pair(q, j), shift)] = j
        at = _put_match(p, at, room, best, pixel, back, cost, size)
        if at < 0:
            return -1
        i += best
        anchor = i
        if i < end:
            table[_slot(_pair(q, i - 1), shift)] = i - 1
    return _put_literals(p, at, room, q, anchor, end, size)


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _slot(value: cython.ulonglong, shift: cython.int) -> cython.Py_ssize_t:
    """Return the place in the table for two units."""
    if not cython.compiled:
        return (value * _GOLDEN & 0xFFFFFFFFFFFFFFFF) >> shift
    return (value * _GOLDEN) >> shift


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _area(areas: cython.p_longlong, area: cython.Py_ssize_t, field: cython.Py_ssize_t) -> cython.Py_ssize_t:
    return areas[area % _AREAS * 4 + field]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _similar_area(
    areas: cython.p_longlong,
    first: cython.Py_ssize_t,
    last: cython.Py_ssize_t,
    kind: cython.Py_ssize_t,
    count: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Return one of the newest areas, with the same units in rows as long and as many; or -1."""
    area: cython.Py_ssize_t
    for area in range(last - 1, max(first, last - _GUESSES) - 1, -1):
        if _area(areas, area, 3) == kind and _area(areas, area, 1) - _area(areas, area, 0) == count:
            return area
    return -1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _area_around(
    areas: cython.p_longlong,
    first: cython.Py_ssize_t,
    last: cython.Py_ssize_t,
    place: cython.Py_ssize_t,
    ring: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Return the area that a place of the ring belongs to, or -1."""
    low: cython.Py_ssize_t = first
    high: cython.Py_ssize_t = last
    middle: cython.Py_ssize_t
    begin: cython.Py_ssize_t
    if first == last:
        return -1
    origin: cython.Py_ssize_t = _area(areas, first, 0)
    sought: cython.Py_ssize_t = place if place >= origin else place + ring
    while high - low > 1:
        middle = (low + high) >> 1
        begin = _area(areas, middle, 0)
        if begin < origin:
            begin += ring
        if begin <= sought:
            low = middle
        else:
            high = middle
    return low if _area(areas, low, 0) <= place and place < _area(areas, low, 1) else -1


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _common(q: cython.p_uint, i: cython.Py_ssize_t, j: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Return how many units from i on, and before `end`, are the same as those from j on."""
    start: cython.Py_ssize_t = i
    if not cython.compiled:
        return _common_slices(q, i, j, end)
    k: cython.Py_ssize_t
    differ: cython.uint = 0
    soon: cython.Py_ssize_t = min(end, i + 8)
    while i < soon:  # most matches are short
        if q[i] != q[j]:
            return i - start
        i += 1
        j += 1
    while i + 32 <= end:
        differ = 0
        for k in range(32):
            differ |= q[i + k] ^ q[j + k]
        if differ:
            break
        i += 32
        j += 32
    while i < end and q[i] == q[j]:
        i += 1
        j += 1
    return i - start


def _common_slices(q: memoryview, i: int, j: int, end: int) -> int:
    start = i
    block = 4096 if q[i : i + 16] == q[j : j + 16] else 4
    while block:
        while i + block <= end and q[i : i + block] == q[j : j + block]:
            i += block
            j += block
        block >>= 2
    return i - start


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _put_literals(
    p: cython.p_uchar,
    at: cython.Py_ssize_t,
    room: cython.Py_ssize_t,
    q: cython.p_uint,
    i: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    size: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    stop: cython.Py_ssize_t
    value: cython.uint
    if at + (end - i) * size + (end - i + 31) // 32 > room:
        return -1
    while i < end:
        stop = min(i + 32, end)
        p[at] = stop - i - 1
        at += 1
        if size == 3:
            if cython.compiled:
                while i < stop:
                    memcpy(p + at, q + i, 4)
                    at += 3
                    i += 1
            else:
                for value in q[i:stop]:
                    p[at : at + 3] = value.to_bytes(4, sys.byteorder)[:3]
                    at += 3
                i = stop
        else:
            while i < stop:
                value = q[i]
                if not _LITTLE:
                    value >>= 32 - 8 * size
                if size == 2:
                    p[at] = (value >> 8) & 0xFF
                    at += 1
                p[at] = value & 0xFF
                at += 1
                i += 1
    return at


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _cost(pixel: cython.Py_ssize_t, back: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Return the bytes of a match that is not long (spec G-6, G-7)."""
    if pixel < 1 << 12:
        return 3 + (back >= 1 << 6)
    return 3 + (back > 0) + (back >= 1 << 8) + (pixel >= 1 << 17)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _put_match(
    p: cython.p_uchar,
    at: cython.Py_ssize_t,
    room: cython.Py_ssize_t,
    length: cython.Py_ssize_t,
    pixel: cython.Py_ssize_t,
    back: cython.Py_ssize_t,
    cost: cython.Py_ssize_t,
    size: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    far: cython.bint = pixel >= 1 << 12
    length -= 3 - size
    if at + cost + ((length - 7) // 255 + 1 if length >= 7 else 0) > room:
        return -1
    p[at] = (min(length, 7) << 5) | (16 if far else 0) | (pixel & 15)
    at += 1
    if length >= 7:
        length -= 7
        while length >= 255:
            p[at] = 255
            at += 1
            length -= 255
        p[at] = length
        at += 1
    p[at] = (pixel >> 4) & 0xFF
    at += 1
    if not far:
        p[at] = (64 if back >= 1 << 6 else 0) | (back & 63)
        back >>= 6
    else:
        p[at] = ((back > 0) + (back >= 1 << 8)) << 6 | (pixel >= 1 << 17) << 5 | ((pixel >> 12) & 31)
    at += 1
    while back > 0:
        p[at] = back & 0xFF
        at += 1
        back >>= 8
    if pixel >= 1 << 17:
        p[at] = pixel >> 17
        at += 1
    return at
