# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Images laid over others with the operators of the X Render extension that add up what is seen of both.

Pixels are 4 bytes, blue, green, red and alpha, and colors are premultiplied with alpha. Products are rounded to 8 bits
one by one, sums stop at 255; that is the arithmetic of pixman, which viewers use. Compiled and uncompiled as `pixels`
is.
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

_X = cython.declare(cython.uint, int.from_bytes(b"\0\0\0\xff", sys.byteorder))

SRC: Final = 1
"""The source."""
OVER: Final = 3
"""The source over the destination."""
SATURATE: Final = 13
"""As much of the source as there is room for."""
# What source and destination are multiplied with: nothing, all, the other's alpha, or what is left of that.
_NOTHING, _ALL, _ALPHA, _REST = range(4)  # bit 1: the alpha counts; bit 0: what is left of 255
FACTORS: Final = (
    (_NOTHING, _NOTHING),  # CLEAR
    (_ALL, _NOTHING),  # SRC
    (_NOTHING, _ALL),  # DST
    (_ALL, _REST),  # OVER
    (_REST, _ALL),  # OVER_REVERSE
    (_ALPHA, _NOTHING),  # IN
    (_NOTHING, _ALPHA),  # IN_REVERSE
    (_REST, _NOTHING),  # OUT
    (_NOTHING, _REST),  # OUT_REVERSE
    (_ALPHA, _REST),  # ATOP
    (_REST, _ALPHA),  # ATOP_REVERSE
    (_REST, _REST),  # XOR
    (_ALL, _ALL),  # ADD
)
"""By operator, what the source and the destination count."""
OPERATORS: Final = range(14)
"""From CLEAR to SATURATE."""


