# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Raster operations: bits of brush, source and destination become bits of the destination (spec DT-17a to DT-17c).

All of them are ternary ones: a code of 8 bits holds the result for each combination of the three bits, brush in the
combination's bit 2, source in bit 1, destination in bit 0. Compiled and uncompiled as `pixels` is.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

try:
    import cython
except ImportError:  # uncompiled, and Cython is not installed
    from spicetrio.codecs import _cython as cython

from spicetrio.codecs.buffers import check_rows, readable, writable

if TYPE_CHECKING:
    from typing_extensions import Buffer

if cython.compiled:
    from cython.cimports.libc.string import memcpy

COMPILED: Final[bool] = bool(cython.compiled)
"""Whether this module runs as machine code."""

BLACKNESS: Final = 0x00
"""All zeros."""
INVERS: Final = 0x55
"""Not the destination."""
SOURCE: Final = 0xCC
"""The source."""
BRUSH: Final = 0xF0
"""The brush."""
WHITENESS: Final = 0xFF
"""All ones."""

_COLORS = cython.declare(cython.uint, int.from_bytes(b"\xff\xff\xff\x00", sys.byteorder))
_ALL = cython.declare(cython.uint, 0xFFFFFFFF)


def rop3(
    code: int,
    depth: int,
    has_x: bool,
    dst: Buffer,
    dst_offset: int,
    dst_stride: int,
    w: int,
    h: int,
    brush: Buffer,
    brush_offset: int,
    brush_stride: int,
    src: Buffer,
    src_offset: int,
    src_stride: int,
    cover: Buffer | None = None,
    cover_offset: int = 0,
    cover_stride: int = 0,
) -> None:
    """Combine rows of brush, source and destination.

    Args:
        code: the operation, 0 to 255
        depth: bytes of a pixel: 1, 2 or 4
        has_x: the fourth byte of each pixel means nothing; it becomes 0 where pixels are written
        dst: what is drawn on
        dst_offset: bytes before the first pixel that is written
        dst_stride: bytes from row to row
        w: pixels of a row
        h: rows
        brush: pixels of the same depth; no part of `dst`
        brush_offset: bytes before the first
        brush_stride: bytes from row to row; may be negative or 0
        src: pixels of the same depth; no part of `dst`
        src_offset: bytes before the first
        src_stride: bytes from row to row; may be negative or 0
        cover: a byte for each pixel, 0 if it is not to be written; all are if it is None
        cover_offset: bytes before the first
        cover_stride: bytes from row to row

    Raises:
        ValueError: A number is out of range, or something is not all there.
    """
    if not 0 <= code <= 255 or depth not in (1, 2, 4) or w < 0 or h < 0:
        raise ValueError(f"got code {code:#x}, depth {depth}, {w} x {h}, expected 0 to 0xff, 1, 2 or 4, none negative")
    if w == 0 or h == 0:
        return
    target, pattern, source = writable(dst), readable(brush), readable(src)
    covering = readable(b"\1" if cover is None else cover)
    check_rows("destination", target.nbytes, dst_offset, dst_stride, depth * w, h)
    check_rows("brush", pattern.nbytes, brush_offset, brush_stride, depth * w, h)
    check_rows("source", source.nbytes, src_offset, src_stride, depth * w, h)
    if cover is not None:
        check_rows("cover", covering.nbytes, cover_offset, cover_stride, w, h)
    d: cython.p_uchar = _pointer(target)
    p: cython.p_uchar = _pointer(pattern)
    s: cython.p_uchar = _pointer(source)
    c: cython.p_uchar = _pointer(covering)
    d_at: cython.Py_ssize_t = dst_offset
    p_at: cython.Py_ssize_t = brush_offset
    s_at: cython.Py_ssize_t = src_offset
    c_at: cython.Py_ssize_t = cover_offset
    d_step: cython.Py_ssize_t = dst_stride
    p_step: cython.Py_ssize_t = brush_stride
    s_step: cython.Py_ssize_t = src_stride
    c_step: cython.Py_ssize_t = cover_stride
    width: cython.Py_ssize_t = w
    height: cython.Py_ssize_t = h
    size: cython.Py_ssize_t = depth
    operation: cython.uint = code
    keep: cython.uint = _COLORS if has_x else _ALL
    covered: cython.bint = cover is not None
    _row: cython.Py_ssize_t
    with cython.nogil:
        for _row in range(height):
            if size != 4:
                _bytes(d, d_at, p, p_at, s, s_at, c, c_at, width * size, size, operation, covered)
            elif covered:
                _covered(d, d_at, p, p_at, s, s_at, c, c_at, width, operation, keep)
            else:
                _words(d, d_at, p, p_at, s, s_at, width, operation, keep)
            d_at += d_step
            p_at += p_step
            s_at += s_step
            c_at += c_step


