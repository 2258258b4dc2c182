# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""SPICE's QUIC image format, both ways.

A picture is coded row by row without loss. A pixel is guessed from those to its left and above; what the guess is off
by, the residual, becomes a rank (small residuals of either sign have small ranks), and ranks are written in one of
several Golomb-Rice codes. Which one, is learned for each channel and each bucket of contexts: the context is the rank
to the left. Where pixels repeat, the length of the run is written instead. The bytes follow from the pixels alone:
there is no choice to make.

The encoder finds the ranks of a whole row at a time, and where runs may begin, which leaves little to do for each
pixel. The kernel is compiled where a C compiler is at hand, and then works without the GIL. Uncompiled it makes the
same bytes, slowly.
"""

from __future__ import annotations

import enum
import struct
import sys
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

try:
    import cython
except ImportError:  # uncompiled, and Cython is not installed
    from spicetrio.codecs import _cython as cython

from spicetrio.codecs import quic_tables
from spicetrio.codecs.buffers import readable

if TYPE_CHECKING:
    from typing_extensions import Buffer

if cython.compiled:
    from cython.cimports.cpython.bytearray import PyByteArray_FromStringAndSize
    from cython.cimports.cpython.bytes import PyBytes_FromStringAndSize
    from cython.cimports.libc.string import memchr, memcpy, memset

COMPILED: Final[bool] = bool(cython.compiled)
"""Whether this module runs as machine code."""

_MAGIC = 0x43495551
_VERSION = 0
_HEADER = struct.Struct("<5I")
_MOST_PIXELS = (1 << 29) - 1


class QuicType(enum.IntEnum):
    """What a picture's pixels are; the numbers are those of the format."""

    GRAY = 1
    RGB16 = 2
    RGB24 = 3
    RGB32 = 4
    RGBA = 5


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture taken out of its encoding."""

    image_type: QuicType
    """What the pixels are."""
    width: int
    """Pixels in a row."""
    height: int
    """Rows."""
    stride: int
    """Bytes in a row."""
    pixels: bytes
    """The rows, the top one first: 32-bit pixels as blue, green, red and alpha or 0, 24-bit ones as blue, green, red,
    16-bit ones in the machine's order, five bits each."""


_BYTES_PER_PIXEL: Final = {
    QuicType.GRAY: 1,
    QuicType.RGB16: 2,
    QuicType.RGB24: 3,
    QuicType.RGB32: 4,
    QuicType.RGBA: 4,
}

_BUCKETS = cython.declare(cython.Py_ssize_t, 8)
_PERIOD = cython.declare(cython.Py_ssize_t, quic_tables.PERIOD)
_LAST_PERIOD = cython.declare(cython.Py_ssize_t, quic_tables.LAST_PERIOD)
_LITTLE = sys.byteorder == "little"
_LOW = cython.declare(cython.Py_ssize_t, 0 if _LITTLE else 1)
_COLORS = cython.declare(cython.uint, int.from_bytes(b"\xff\xff\xff\x00", sys.byteorder))
_PADDING = 8
"""Words of zeros after those to decode: more than a pixel can take, for the end is looked for before each pixel."""