def composite(
    operator: int,
    dst: Buffer,
    dst_offset: int,
    dst_stride: int,
    dst_opaque: bool,
    w: int,
    h: int,
    src: Buffer,
    src_offset: int,
    src_stride: int,
    src_opaque: bool,
    mask: Buffer | None = None,
    mask_offset: int = 0,
    mask_stride: int = 0,
    mask_depth: int = 1,
    *,
    by_component: bool = False,
) -> None:
    """Lay rows of pixels over others.

    Args:
        operator: one of `OPERATORS`
        dst: what is drawn on
        dst_offset: bytes before the first pixel
        dst_stride: bytes from row to row
        dst_opaque: its fourth bytes mean nothing and become 0
        w: pixels of a row
        h: rows
        src: what is laid over it; no part of `dst`
        src_offset: bytes before the first pixel
        src_stride: bytes from row to row; may be negative or 0
        src_opaque: its fourth bytes mean nothing
        mask: what the source is multiplied with; nothing if it is None
        mask_offset: bytes before the first pixel's alpha; its first component if `by_component`
        mask_stride: bytes from row to row; may be negative or 0
        mask_depth: bytes from pixel to pixel
        by_component: the mask has a factor for each of the four components

    Raises:
        ValueError: The operator is not known, or something is not all there.
    """
    if operator not in OPERATORS:
        raise ValueError(f"got operator {operator:#x}, expected 0 to 0xd")
    if mask_depth < 1:
        raise ValueError(f"mask_depth is {mask_depth}, expected at least 1")
    if w < 1 or h < 1:
        return
    target, source, factors = writable(dst), readable(src), readable(b"\xff" if mask is None else mask)
    check_rows("destination", target.nbytes, dst_offset, dst_stride, 4 * w, h)
    check_rows("source", source.nbytes, src_offset, src_stride, 4 * w, h)
    if mask is None:
        mask_stride = mask_depth = 0
    check_rows("mask", factors.nbytes, mask_offset, mask_stride, mask_depth * (w - 1) + (4 if by_component else 1), h)
    d: cython.p_uchar = _pointer(target)
    s: cython.p_uchar = _pointer(source)
    m: cython.p_uchar = _pointer(factors)
    d_at: cython.Py_ssize_t = dst_offset
    d_step: cython.Py_ssize_t = dst_stride
    s_at: cython.Py_ssize_t = src_offset
    s_step: cython.Py_ssize_t = src_stride
    m_at: cython.Py_ssize_t = mask_offset
    m_step: cython.Py_ssize_t = mask_stride
    m_depth: cython.Py_ssize_t = mask_depth
    width: cython.Py_ssize_t = w
    height: cython.Py_ssize_t = h
    s_alpha: cython.uint = 255 if src_opaque else 0
    d_alpha: cython.uint = 255 if dst_opaque else 0
    components: cython.bint = by_component
    op: cython.uint = operator
    s_kind, d_kind = FACTORS[operator] if operator < SATURATE else (_ALL, _ALL)
    s_factor: cython.uint = s_kind
    d_factor: cython.uint = d_kind
    _row: cython.Py_ssize_t
    with cython.nogil:
        for _row in range(height):
            if components or op == 13:
                _lay_components(
                    d,
                    d_at,
                    s,
                    s_at,
                    m,
                    m_at,
                    m_depth,
                    width,
                    s_factor,
                    d_factor,
                    op == 13,
                    s_alpha,
                    d_alpha,
                    components,
                )
            else:
                _lay(d, d_at, s, s_at, m, m_at, m_depth, width, s_factor, d_factor, s_alpha, d_alpha)
            d_at += d_step
            s_at += s_step
            m_at += m_step


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
def _product(a: cython.uint, b: cython.uint) -> cython.uint:
    """Return a product of fractions of 255, rounded."""
    t: cython.uint = a * b + 128
    return (t + (t >> 8)) >> 8


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _factor(kind: cython.uint, alpha: cython.uint) -> cython.uint:
    return (alpha & (255 * (kind >> 1))) ^ (255 * (kind & 1))


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _products(pair: cython.uint, b: cython.uint) -> cython.uint:
    """Return the products of two fractions of 255, which stand 16 bits apart, with a third."""
    t: cython.uint = pair * b + 0x00800080
    return ((t + ((t >> 8) & 0x00FF00FF)) >> 8) & 0x00FF00FF


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _sums(one: cython.uint, other: cython.uint) -> cython.uint:
    """Return the sums of two such pairs, at most 255 each."""
    t: cython.uint = one + other
    return (t | (0x01000100 - ((t >> 8) & 0x00010001))) & 0x00FF00FF


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
@cython.exceptval(check=False)
def _lay(
    d: cython.p_uchar,
    d_at: cython.Py_ssize_t,
    s: cython.p_uchar,
    s_at: cython.Py_ssize_t,
    m: cython.p_uchar,
    m_at: cython.Py_ssize_t,
    m_depth: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    s_kind: cython.uint,
    d_kind: cython.uint,
    s_opaque: cython.uint,
    d_opaque: cython.uint,
) -> cython.void:
    """Work on two components of a pixel at a time, which have all factors in common."""
    i: cython.Py_ssize_t
    source: cython.uint
    below: cython.uint
    part: cython.uint
    s_factor: cython.uint
    d_factor: cython.uint
    even: cython.uint
    odd: cython.uint
    s_set: cython.uint = _X if s_opaque else 0
    d_set: cython.uint = _X if d_opaque else 0
    for i in range(width):
        part = m[m_at + i * m_depth]
        s_factor = _factor(s_kind, d[d_at + 4 * i + 3] | d_opaque)
        d_factor = _factor(d_kind, _product(s[s_at + 4 * i + 3] | s_opaque, part))
        source = _load(s, s_at + 4 * i) | s_set
        below = _load(d, d_at + 4 * i) | d_set
        even = _products(_products(source & 0x00FF00FF, part), s_factor)
        odd = _products(_products((source >> 8) & 0x00FF00FF, part), s_factor)
        even = _sums(even, _products(below & 0x00FF00FF, d_factor))
        odd = _sums(odd, _products((below >> 8) & 0x00FF00FF, d_factor))
        _store(d, d_at + 4 * i, (even | (odd << 8)) & ~d_set)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _lay_components(
    d: cython.p_uchar,
    d_at: cython.Py_ssize_t,
    s: cython.p_uchar,
    s_at: cython.Py_ssize_t,
    m: cython.p_uchar,
    m_at: cython.Py_ssize_t,
    m_depth: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    s_kind: cython.uint,
    d_kind: cython.uint,
    saturate: cython.bint,
    s_opaque: cython.uint,
    d_opaque: cython.uint,
    components: cython.bint,
) -> cython.void:
    _i: cython.Py_ssize_t
    channel: cython.Py_ssize_t
    alpha: cython.uint
    s_alpha: cython.uint
    d_alpha: cython.uint
    s_factor: cython.uint
    value: cython.uint
    part: cython.uint
    for _i in range(width):
        alpha = s[s_at + 3] | s_opaque
        d_alpha = d[d_at + 3] | d_opaque
        for channel in range(4):
            part = m[m_at + channel] if components else m[m_at]
            s_alpha = _product(alpha, part)
            s_factor = _factor(s_kind, d_alpha)
            if saturate and s_alpha > 255 - d_alpha:
                s_factor = ((255 - d_alpha) * 255 + s_alpha // 2) // s_alpha
            value = _product(_product(alpha if channel == 3 else s[s_at + channel], part), s_factor)
            value += _product(d_alpha if channel == 3 else d[d_at + channel], _factor(d_kind, s_alpha))
            d[d_at + channel] = value if value < 255 else 255
        if d_opaque:
            d[d_at + 3] = 0
        d_at += 4
        s_at += 4
        m_at += m_depth
