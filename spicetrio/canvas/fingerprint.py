# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""A short number for what an area shows, to recognise pictures that were seen before.

Pixels are 4 bytes, blue, green, red and x; x bytes are never looked at. Compiled and uncompiled as `pixels` is.

Two pixels at a time are mixed into one of four lanes, by a multiplication and a rotation, which can be undone; and
what each lane has been is summed up. So areas that differ in one place have different fingerprints for sure, and others
have the same one with a chance of about 1 in 2**128. It is no cryptography: who wants to can make two such areas.
"""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING, Final

try:
    import cython
except ImportError:  # uncompiled, and Cython is not installed
    from spicetrio.codecs import _cython as cython

from spicetrio.codecs.buffers import check_area, readable

if TYPE_CHECKING:
    from typing_extensions import Buffer

if cython.compiled:
    from cython.cimports.libc.string import memcpy

COMPILED: Final[bool] = bool(cython.compiled)
"""Whether this module runs as machine code."""

_TWO_PIXELS = cython.declare(cython.ulonglong, int.from_bytes(b"\xff\xff\xff\x00\xff\xff\xff\x00", sys.byteorder))
_PIXEL = cython.declare(cython.ulonglong, int.from_bytes(b"\xff\xff\xff\x00", sys.byteorder))
_WORD = 0xFFFFFFFFFFFFFFFF

# Odd, with bits in no order: what is multiplied by them can be divided again.
_FIRST = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)
_SECOND = cython.declare(cython.ulonglong, 0xD6E8FEB86659FD93)

_START: Final = struct.pack(
    "8Q",
    0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
    0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
)  # fmt: skip
"""Lanes at the beginning: fractional digits of the square roots of primes."""


def fingerprint(surface: Buffer, stride: int, x: int, y: int, w: int, h: int) -> bytes:
    """Return 16 bytes that stand for the size and the colors of a rectangle of a surface.

    They are the same in all processes of a machine, wherever the rectangle lies, and whatever its x bytes are.

    Args:
        surface: Rows of pixels.
        stride: Bytes from one row to the next.
        x: Left edge.
        y: Top edge.
        w: Width in pixels.
        h: Height in pixels.

    Raises:
        ValueError: The rectangle does not lie inside the surface.
    """
    view = readable(surface)
    check_area("rectangle", view.nbytes, 0, stride, x, y, w, h, 4)
    lanes = memoryview(bytearray(_START)).cast("Q")
    if w and h:
        p: cython.p_uchar = _pointer(view)
        q: cython.p_ulonglong = _lane_pointer(lanes)
        start: cython.Py_ssize_t = y * stride + 4 * x
        step: cython.Py_ssize_t = stride
        width: cython.Py_ssize_t = w
        height: cython.Py_ssize_t = h
        with cython.nogil:
            _mix_rows(q, p, start, step, width, height)
    one, two = w, h
    for lane in range(4):
        one = _spread(one ^ lanes[lane])
        two = _spread(two ^ lanes[lane + 4])
    one = _sum(one, two)
    return struct.pack("2Q", one, _sum(one, two))


@cython.cfunc
def _pointer(view: memoryview) -> cython.p_uchar:
    """Return where the bytes are; good as long as `view` is kept."""
    if not cython.compiled:
        return view
    data: cython.const[cython.uchar][:] = view  # type: ignore[valid-type]
    return cython.cast(cython.p_uchar, cython.address(data[0]))


@cython.cfunc
def _lane_pointer(view: memoryview) -> cython.p_ulonglong:
    if not cython.compiled:
        return view
    data: cython.ulonglong[:] = view
    return cython.address(data[0])


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _two_pixels(p: cython.p_uchar, at: cython.Py_ssize_t) -> cython.ulonglong:
    if not cython.compiled:
        return int.from_bytes(p[at : at + 8], sys.byteorder) & _TWO_PIXELS
    value: cython.ulonglong = 0
    memcpy(cython.address(value), p + at, 8)
    return value & _TWO_PIXELS


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _one_pixel(p: cython.p_uchar, at: cython.Py_ssize_t) -> cython.ulonglong:
    if not cython.compiled:
        return int.from_bytes(p[at : at + 4], sys.byteorder) & _PIXEL
    value: cython.uint = 0
    memcpy(cython.address(value), p + at, 4)
    return value & _PIXEL


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _mixed(lane: cython.ulonglong, word: cython.ulonglong) -> cython.ulonglong:
    lane = (lane ^ word) * _FIRST
    if not cython.compiled:
        lane &= _WORD
        return (lane << 31 | lane >> 33) & _WORD
    return lane << 31 | lane >> 33


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _sum(one: cython.ulonglong, other: cython.ulonglong) -> cython.ulonglong:
    if not cython.compiled:
        return (one + other) & _WORD
    return one + other


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _spread(value: cython.ulonglong) -> cython.ulonglong:
    """Let each bit decide about all; this can be undone, too."""
    value ^= value >> 32
    value *= _FIRST
    if not cython.compiled:
        value &= _WORD
    value ^= value >> 29
    value *= _SECOND
    if not cython.compiled:
        value &= _WORD
    return value ^ value >> 32


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _mix_rows(
    lanes: cython.p_ulonglong,
    p: cython.p_uchar,
    start: cython.Py_ssize_t,
    step: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    height: cython.Py_ssize_t,
) -> cython.void:
    row: cython.Py_ssize_t
    at: cython.Py_ssize_t
    end: cython.Py_ssize_t
    word: cython.ulonglong
    a0: cython.ulonglong = lanes[0]
    a1: cython.ulonglong = lanes[1]
    a2: cython.ulonglong = lanes[2]
    a3: cython.ulonglong = lanes[3]
    b0: cython.ulonglong = lanes[4]
    b1: cython.ulonglong = lanes[5]
    b2: cython.ulonglong = lanes[6]
    b3: cython.ulonglong = lanes[7]
    for row in range(height):
        at = start + row * step
        end = at + 4 * width
        while end - at >= 32:
            word = _two_pixels(p, at)
            a0 = _mixed(a0, word)
            b0 = _sum(b0, a0)
            word = _two_pixels(p, at + 8)
            a1 = _mixed(a1, word)
            b1 = _sum(b1, a1)
            word = _two_pixels(p, at + 16)
            a2 = _mixed(a2, word)
            b2 = _sum(b2, a2)
            word = _two_pixels(p, at + 24)
            a3 = _mixed(a3, word)
            b3 = _sum(b3, a3)
            at += 32
        while end - at >= 8:
            word = _two_pixels(p, at)
            a0 = _mixed(a0, word)
            b0 = _sum(b0, a0)
            at += 8
        if at < end:
            word = _one_pixel(p, at)
            a1 = _mixed(a1, word)
            b1 = _sum(b1, a1)
    lanes[0] = a0
    lanes[1] = a1
    lanes[2] = a2
    lanes[3] = a3
    lanes[4] = b0
    lanes[5] = b1
    lanes[6] = b2
    lanes[7] = b3