def encode(
    pixels: Buffer,
    *,
    width: int,
    height: int,
    stride: int,
    offset: int = 0,
    image_type: QuicType,
    limit: int | None = None,
) -> bytes | None:
    """Encode a picture, or a rectangle of a larger one.

    Args:
        pixels: the rows, in the layout `Decoded.pixels` has; the x byte of RGB32 and the x bit of RGB16 are left out
        width: pixels in a row
        height: rows
        stride: bytes from one row to the next
        offset: bytes before the first row, which is the top one
        image_type: what the pixels are
        limit: how many bytes would be too many

    Returns:
        The encoding, or None as soon as it is clear that it would have `limit` bytes or more.
    """
    image_type = QuicType(image_type)
    view = readable(pixels)
    row = width * _BYTES_PER_PIXEL[image_type]
    if width < 1 or height < 1 or width * height > _MOST_PIXELS:
        raise ValueError(f"the picture is {width}x{height}, expected 1 to {_MOST_PIXELS} pixels")
    if stride < row or offset < 0:
        raise ValueError(f"stride is {stride} at offset {offset}, expected at least {row}, nothing negative")
    end = offset + (height - 1) * stride + row
    if end > view.nbytes:
        raise ValueError(f"the picture ends at byte {end}, but the buffer has {view.nbytes}")
    layers: list[_Layer] = _layers(image_type, width)
    per_row = sum(_most_bytes(layer.channels) for layer in layers) * width
    room: cython.Py_ssize_t = _HEADER.size + per_row * height + 8
    if limit is not None:
        room = min(room, limit - 1)
    if room < _HEADER.size:
        return None

    words = memoryview(_scratch((room + per_row + 16) & ~3)).cast("I")  # if there was room is known after each row
    bits: _Bits = _Bits(words)
    for value in (_MAGIC, _VERSION, image_type, width, height):
        _put(bits, value, 32)
    colors: _Layer = layers[0]
    alpha: _Layer = layers[len(layers) - 1]
    two: cython.bint = len(layers) == 2
    source: cython.p_uchar = _pointer(view)
    start: cython.Py_ssize_t = offset
    gap: cython.Py_ssize_t = stride
    kind: cython.int = int(image_type)
    y: cython.Py_ssize_t
    rows: cython.Py_ssize_t = height
    fits: cython.bint = True
    with cython.nogil:
        for y in range(rows):
            _lift(kind, source, start + y * gap, colors, alpha)
            _encode_row(colors, bits)
            if two:
                _encode_row(alpha, bits)
            fits = ((bits.position + 63) >> 5 << 2) <= room
            if not fits:
                break
        if fits:
            _put(bits, 0, -bits.position & 31)
            _put(bits, 0, 32)
    if not fits:
        return None
    written = words[: bits.position >> 5]
    return written.tobytes() if _LITTLE else _swapped(written).tobytes()


def decode(data: Buffer) -> Decoded:
    """Decode a picture; ValueError if the data is not one. What follows the picture is ignored.

    A picture that repeats itself may have many thousand times as many bytes as its data.
    """
    view = readable(data)
    if view.nbytes < _HEADER.size:
        raise ValueError(f"the data has {view.nbytes} bytes, expected at least a header of {_HEADER.size}")
    magic, version, number, width, height = _HEADER.unpack_from(view)
    if magic != _MAGIC or version != _VERSION:
        raise ValueError(f"magic {magic:#x} version {version:#x}, expected {_MAGIC:#x} and {_VERSION:#x}")
    image_type = QuicType(number)
    if width == 0 or height == 0 or width * height > _MOST_PIXELS:
        raise ValueError(f"the picture is {width}x{height}, expected 1 to {_MOST_PIXELS} pixels")
    # Each sample of the first row takes a bit, and so do those of later rows before the first run can begin.
    if width + (height - 1) * min(width, 3) > 8 * (view.nbytes - _HEADER.size):
        raise ValueError(f"{view.nbytes} bytes of data are too few for {width}x{height}")

    stride = width * _BYTES_PER_PIXEL[image_type]
    pixels = _result(stride * height)
    words = array("I", bytes(view[: view.nbytes & ~3]) + bytes(4 * _PADDING))
    if not _LITTLE:
        words.byteswap()
    bits: _Bits = _Bits(memoryview(words))
    bits.position = 8 * _HEADER.size
    bits.end = 32 * (len(words) - _PADDING)
    layers: list[_Layer] = _layers(image_type, width)
    colors: _Layer = layers[0]
    alpha: _Layer = layers[len(layers) - 1]
    two: cython.bint = len(layers) == 2
    target: cython.p_uchar = _pointer(memoryview(pixels))
    gap: cython.Py_ssize_t = stride
    kind: cython.int = int(image_type)
    y: cython.Py_ssize_t
    rows: cython.Py_ssize_t = height
    fine: cython.bint = True
    with cython.nogil:
        for y in range(rows):
            fine = _decode_row(colors, bits) and (not two or _decode_row(alpha, bits))
            if not fine:
                break
            _lower(kind, target, y * gap, colors, alpha)
    if not fine or bits.position > bits.end:
        raise ValueError("the data ends too early, a value is out of range, or a run is longer than its row")
    return Decoded(image_type, width, height, stride, bytes(pixels))