@cython.cfunc
def _pointer(view: memoryview) -> cython.p_uchar:
    """Return where the bytes are; good as long as `view` is kept."""
    if not cython.compiled:
        return view
    data: cython.const[cython.uchar][:] = view  # type: ignore[valid-type]
    return cython.cast(cython.p_uchar, cython.address(data[0]))


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _load(p: cython.p_uchar, at: cython.Py_ssize_t) -> cython.uint:
    if not cython.compiled:
        return int.from_bytes(p[at : at + 4], sys.byteorder)
    value: cython.uint = 0
    memcpy(cython.address(value), p + at, 4)
    return value


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _store(p: cython.p_uchar, at: cython.Py_ssize_t, value: cython.uint) -> cython.void:
    if cython.compiled:
        memcpy(p + at, cython.address(value), 4)
    else:
        p[at : at + 4] = value.to_bytes(4, sys.byteorder)


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _bit(code: cython.uint, number: cython.uint) -> cython.uint:
    """Return a bit of a code, as all ones or zeros."""
    return _ALL * ((code >> number) & 1)


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _combine(code: cython.uint, p: cython.uint, s: cython.uint, d: cython.uint) -> cython.uint:
    """Choose by the destination's bits, then by the source's, then by the brush's."""
    d00: cython.uint = ((_bit(code, 0) ^ _bit(code, 1)) & d) ^ _bit(code, 0)
    d01: cython.uint = ((_bit(code, 2) ^ _bit(code, 3)) & d) ^ _bit(code, 2)
    d10: cython.uint = ((_bit(code, 4) ^ _bit(code, 5)) & d) ^ _bit(code, 4)
    d11: cython.uint = ((_bit(code, 6) ^ _bit(code, 7)) & d) ^ _bit(code, 6)
    s0: cython.uint = ((d00 ^ d01) & s) ^ d00
    s1: cython.uint = ((d10 ^ d11) & s) ^ d10
    return ((s0 ^ s1) & p) ^ s0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _words(
    d: cython.p_uchar,
    d_at: cython.Py_ssize_t,
    p: cython.p_uchar,
    p_at: cython.Py_ssize_t,
    s: cython.p_uchar,
    s_at: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    code: cython.uint,
    keep: cython.uint,
) -> cython.void:
    i: cython.Py_ssize_t
    for i in range(width):
        _store(
            d,
            d_at + 4 * i,
            _combine(code, _load(p, p_at + 4 * i), _load(s, s_at + 4 * i), _load(d, d_at + 4 * i)) & keep,
        )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _covered(
    d: cython.p_uchar,
    d_at: cython.Py_ssize_t,
    p: cython.p_uchar,
    p_at: cython.Py_ssize_t,
    s: cython.p_uchar,
    s_at: cython.Py_ssize_t,
    c: cython.p_uchar,
    c_at: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    code: cython.uint,
    keep: cython.uint,
) -> cython.void:
    i: cython.Py_ssize_t
    old: cython.uint
    new: cython.uint
    for i in range(width):
        old = _load(d, d_at + 4 * i)
        new = _combine(code, _load(p, p_at + 4 * i), _load(s, s_at + 4 * i), old) & keep
        _store(d, d_at + 4 * i, new if c[c_at + i] else old)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _bytes(
    d: cython.p_uchar,
    d_at: cython.Py_ssize_t,
    p: cython.p_uchar,
    p_at: cython.Py_ssize_t,
    s: cython.p_uchar,
    s_at: cython.Py_ssize_t,
    c: cython.p_uchar,
    c_at: cython.Py_ssize_t,
    count: cython.Py_ssize_t,
    size: cython.Py_ssize_t,
    code: cython.uint,
    covered: cython.bint,
) -> cython.void:
    i: cython.Py_ssize_t
    for i in range(count):
        if not covered or c[c_at + i // size]:
            d[d_at + i] = _combine(code, p[p_at + i], s[s_at + i], d[d_at + i]) & 0xFF
