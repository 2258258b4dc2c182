# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""SPICE's LZ image format, both ways.

A picture is a header of seven big-endian numbers and one or two passes of tokens: literal runs, and matches that
repeat units written before. A unit is what is coded at once: three colour bytes, a 16-bit pixel, an alpha byte, or
a byte of indexes into a palette.

The encoder brings each kind of unit into 32-bit words first, except for 32-bit pixels without gaps, which it takes
where they are; one kernel does the rest. It is compiled where a C compiler is at hand, and then works without the GIL.
Uncompiled it makes the same bytes, slowly.
"""

from __future__ import annotations

import enum
import struct
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

try:
    import cython
except ImportError:  # uncompiled, and Cython is not installed
    from spicetrio.codecs import _cython as cython

from spicetrio.codecs.buffers import readable

if TYPE_CHECKING:
    from typing_extensions import Buffer

if cython.compiled:
    from cython.cimports.cpython.bytearray import PyByteArray_FromStringAndSize
    from cython.cimports.libc.string import memcpy

COMPILED: Final[bool] = bool(cython.compiled)
"""Whether this module runs as machine code."""

_MAGIC = 0x20205A4C
_VERSION = 0x00010001
_HEADER = struct.Struct(">7I")
_MOST_BYTES = (1 << 30) - 1


class LzType(enum.IntEnum):
    """What a picture's units are; the numbers are those of the format."""

    PLT1_LE = 1
    PLT1_BE = 2
    PLT4_LE = 3
    PLT4_BE = 4
    PLT8 = 5
    RGB16 = 6
    RGB24 = 7
    RGB32 = 8
    RGBA = 9
    XXXA = 10
    A8 = 11


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture taken out of its encoding."""

    image_type: LzType
    """What the pixels are."""
    width: int
    """Pixels in a row."""
    height: int
    """Rows."""
    stride: int
    """Bytes in a row."""
    top_down: bool
    """Whether the first row is the top one."""
    pixels: bytes
    """The rows: 32-bit pixels as blue, green, red and alpha or 0 (XXXA: three times 0), 24-bit ones as blue, green,
    red, 16-bit ones in the machine's order."""


_PIXELS_PER_BYTE: Final = {LzType.PLT1_LE: 8, LzType.PLT1_BE: 8, LzType.PLT4_LE: 2, LzType.PLT4_BE: 2}
_BYTES_PER_PIXEL: Final = {
    LzType.PLT8: 1,
    LzType.RGB16: 2,
    LzType.RGB24: 3,
    LzType.RGB32: 4,
    LzType.RGBA: 4,
    LzType.XXXA: 4,
    LzType.A8: 1,
}

_LITTLE = cython.declare(cython.bint, sys.byteorder == "little")
_COLORS = cython.declare(cython.uint, int.from_bytes(b"\xff\xff\xff\x00", sys.byteorder))
_FARTHEST = cython.declare(cython.Py_ssize_t, 73725)
_NEAR = cython.declare(cython.Py_ssize_t, 8191)
_TABLE = cython.declare(cython.Py_ssize_t, 1 << 13)
_GOLDEN = cython.declare(cython.ulonglong, 0x9E3779B185EBCA87)
_LONGEST_STEP = cython.declare(cython.Py_ssize_t, 32)