# Buffers


def _scratch(size: int) -> bytearray:
    """Return memory that holds anything."""
    if not cython.compiled:
        return bytearray(size)
    memory: bytearray = PyByteArray_FromStringAndSize(cython.NULL, size)
    return memory


def _result(size: int) -> bytes | bytearray:
    """Return memory that holds anything, which `bytes` need not copy if it is compiled."""
    if not cython.compiled:
        return bytearray(size)
    memory: bytes = PyBytes_FromStringAndSize(cython.NULL, size)
    return memory


def _swapped(words: memoryview) -> array[int]:
    """Return words with their bytes in the other order."""
    other = array("I", words)
    other.byteswap()
    return other


@cython.cfunc
def _pointer(view: memoryview) -> cython.p_uchar:
    """Return where the bytes are; good as long as what `view` shows is kept."""
    if not cython.compiled:
        return view
    data: cython.const[cython.uchar][:] = view.cast("B")  # type: ignore[valid-type]
    return cython.cast(cython.p_uchar, cython.address(data[0]))


@cython.cfunc
def _short_pointer(view: memoryview) -> cython.p_ushort:
    if not cython.compiled:
        return view
    data: cython.ushort[:] = view
    return cython.address(data[0])


@cython.cfunc
def _word_pointer(view: memoryview) -> cython.p_uint:
    if not cython.compiled:
        return view
    data: cython.uint[:] = view
    return cython.address(data[0])


# Bits


@cython.cclass
class _Bits:
    """A place in an encoding: words, filled from their highest bit on."""

    words: cython.p_uint
    position: cython.Py_ssize_t
    """Bits before the place."""
    end: cython.Py_ssize_t
    """Bits there are to read."""
    pending: cython.ulonglong
    """The bits written last; those of a word that is not full are nowhere else."""

    def __init__(self, words: memoryview) -> None:
        self.words = _word_pointer(words)
        self.position = self.end = self.pending = 0


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _put(bits: _Bits, word: cython.ulonglong, length: cython.Py_ssize_t) -> cython.void:
    """Write a word of up to 32 bits."""
    position: cython.Py_ssize_t = bits.position
    pending: cython.ulonglong = (bits.pending << length) | word
    last: cython.ulonglong = pending >> ((position + length) & 31)
    if not cython.compiled:
        pending &= 0xFFFFFFFF
        last &= 0xFFFFFFFF
    bits.words[position >> 5] = last  # once more later if it is not full yet
    bits.pending = pending
    bits.position = position + length


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _next(words: cython.p_uint, position: cython.Py_ssize_t) -> cython.ulonglong:
    """Return at least the next 33 bits, from the highest bit on."""
    high: cython.ulonglong = words[position >> 5]
    return _shifted((high << 32) | words[(position >> 5) + 1], position & 31)


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _shifted(value: cython.ulonglong, count: cython.Py_ssize_t) -> cython.ulonglong:
    """Return the value without its highest `count` bits."""
    if not cython.compiled:
        return (value << count) & 0xFFFFFFFFFFFFFFFF
    return value << count


# Layers


