# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Images whose colors are mixed with those below, with the operators that X Render has from the standard of PDF.

Pixels are 4 bytes, blue, green, red and alpha, and colors are premultiplied with alpha. Compiled and uncompiled as
`pixels` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

try:
    import cython
except ImportError:  # uncompiled, and Cython is not installed
    from spicetrio.codecs import _cython as cython

from spicetrio.codecs.buffers import check_rows, readable, writable

if TYPE_CHECKING:
    from typing_extensions import Buffer

COMPILED: Final[bool] = bool(cython.compiled)
"""Whether this module runs as machine code."""

OPERATORS: Final = range(0x30, 0x3F)
"""From multiply to luminosity."""
HUE: Final = 0x3B
"""The first of those that mix whole colors, not component by component."""


def mix(
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
    """Mix rows of pixels with others.

    Args:
        operator: one of `OPERATORS`
        dst: what is drawn on
        dst_offset: bytes before the first pixel
        dst_stride: bytes from row to row
        dst_opaque: its fourth bytes mean nothing and become 0
        w: pixels of a row
        h: rows
        src: what it is mixed with; no part of `dst`
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
    if operator not in OPERATORS or (operator >= HUE and by_component):
        raise ValueError(f"got operator {operator:#x}, expected 0x30 to 0x3e, less than {HUE:#x} by component")
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
    _row: cython.Py_ssize_t
    with cython.nogil:
        for _row in range(height):
            _mix_row(d, d_at, s, s_at, m, m_at, m_depth, width, op, s_alpha, d_alpha, components)
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
def _mixed(
    op: cython.uint, s: cython.longlong, d: cython.longlong, s_alpha: cython.longlong, d_alpha: cython.longlong
) -> cython.longlong:
    """Return what two premultiplied colors become where both are."""
    s_all: cython.longlong = s * d_alpha
    d_all: cython.longlong = d * s_alpha
    both: cython.longlong = s_alpha * d_alpha
    if op == 0x30:  # multiply
        return s * d
    if op == 0x31:  # screen
        return s_all + d_all - s * d
    if op == 0x32 or op == 0x37:  # overlay, hard light
        if (2 * d < d_alpha) if op == 0x32 else (2 * s < s_alpha):
            return 2 * s * d
        return both - 2 * (d_alpha - d) * (s_alpha - s)
    if op == 0x33:  # darken
        return min(s_all, d_all)
    if op == 0x34:  # lighten
        return max(s_all, d_all)
    if op == 0x35:  # color dodge
        if d == 0:
            return 0
        return both if s >= s_alpha else min(both, d * s_alpha * s_alpha // (s_alpha - s))
    if op == 0x36:  # color burn
        if d >= d_alpha:
            return both
        return 0 if s == 0 else both - min(both, (d_alpha - d) * s_alpha * s_alpha // s)
    if op == 0x38:  # soft light
        return _soft(s, d, s_alpha, d_alpha)
    if op == 0x39:  # difference
        return s_all + d_all - 2 * min(s_all, d_all)
    return s_all + d_all - 2 * s * d  # exclusion


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _root(value: cython.longlong) -> cython.longlong:
    """Return the square root of a product of two bytes, rounded down."""
    root: cython.longlong = 0
    step: cython.longlong = 128
    while step:
        if (root + step) * (root + step) <= value:
            root += step
        step >>= 1
    return root


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _soft(
    s: cython.longlong, d: cython.longlong, s_alpha: cython.longlong, d_alpha: cython.longlong
) -> cython.longlong:
    light: cython.longlong = 2 * s - s_alpha
    room: cython.longlong
    if d_alpha == 0:
        return 0
    if light <= 0:
        room = d * (d_alpha - d) // d_alpha
        return d * s_alpha - room * -light
    if 4 * d <= d_alpha:
        room = (16 * d * d * d - 12 * d * d * d_alpha + 3 * d * d_alpha * d_alpha) // (d_alpha * d_alpha)
    else:
        room = _root(d * d_alpha) - d
    return d * s_alpha + light * room


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _light(blue: cython.longlong, green: cython.longlong, red: cython.longlong) -> cython.longlong:
    return (30 * red + 59 * green + 11 * blue) // 100


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _clipped(
    value: cython.longlong,
    light: cython.longlong,
    least: cython.longlong,
    most: cython.longlong,
    limit: cython.longlong,
) -> cython.longlong:
    """Bring a component nearer to the light of its color, so that all of them are in range."""
    if least < 0:
        value = light + _share(value - light, light, light - least)
    if most > limit:
        value = light + _share(value - light, limit - light, most - light)
    return min(max(value, 0), limit)


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _share(value: cython.longlong, part: cython.longlong, whole: cython.longlong) -> cython.longlong:
    """Divide towards zero, as C does; nothing has no parts."""
    if whole <= 0:
        return 0
    return value * part // whole if value >= 0 else -(-value * part // whole)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _saturated(
    value: cython.longlong, least: cython.longlong, most: cython.longlong, saturation: cython.longlong
) -> cython.longlong:
    return (value - least) * saturation // (most - least) if most > least else 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _mix_row(
    d: cython.p_uchar,
    d_at: cython.Py_ssize_t,
    s: cython.p_uchar,
    s_at: cython.Py_ssize_t,
    m: cython.p_uchar,
    m_at: cython.Py_ssize_t,
    m_depth: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    op: cython.uint,
    s_opaque: cython.uint,
    d_opaque: cython.uint,
    components: cython.bint,
) -> cython.void:
    _i: cython.Py_ssize_t
    channel: cython.Py_ssize_t
    part: cython.uint
    alpha: cython.uint
    source: cython.longlong
    old: cython.longlong
    s_alpha: cython.longlong
    d_alpha: cython.longlong
    total: cython.longlong
    for _i in range(width):
        alpha = s[s_at + 3] | s_opaque
        d_alpha = d[d_at + 3] | d_opaque
        if op >= 0x3B:
            _mix_whole(d, d_at, s, s_at, op, _product(alpha, m[m_at]), d_alpha, m[m_at])
        for channel in range(4):
            part = m[m_at + channel] if components else m[m_at]
            s_alpha = _product(alpha, part)
            if channel == 3:
                total = (s_alpha + d_alpha) * 255 - s_alpha * d_alpha
            elif op >= 0x3B:
                continue
            else:
                source = _product(s[s_at + channel], part)
                old = d[d_at + channel]
                total = (255 - s_alpha) * old + (255 - d_alpha) * source + _mixed(op, source, old, s_alpha, d_alpha)
            total = min(max(total, 0), 255 * 255) + 128
            d[d_at + channel] = (total + (total >> 8)) >> 8
        if d_opaque:
            d[d_at + 3] = 0
        d_at += 4
        s_at += 4
        m_at += m_depth


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _mix_whole(
    d: cython.p_uchar,
    d_at: cython.Py_ssize_t,
    s: cython.p_uchar,
    s_at: cython.Py_ssize_t,
    op: cython.uint,
    s_alpha: cython.longlong,
    d_alpha: cython.longlong,
    part: cython.uint,
) -> cython.void:
    """Mix hue, saturation and light of whole colors: 0x3b takes the source's hue, 0x3c its saturation, and so on."""
    channel: cython.Py_ssize_t
    both: cython.longlong = s_alpha * d_alpha
    s0: cython.longlong = _product(s[s_at], part) * d_alpha
    s1: cython.longlong = _product(s[s_at + 1], part) * d_alpha
    s2: cython.longlong = _product(s[s_at + 2], part) * d_alpha
    d0: cython.longlong = d[d_at] * s_alpha
    d1: cython.longlong = d[d_at + 1] * s_alpha
    d2: cython.longlong = d[d_at + 2] * s_alpha
    light: cython.longlong = _light(s0, s1, s2) if op == 0x3E else _light(d0, d1, d2)
    s_least: cython.longlong = min(s0, s1, s2)
    s_most: cython.longlong = max(s0, s1, s2)
    d_least: cython.longlong = min(d0, d1, d2)
    d_most: cython.longlong = max(d0, d1, d2)
    c0: cython.longlong
    c1: cython.longlong
    c2: cython.longlong
    if op == 0x3B:  # hue
        c0 = _saturated(s0, s_least, s_most, d_most - d_least)
        c1 = _saturated(s1, s_least, s_most, d_most - d_least)
        c2 = _saturated(s2, s_least, s_most, d_most - d_least)
    elif op == 0x3C:  # saturation
        c0 = _saturated(d0, d_least, d_most, s_most - s_least)
        c1 = _saturated(d1, d_least, d_most, s_most - s_least)
        c2 = _saturated(d2, d_least, d_most, s_most - s_least)
    elif op == 0x3D:  # color
        c0, c1, c2 = s0, s1, s2
    else:  # luminosity
        c0, c1, c2 = d0, d1, d2
    shift: cython.longlong = light - _light(c0, c1, c2)
    least: cython.longlong = min(c0, c1, c2) + shift
    most: cython.longlong = max(c0, c1, c2) + shift
    old: cython.longlong
    source: cython.longlong
    value: cython.longlong
    total: cython.longlong
    for channel in range(3):
        old = d[d_at + channel]
        source = _product(s[s_at + channel], part)
        value = c0 if channel == 0 else c1 if channel == 1 else c2
        value = _clipped(value + shift, light, least, most, both)
        total = min(max((255 - s_alpha) * old + (255 - d_alpha) * source + value, 0), 255 * 255) + 128
        d[d_at + channel] = (total + (total >> 8)) >> 8