def row_bytes(image_type: LzType, width: int) -> int:
    """Return how many bytes a row of `width` pixels has."""
    share = _PIXELS_PER_BYTE.get(image_type)
    return -(-width // share) if share else width * _BYTES_PER_PIXEL[image_type]


def encode(
    pixels: Buffer,
    *,
    width: int,
    height: int,
    stride: int,
    offset: int = 0,
    image_type: LzType,
    top_down: bool = True,
    limit: int | None = None,
) -> bytes | None:
    """Encode a picture, or a rectangle of a larger one.

    Args:
        pixels: the rows, in the layout `Decoded.pixels` has; the x byte of RGB32 is left out
        width: pixels in a row
        height: rows
        stride: bytes from one row to the next
        offset: bytes before the first row
        image_type: what the pixels are
        top_down: whether the first row is the top one
        limit: how many bytes would be too many

    Returns:
        The encoding, or None as soon as it is clear that it would have `limit` bytes or more.
    """
    image_type = LzType(image_type)
    view = readable(pixels)
    row = row_bytes(image_type, width)
    if width < 1 or height < 1 or row * height > _MOST_BYTES:
        raise ValueError(f"the picture is {width}x{height}, expected 1 to {_MOST_BYTES} bytes of pixels")
    if stride < row or offset < 0:
        raise ValueError(f"stride is {stride} at offset {offset}, expected at least {row}, nothing negative")
    end = offset + (height - 1) * stride + row
    if end > view.nbytes:
        raise ValueError(f"the picture ends at byte {end}, but the buffer has {view.nbytes}")
    passes = layers(image_type)
    size, step, start = passes[0]
    units: cython.Py_ssize_t = row // step * height
    worst = _HEADER.size + sum(units * layer[0] + units // 32 + 1 for layer in passes)
    room: cython.Py_ssize_t = worst if limit is None else min(worst, limit - 1)
    at: cython.Py_ssize_t = _HEADER.size
    if room < at:
        return None

    out = scratch(room + 8)  # a literal is stored as a whole word, beyond its own bytes
    words = memoryview(scratch(4 * units)).cast("I")
    table = memoryview(bytearray(4 * _TABLE)).cast("I")
    out[:at] = _HEADER.pack(_MAGIC, _VERSION, image_type, width, height, row, top_down)
    p: cython.p_uchar = _pointer(memoryview(out))
    q: cython.p_uchar = _pointer(view)
    w: cython.p_uchar = _pointer(words)
    t: cython.p_uint = _word_pointer(table)
    source: cython.p_uchar
    first: cython.Py_ssize_t = offset
    unit: cython.Py_ssize_t
    per_row: cython.Py_ssize_t = row // step
    mask: cython.uint = 0xFFFFFFFF
    for size, step, start in passes:
        unit = size
        if cython.compiled and size == 3 and step == 4 and stride == row:
            source = q + first
            mask = _COLORS
        else:
            widen(words, view, first=offset + start, stride=stride, step=step, size=size, per_row=per_row, rows=height)
            source = w
            mask = 0xFFFFFFFF
        with cython.nogil:
            at = _compress(p, at, room, t, source, mask, units, per_row, unit)
        if at < 0:
            return None
    return bytes(memoryview(out)[:at])


def layers(image_type: LzType) -> tuple[tuple[int, int, int], ...]:
    """Return the passes: bytes of a unit, bytes from one unit to the next, where in the row the first one is."""
    if image_type == LzType.RGB32:
        return ((3, 4, 0),)
    if image_type == LzType.RGBA:
        return (3, 4, 0), (1, 4, 3)
    if image_type == LzType.XXXA:
        return ((1, 4, 3),)
    size = _BYTES_PER_PIXEL.get(image_type, 1)
    return ((size, size, 0),)


def decode(data: Buffer) -> Decoded:
    """Decode a picture; ValueError if the data is not one. What follows the picture is ignored."""
    view = readable(data)
    if view.nbytes < _HEADER.size:
        raise ValueError(f"the data has {view.nbytes} bytes, expected at least a header of {_HEADER.size}")
    magic, version, kind, width, height, stride, top_down = _HEADER.unpack_from(view)
    if magic != _MAGIC or version != _VERSION:
        raise ValueError(f"magic {magic:#x} version {version:#x}, expected {_MAGIC:#x} and {_VERSION:#x}")
    image_type = LzType(kind)
    row = row_bytes(image_type, width)
    if stride != row:
        raise ValueError(f"stride is {stride}, expected {row} for {width} pixels of {image_type.name}")
    if row == 0 or height == 0 or stride * height > _MOST_BYTES:
        raise ValueError(f"the picture is {width}x{height}, expected 1 to {_MOST_BYTES} bytes of pixels")
    passes = layers(image_type)
    count: cython.Py_ssize_t = stride // passes[0][1] * height
    if count * len(passes) > 255 * view.nbytes:  # no byte stands for more units; checked before anything is allocated
        raise ValueError(f"{view.nbytes} bytes of data are too few for {width}x{height}")

    pixels = bytearray(stride * height)
    p: cython.p_uchar = _pointer(memoryview(pixels))
    q: cython.p_uchar = _pointer(view)
    at: cython.Py_ssize_t = _HEADER.size
    end: cython.Py_ssize_t = view.nbytes
    first: cython.Py_ssize_t
    apart: cython.Py_ssize_t
    unit: cython.Py_ssize_t
    swap: cython.bint = _LITTLE and image_type == LzType.RGB16
    for size, step, start in passes:
        first = start
        apart = step
        unit = size
        with cython.nogil:
            at = _expand(p, first, apart, count, q, at, end, unit, swap)
        if at < 0:
            raise ValueError("the data ends too early, or a match begins before the picture")
    return Decoded(image_type, width, height, stride, bool(top_down), bytes(pixels))


# Buffers


def scratch(size: int) -> bytearray:
    """Return memory that holds anything."""
    if not cython.compiled:
        return bytearray(size)
    memory: bytearray = PyByteArray_FromStringAndSize(cython.NULL, size)
    return memory


@cython.cfunc
def _pointer(view: memoryview) -> cython.p_uchar:
    """Return where the bytes are; good as long as `view` is kept."""
    if not cython.compiled:
        return view
    data: cython.const[cython.uchar][:] = view.cast("B")  # type: ignore[valid-type]
    return cython.cast(cython.p_uchar, cython.address(data[0]))


@cython.cfunc
def _word_pointer(view: memoryview) -> cython.p_uint:
    if not cython.compiled:
        return view
    data: cython.uint[:] = view
    return cython.address(data[0])


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _word(p: cython.p_uchar, i: cython.Py_ssize_t) -> cython.uint:
    if not cython.compiled:
        return p[i]
    value: cython.uint = 0
    memcpy(cython.address(value), p + 4 * i, 4)
    return value


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _pair(p: cython.p_uchar, i: cython.Py_ssize_t, mask: cython.ulonglong) -> cython.ulonglong:
    """Return two units at once."""
    if not cython.compiled:
        return p[i] | p[i + 1] << 32
    value: cython.ulonglong = 0
    memcpy(cython.address(value), p + 4 * i, 8)
    return value & mask


# Encoding


def widen(
    words: memoryview,
    pixels: memoryview,
    *,
    first: int,
    stride: int,
    step: int,
    size: int,
    per_row: int,
    rows: int,
) -> None:
    """Bring units into 32-bit words, one after another, each with nothing but its own bytes. Bounds are the caller's.

    Args:
        words: where they go; of format "I"
        pixels: where they are
        first: the byte where the first unit begins
        stride: bytes from one row to the next
        step: bytes from one unit to the next
        size: bytes of a unit
        per_row: units in a row
        rows: how many rows
    """
    w: cython.p_uchar = _pointer(words)
    q: cython.p_uchar = _pointer(pixels)
    at: cython.Py_ssize_t = first
    to: cython.Py_ssize_t = 0
    gap: cython.Py_ssize_t = stride
    apart: cython.Py_ssize_t = step
    unit: cython.Py_ssize_t = size
    count: cython.Py_ssize_t = per_row
    height: cython.Py_ssize_t = rows
    i: cython.Py_ssize_t
    value: cython.uint = 0
    with cython.nogil:
        for _ in range(height):
            if not cython.compiled:
                _widen_slices(w, to, q, at, apart, unit, count)
            elif unit == 3 and apart == 4:
                for i in range(count):
                    memcpy(cython.address(value), q + at + 4 * i, 4)
                    value &= _COLORS
                    memcpy(w + 4 * (to + i), cython.address(value), 4)
            else:
                for i in range(count):
                    value = 0
                    memcpy(cython.address(value), q + at + i * apart, unit)
                    memcpy(w + 4 * (to + i), cython.address(value), 4)
            at += gap
            to += count


def _widen_slices(w: memoryview, to: int, q: memoryview, first: int, step: int, size: int, per_row: int) -> None:
    """Widen a row where indexing unit by unit would be slow: by strided slices."""
    target = w.cast("B")[4 * to : 4 * (to + per_row)]
    target[:] = bytes(4 * per_row)
    for k in range(size):
        target[k::4] = q[first + k : first + (per_row - 1) * step + k + 1 : step]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _compress(
    p: cython.p_uchar,
    at: cython.Py_ssize_t,
    room: cython.Py_ssize_t,
    table: cython.p_uint,
    q: cython.p_uchar,
    mask: cython.uint,
    count: cython.Py_ssize_t,
    per_row: cython.Py_ssize_t,
    size: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Encode `count` units; return where the output ends, or -1 if there is no room for it.

    At each place two units are compared with those just before (a run), those of the row above, and those where the
    same two were seen last. After a while without a match places are left out, more and more of them.
    """
    i: cython.Py_ssize_t = 1
    j: cython.Py_ssize_t
    anchor: cython.Py_ssize_t = 0
    length: cython.Py_ssize_t
    best: cython.Py_ssize_t
    distance: cython.Py_ssize_t
    slot: cython.Py_ssize_t
    near_length: cython.Py_ssize_t = 5 - size if size < 3 else 2
    far_length: cython.Py_ssize_t = 9 - 2 * size if size < 3 else 3
    wide: cython.ulonglong = mask
    value: cython.ulonglong
    wide |= wide << 32
    for slot in range(_TABLE):
        table[slot] = 0
    while i + 1 < count:
        value = _pair(q, i, wide)
        best = 0
        distance = 0
        if value == _pair(q, i - 1, wide):
            best = 2 + _common(q, i + 2, i + 1, count, mask)
            distance = 1
        if i >= per_row and per_row <= _FARTHEST and value == _pair(q, i - per_row, wide):
            length = 2 + _common(q, i + 2, i + 2 - per_row, count, mask)
            if length > best:
                best = length
                distance = per_row
        if best < 16:
            slot = _slot(value)
            j = table[slot]
            j -= 1
            table[slot] = i + 1
            if j >= 0 and i - j <= _FARTHEST and value == _pair(q, j, wide):
                length = 2 + _common(q, i + 2, j + 2, count, mask)
                if length > best + 1:
                    best = length
                    distance = i - j
        if best < near_length or (distance > _NEAR and best < far_length):
            i += 1 + min((i - anchor) >> 5, _LONGEST_STEP)
            continue
        while i > anchor and i > distance and ((_word(q, i - 1) ^ _word(q, i - 1 - distance)) & mask) == 0:
            i -= 1
            best += 1
        at = _put_literals(p, at, room, q, anchor, i, size)
        if at < 0:
            return -1
        at = _put_match(p, at, room, distance, best, size)
        if at < 0:
            return -1
        i += best
        anchor = i
        if i < count:
            table[_slot(_pair(q, i - 1, wide))] = i
    return _put_literals(p, at, room, q, anchor, count, size)


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _slot(value: cython.ulonglong) -> cython.Py_ssize_t:
    """Return the place in the table for two units."""
    if not cython.compiled:
        return (value * _GOLDEN & 0xFFFFFFFFFFFFFFFF) >> 51
    return (value * _GOLDEN) >> 51


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _common(
    q: cython.p_uchar, i: cython.Py_ssize_t, j: cython.Py_ssize_t, end: cython.Py_ssize_t, mask: cython.uint
) -> cython.Py_ssize_t:
    """Return how many units from i on, and before `end`, are the same as those from j on."""
    start: cython.Py_ssize_t = i
    if not cython.compiled:
        return _common_slices(q, i, j, end)
    k: cython.Py_ssize_t
    differ: cython.uint = 0
    soon: cython.Py_ssize_t = min(end, i + 8)
    while i < soon:  # most matches are short
        if (_word(q, i) ^ _word(q, j)) & mask:
            return i - start
        i += 1
        j += 1
    while i + 32 <= end:
        differ = 0
        for k in range(32):
            differ |= _word(q, i + k) ^ _word(q, j + k)
        if differ & mask:
            break
        i += 32
        j += 32
    while i < end and ((_word(q, i) ^ _word(q, j)) & mask) == 0:
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
    q: cython.p_uchar,
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
                    memcpy(p + at, q + 4 * i, 4)
                    at += 3
                    i += 1
            else:
                for value in q[i:stop]:
                    p[at : at + 3] = value.to_bytes(4, sys.byteorder)[:3]
                    at += 3
                i = stop
        else:
            while i < stop:
                value = _word(q, i)
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
@cython.exceptval(check=False)
def _put_match(
    p: cython.p_uchar,
    at: cython.Py_ssize_t,
    room: cython.Py_ssize_t,
    distance: cython.Py_ssize_t,
    length: cython.Py_ssize_t,
    size: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    far: cython.bint = distance > _NEAR
    high: cython.Py_ssize_t = 31
    distance -= 1
    length -= 3 - size
    if at + 2 + (2 if far else 0) + ((length - 7) // 255 + 1 if length >= 7 else 0) > room:
        return -1
    if not far:
        high = distance >> 8
    if length < 7:
        p[at] = (length << 5) + high
        at += 1
    else:
        p[at] = (7 << 5) + high
        at += 1
        length -= 7
        while length >= 255:
            p[at] = 255
            at += 1
            length -= 255
        p[at] = length
        at += 1
    if far:
        distance -= _NEAR
        p[at] = 255
        p[at + 1] = distance >> 8
        at += 2
    p[at] = distance & 0xFF
    return at + 1


# Decoding


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _expand(
    p: cython.p_uchar,
    first: cython.Py_ssize_t,
    step: cython.Py_ssize_t,
    count: cython.Py_ssize_t,
    q: cython.p_uchar,
    at: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    size: cython.Py_ssize_t,
    swap: cython.bint,
) -> cython.Py_ssize_t:
    """Decode `count` units to places `step` bytes apart; return where the input goes on, or -1 if it is wrong."""
    i: cython.Py_ssize_t = 0
    k: cython.Py_ssize_t
    control: cython.Py_ssize_t
    length: cython.Py_ssize_t
    distance: cython.Py_ssize_t
    to: cython.Py_ssize_t
    origin: cython.Py_ssize_t
    while i < count:
        if at >= end:
            return -1
        control = q[at]
        at += 1
        if control < 32:
            length = control + 1
            if length > count - i or length * size > end - at:
                return -1
            to = first + i * step
            i += length
            for _ in range(length):
                for k in range(size):
                    p[to + (1 - k if swap else k)] = q[at + k]
                to += step
                at += size
            continue
        length = control >> 5
        distance = (control & 31) << 8
        if length == 7:
            while True:
                if at >= end:
                    return -1
                control = q[at]
                at += 1
                length += control
                if control != 255:
                    break
        if at >= end:
            return -1
        control = q[at]
        at += 1
        if distance == 31 << 8 and control == 255:
            if end - at < 2:
                return -1
            distance = ((q[at] << 8) | q[at + 1]) + _NEAR
            at += 2
        else:
            distance += control
        distance += 1
        length += 3 - size
        if distance > i or length > count - i:
            return -1
        to = first + i * step
        origin = to - distance * step
        i += length
        for _ in range(length):
            for k in range(size):
                p[to + k] = p[origin + k]
            to += step
            origin += step
    return at