@cython.cclass
class _Layer:
    """Channels that are coded together, which are three colors or one of gray or alpha: rows, and what was learned.

    A row begins with a pixel that stands left of the first one and is like the one above that. Pixels have four bytes
    (blue, green, red, nothing) or, for one channel, one.
    """

    channels: cython.Py_ssize_t
    step: cython.Py_ssize_t
    """Bytes of a pixel."""
    width: cython.Py_ssize_t
    """Pixels in a row."""
    row: cython.p_uchar
    above: cython.p_uchar
    ranks: cython.p_uchar
    """Of the pixels of this row; where there were runs, those left by earlier rows. The first is the context of what
    follows, so it is that of the first pixel above."""
    old_ranks: cython.p_uchar
    """Of the row above; the decoder needs none."""
    same: cython.p_uchar
    """At each pixel whether it is like the one to its left."""
    above_same: cython.p_uchar
    starts: cython.p_uchar
    """At each pixel whether a run may begin there."""
    first: cython.bint
    """Whether this is the first row, which has no runs, and in which the guess is the pixel to the left."""
    lowest: cython.Py_ssize_t
    """The pixel before which no run begins, for none ever does, or because one just has."""

    bits: cython.Py_ssize_t
    """Of a value; also how many codes there are."""
    codes: cython.p_uint
    lengths: cython.p_ushort
    short: cython.p_ushort
    prefixes: cython.p_uchar
    suffixes: cython.p_uchar
    buckets: cython.p_uchar
    bounds: cython.p_ushort
    best: cython.p_uchar
    """The code for each context of each channel."""
    counters: cython.p_uint
    """For each bucket of each channel, bits that each code would have taken."""

    random: cython.p_uint
    seed: cython.Py_ssize_t
    wait: cython.Py_ssize_t
    """Pixels until the models are updated."""
    period: cython.Py_ssize_t
    period_left: cython.Py_ssize_t
    triggers: cython.p_uint
    run_orders: cython.p_uchar
    run_state: cython.Py_ssize_t
    memory: list[bytearray]

    def __init__(self, channels: int, bits: int, width: int) -> None:
        self.channels = channels
        self.step = 4 if channels == 3 else 1
        self.width = width
        self.memory = []
        row = (width + 1) * self.step
        self.row, self.above = self.zeros(row), self.zeros(row)
        self.ranks, self.old_ranks = self.zeros(row), self.zeros(row)
        self.same, self.above_same, self.starts = self.zeros(width), self.zeros(width), self.zeros(width)
        family = quic_tables.FAMILIES[bits]
        self.bits = bits
        self.codes = _word_pointer(memoryview(family.codes))
        self.lengths = _short_pointer(memoryview(family.lengths))
        self.short = _short_pointer(memoryview(family.short))
        self.prefixes = _pointer(memoryview(family.prefixes))
        self.suffixes = _pointer(memoryview(family.suffixes))
        self.buckets = _pointer(memoryview(family.buckets))
        self.bounds = _short_pointer(memoryview(family.bounds))
        self.best = self.zeros(256 * channels)
        for i in range(256 * channels):
            self.best[i] = bits - 1
        counters = bytearray(4 * 8 * _BUCKETS * channels)
        self.memory.append(counters)
        self.counters = _word_pointer(memoryview(counters).cast("I"))
        self.random = _word_pointer(memoryview(quic_tables.RANDOM))
        self.first = True
        self.lowest = 0
        self.seed = 255
        self.wait = 0
        self.period = 0
        self.period_left = _PERIOD
        self.triggers = _word_pointer(memoryview(quic_tables.TRIGGERS))
        self.run_orders = _pointer(memoryview(quic_tables.RUN_ORDERS))
        self.run_state = 0

    @cython.cfunc
    def zeros(self, size: cython.Py_ssize_t) -> cython.p_uchar:
        """Return that many bytes, kept as long as the layer."""
        memory = bytearray(size)
        self.memory.append(memory)
        return _pointer(memoryview(memory))


def _layers(image_type: QuicType, width: int) -> list[_Layer]:
    if image_type == QuicType.GRAY:
        return [_Layer(1, 8, width)]
    if image_type == QuicType.RGBA:
        return [_Layer(3, 8, width), _Layer(1, 8, width)]
    return [_Layer(3, 5 if image_type == QuicType.RGB16 else 8, width)]


def _most_bytes(channels: int) -> int:
    """Return what a pixel can take at most: its codes, and the end of a run before it."""
    return (channels * quic_tables.LONGEST_CODE + max(quic_tables.RUN_ORDERS) + 2) // 8 + 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _lift(
    kind: cython.int, source: cython.p_uchar, at: cython.Py_ssize_t, colors: _Layer, alpha: _Layer
) -> cython.void:
    """Bring a row of any type to where it is encoded from."""
    width: cython.Py_ssize_t = colors.width
    row: cython.p_uchar = colors.row
    i: cython.Py_ssize_t
    value: cython.uint
    if kind == 1:
        for i in range(width):
            row[i + 1] = source[at + i]
    elif kind == 2:
        for i in range(width):
            value = source[at + 2 * i + _LOW] | source[at + 2 * i + 1 - _LOW] << 8
            row[4 * i + 4] = value & 31
            row[4 * i + 5] = (value >> 5) & 31
            row[4 * i + 6] = (value >> 10) & 31
    elif kind == 3:
        for i in range(width):
            row[4 * i + 4] = source[at + 3 * i]
            row[4 * i + 5] = source[at + 3 * i + 1]
            row[4 * i + 6] = source[at + 3 * i + 2]
    else:
        for i in range(width):
            _copy_word(row, 4 * i + 4, source, at + 4 * i)
        if kind == 5:
            for i in range(width):
                alpha.row[i + 1] = source[at + 4 * i + 3]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _lower(
    kind: cython.int, target: cython.p_uchar, at: cython.Py_ssize_t, colors: _Layer, alpha: _Layer
) -> cython.void:
    """Bring a decoded row to where its picture is."""
    width: cython.Py_ssize_t = colors.width
    row: cython.p_uchar = colors.row
    i: cython.Py_ssize_t
    value: cython.uint
    if kind == 1:
        for i in range(width):
            target[at + i] = row[i + 1]
    elif kind == 2:
        for i in range(width):
            value = row[4 * i + 4] | row[4 * i + 5] << 5 | row[4 * i + 6] << 10
            target[at + 2 * i + _LOW] = value & 0xFF
            target[at + 2 * i + 1 - _LOW] = value >> 8
    elif kind == 3:
        for i in range(width):
            target[at + 3 * i] = row[4 * i + 4]
            target[at + 3 * i + 1] = row[4 * i + 5]
            target[at + 3 * i + 2] = row[4 * i + 6]
    else:
        for i in range(width):
            _copy_word(target, at + 4 * i, row, 4 * i + 4)
        if kind == 5:
            for i in range(width):
                target[at + 4 * i + 3] = alpha.row[i + 1]


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _copy_word(
    target: cython.p_uchar, to: cython.Py_ssize_t, source: cython.p_uchar, at: cython.Py_ssize_t
) -> cython.void:
    """Copy a pixel of three colors and put zero beside them."""
    if not cython.compiled:
        target[to : to + 4] = bytes(source[at : at + 3]) + b"\0"
        return
    value: cython.uint = 0
    memcpy(cython.address(value), source + at, 4)
    value &= _COLORS
    memcpy(target + to, cython.address(value), 4)


# Rows


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _encode_row(layer: _Layer, bits: _Bits) -> cython.void:
    if layer.channels == 3 and layer.bits == 8:
        _find_ranks(layer, 4, 8)
        _find_starts(layer, 4)
    elif layer.channels == 3:
        _find_ranks(layer, 4, 5)
        _find_starts(layer, 4)
    else:
        _find_ranks(layer, 1, 8)
        _find_starts(layer, 1)
    _code_row(layer, bits, True)
    layer.row, layer.above = layer.above, layer.row
    layer.ranks, layer.old_ranks = layer.old_ranks, layer.ranks
    layer.same, layer.above_same = layer.above_same, layer.same


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _decode_row(layer: _Layer, bits: _Bits) -> cython.bint:
    """Decode a row; return whether that went well."""
    k: cython.Py_ssize_t
    layer.row, layer.above = layer.above, layer.row
    for k in range(layer.step):
        layer.row[k] = layer.above[layer.step + k]
        layer.ranks[k] = layer.ranks[layer.step + k]
    return _code_row(layer, bits, False)


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _find_ranks(layer: _Layer, step: cython.Py_ssize_t, bits: cython.int) -> cython.void:
    """Find the ranks of a row as if there were no runs."""
    row: cython.p_uchar = layer.row
    above: cython.p_uchar = row if layer.first else layer.above  # in the first row the left pixel is the guess
    back: cython.Py_ssize_t = step if layer.first else 0
    ranks: cython.p_uchar = layer.ranks
    k: cython.Py_ssize_t
    mask: cython.uchar = (1 << bits) - 1
    residual: cython.uchar
    for k in range(step):
        row[k] = layer.above[step + k]
        ranks[k] = layer.old_ranks[step + k]
    for k in range(step * layer.width):
        residual = (row[step + k] - ((row[k] + above[step + k - back]) >> 1)) & mask
        ranks[step + k] = ((residual << 1) & mask) ^ (-(residual >> (bits - 1)) & mask)


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _find_starts(layer: _Layer, step: cython.Py_ssize_t) -> cython.void:
    """Find where runs may begin: after two pixels that are the same, below two that are the same."""
    row: cython.p_uchar = layer.row
    same: cython.p_uchar = layer.same
    above_same: cython.p_uchar = layer.above_same
    starts: cython.p_uchar = layer.starts
    i: cython.Py_ssize_t
    for i in range(1, layer.width):
        same[i] = _alike(row, i, i + 1, step)
    for i in range(3, layer.width):
        starts[i] = same[i - 1] & above_same[i]


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _alike(row: cython.p_uchar, i: cython.Py_ssize_t, j: cython.Py_ssize_t, step: cython.Py_ssize_t) -> cython.bint:
    """Return whether two pixels of a row are the same; 0 is the one before the row."""
    if step == 1:
        return row[i] == row[j]
    if not cython.compiled:
        return row[4 * i : 4 * i + 3] == row[4 * j : 4 * j + 3]
    one: cython.uint = 0
    other: cython.uint = 0
    memcpy(cython.address(one), row + 4 * i, 4)
    memcpy(cython.address(other), row + 4 * j, 4)
    return one == other


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _code_row(layer: _Layer, bits: _Bits, encoding: cython.bint) -> cython.bint:
    """Encode or decode a row, a period at a time; return whether that went well."""
    i: cython.Py_ssize_t = 0
    while layer.period < _LAST_PERIOD and layer.period_left <= layer.width - i:
        if not _code_segment(layer, bits, i, i + layer.period_left, encoding):
            return False
        i += layer.period_left
        layer.period += 1
        layer.period_left = _PERIOD
    if i < layer.width:
        if layer.period < _LAST_PERIOD:
            layer.period_left -= layer.width - i
        if not _code_segment(layer, bits, i, layer.width, encoding):
            return False
    layer.first = False
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _code_segment(
    layer: _Layer,
    bits: _Bits,
    i: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    encoding: cython.bint,
) -> cython.bint:
    """Encode or decode a part of a row that is within a period; return whether that went well."""
    last: cython.Py_ssize_t
    run: cython.Py_ssize_t
    stop: cython.Py_ssize_t = i + layer.wait
    layer.lowest = end if layer.first else 3
    if i == 0:
        if _code_pixels(layer, bits, 0, 1, encoding) < 0:
            return False
        if layer.wait:
            layer.wait -= 1
        else:
            layer.wait = _random_wait(layer)
            _learn(layer, 0)
        i = 1
        stop = 1 + layer.wait
    while True:
        last = min(stop + 1, end)
        i = _code_pixels(layer, bits, i, last, encoding)
        if i < 0:
            return False
        if i < last:
            layer.wait = stop - i
            layer.lowest = i + 1
            run = _encode_run(layer, bits, i, end) if encoding else _decode_run(layer, bits, i, end)
            if run < 0:
                return False
            i += run
            if i == end:
                return True
            stop = i + layer.wait
        elif stop < end:
            _learn(layer, stop)
            stop = i + _random_wait(layer)
        else:
            layer.wait = stop - end
            return True


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _random_wait(layer: _Layer) -> cython.Py_ssize_t:
    layer.seed = (layer.seed + 1) & 255
    return layer.random[layer.seed] & ((1 << layer.period) - 1)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _learn(layer: _Layer, i: cython.Py_ssize_t) -> cython.void:
    """Update the models of all channels with pixel i."""
    channel: cython.Py_ssize_t
    context: cython.Py_ssize_t
    code: cython.Py_ssize_t
    best: cython.Py_ssize_t
    counter: cython.uint
    least: cython.uint
    model: cython.Py_ssize_t
    at: cython.Py_ssize_t
    for channel in range(layer.channels):
        context = layer.ranks[layer.step * i + channel]
        at = 8 * layer.ranks[layer.step * (i + 1) + channel]
        model = 8 * (_BUCKETS * channel + layer.buckets[context])
        best = 0
        least = 0xFFFFFFFF
        for code in range(layer.bits - 1, -1, -1):
            counter = layer.counters[model + code] + layer.lengths[at + code]
            layer.counters[model + code] = counter
            if counter < least:
                least = counter
                best = code
        if layer.best[256 * channel + context] != best:
            for at in range(layer.bounds[layer.buckets[context]], layer.bounds[layer.buckets[context] + 1]):
                layer.best[256 * channel + at] = best
        if least > layer.triggers[layer.period]:
            for code in range(layer.bits):
                layer.counters[model + code] >>= 1


# Pixels


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _code_pixels(
    layer: _Layer,
    bits: _Bits,
    i: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    encoding: cython.bint,
) -> cython.Py_ssize_t:
    """Encode or decode pixels up to `end`, or until a run begins; return where that is, or -1 if the data is wrong."""
    if encoding:
        if layer.channels == 3:
            return _encode_pixels(layer, bits, i, end, 4)
        return _encode_pixels(layer, bits, i, end, 1)
    if layer.channels == 3:
        if layer.bits == 8:
            return _decode_pixels(layer, bits, i, end, 4, 8)
        return _decode_pixels(layer, bits, i, end, 4, 5)
    return _decode_pixels(layer, bits, i, end, 1, 8)


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _encode_pixels(
    layer: _Layer,
    bits: _Bits,
    i: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    step: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    ranks: cython.p_uchar = layer.ranks
    starts: cython.p_uchar = layer.starts
    lowest: cython.Py_ssize_t = layer.lowest
    best: cython.p_uchar = layer.best
    codes: cython.p_uint = layer.codes
    blue: cython.ulonglong
    green: cython.ulonglong
    red: cython.ulonglong
    word: cython.ulonglong
    length: cython.Py_ssize_t
    while i < end:
        if starts[i] and i >= lowest:
            return i
        if step == 1:
            red = _code(codes, best, 0, ranks[i], ranks[i + 1])
            _put(bits, red >> 5, red & 31)
        else:
            red = _code(codes, best, 2, ranks[4 * i + 2], ranks[4 * i + 6])
            green = _code(codes, best, 1, ranks[4 * i + 1], ranks[4 * i + 5])
            blue = _code(codes, best, 0, ranks[4 * i], ranks[4 * i + 4])
            length = (red & 31) + (green & 31) + (blue & 31)
            if length <= 32:
                word = (red >> 5) << (green & 31) | green >> 5
                _put(bits, word << (blue & 31) | blue >> 5, length)
            else:
                _put(bits, red >> 5, red & 31)
                _put(bits, green >> 5, green & 31)
                _put(bits, blue >> 5, blue & 31)
        i += 1
    return end


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _code(
    codes: cython.p_uint,
    best: cython.p_uchar,
    channel: cython.Py_ssize_t,
    context: cython.uchar,
    rank: cython.uchar,
) -> cython.uint:
    """Return the bits of a rank times 32, plus how many they are."""
    code: cython.Py_ssize_t = best[256 * channel + context]
    return codes[256 * code + rank]


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _decode_pixels(
    layer: _Layer,
    bits: _Bits,
    i: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    step: cython.Py_ssize_t,
    depth: cython.int,
) -> cython.Py_ssize_t:
    row: cython.p_uchar = layer.row
    above: cython.p_uchar = layer.above
    ranks: cython.p_uchar = layer.ranks
    best: cython.p_uchar = layer.best
    lowest: cython.Py_ssize_t = layer.lowest
    short: cython.p_ushort = layer.short
    words: cython.p_uint = bits.words
    position: cython.Py_ssize_t = bits.position
    end_position: cython.Py_ssize_t = bits.end
    back: cython.Py_ssize_t = 0
    window: cython.ulonglong
    mask: cython.uint = (1 << depth) - 1
    found: cython.uint
    code: cython.Py_ssize_t
    channel: cython.Py_ssize_t
    at: cython.Py_ssize_t
    if layer.first:
        above = row
        back = step
    while i < end:
        if i >= lowest and _alike(above, i, i + 1, step) and _alike(row, i - 1, i, step):
            break
        if position > end_position:
            return -1
        window = _next(words, position)
        for channel in range(2 if step == 4 else 0, -1, -1):
            at = step * i + channel
            code = best[256 * channel + ranks[at]]
            found = short[(code << 10) + (window >> 54)]
            if found:
                window = _shifted(window, found & 31)
                position += found & 31
            else:
                found = _decode_long(layer, _next(words, position) >> 32, code)
                position += found & 31
                window = _next(words, position)
            found >>= 5
            if found > mask:
                return -1
            ranks[at + step] = found
            found = (found >> 1) ^ (-(found & 1) & mask)
            row[at + step] = (found + ((row[at] + above[at + step - back]) >> 1)) & mask
        i += 1
    bits.position = position
    return i


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _decode_long(layer: _Layer, window: cython.ulonglong, code: cython.Py_ssize_t) -> cython.uint:
    """Return the value that the next 32 bits begin with, times 32, plus its length."""
    prefix: cython.Py_ssize_t = layer.prefixes[code]
    suffix: cython.Py_ssize_t = layer.suffixes[code]
    zeros: cython.Py_ssize_t = 0
    value: cython.uint
    while zeros < prefix and not (window >> (31 - zeros)) & 1:
        zeros += 1
    if zeros < prefix:
        value = zeros << code | (window >> (31 - zeros - code)) & ((1 << code) - 1)
        return value << 5 | (zeros + 1 + code)
    value = (prefix << code) + ((window >> (32 - prefix - suffix)) & ((1 << suffix) - 1))
    return value << 5 | (prefix + suffix)


# Runs


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _encode_run(layer: _Layer, bits: _Bits, i: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Encode how many pixels from i on repeat the one before, which may be none; return how many."""
    same: cython.p_uchar = layer.same
    other: cython.p_uchar
    begin: cython.Py_ssize_t = layer.step * (i + 1)
    left: cython.Py_ssize_t
    order: cython.Py_ssize_t = layer.run_orders[layer.run_state]
    run: cython.Py_ssize_t = 0
    if not cython.compiled:
        while i + run < end and same[i + run]:
            run += 1
        layer.ranks[begin : begin + layer.step * run] = layer.old_ranks[begin : begin + layer.step * run]
    else:
        other = cython.cast(cython.p_uchar, memchr(same + i, 0, end - i))
        run = other - (same + i) if other != cython.NULL else end - i
        memcpy(layer.ranks + begin, layer.old_ranks + begin, layer.step * run)
    left = run
    while left >> order:
        _put(bits, 1, 1)
        left -= 1 << order
        layer.run_state = min(layer.run_state + 1, 31)
        order = layer.run_orders[layer.run_state]
    _put(bits, left, order + 1)
    layer.run_state = max(layer.run_state - 1, 0)
    return run


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _decode_run(layer: _Layer, bits: _Bits, i: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Repeat the pixel before i as often as the data says; return how often, or -1 if the data is wrong."""
    run: cython.Py_ssize_t = 0
    order: cython.Py_ssize_t = layer.run_orders[layer.run_state]
    window: cython.ulonglong = _next(bits.words, bits.position)
    while window >> 63:
        run += 1 << order
        bits.position += 1
        if run > end - i or bits.position > bits.end:
            return -1
        layer.run_state = min(layer.run_state + 1, 31)
        order = layer.run_orders[layer.run_state]
        window = _next(bits.words, bits.position)
    run += (window >> (63 - order)) & ((1 << order) - 1)
    bits.position += order + 1
    if run > end - i or bits.position > bits.end:
        return -1
    layer.run_state = max(layer.run_state - 1, 0)
    _repeat(layer.row, layer.step, i, run)
    return run


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _repeat(row: cython.p_uchar, step: cython.Py_ssize_t, i: cython.Py_ssize_t, run: cython.Py_ssize_t) -> cython.void:
    """Copy the pixel before i to `run` places from there on."""
    if not cython.compiled:
        row[step * (i + 1) : step * (i + 1 + run)] = bytes(row[step * i : step * (i + 1)]) * run
    elif step == 1:
        memset(row + i + 1, row[i], run)
    else:
        at: cython.Py_ssize_t
        value: cython.uint = 0
        memcpy(cython.address(value), row + 4 * i, 4)
        for at in range(i + 1, i + 1 + run):
            memcpy(row + 4 * at, cython.address(value), 4)
