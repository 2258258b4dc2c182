# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Kernels on surfaces: rows of 4-byte pixels in the byte order blue, green, red, x.

The x byte of a surface is 0 everywhere: every kernel that writes one writes 0, so equal pictures are equal bytes.
What a source has in its x bytes is never looked at.

The module is compiled where a C compiler is at hand, and then works without the GIL. Uncompiled it does the same,
slowly. Bounds are checked once, where Python calls in; the kernels themselves trust them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

try:
    import cython
except ImportError:  # uncompiled, and Cython is not installed
    from spicetrio.codecs import _cython as cython

from spicetrio.canvas.changes import DAMAGE_LIMIT, damage
from spicetrio.canvas.scroll import find_scroll
from spicetrio.codecs.buffers import check_area, readable, writable

if TYPE_CHECKING:
    from typing_extensions import Buffer

if cython.compiled:
    from cython.cimports.cpython.bytes import PyBytes_FromStringAndSize
    from cython.cimports.libc.string import memcmp, memcpy, memmove

__all__ = [
    "COMPILED",
    "DAMAGE_LIMIT",
    "FORMATS",
    "blit",
    "copy_area",
    "damage",
    "fill",
    "find_scroll",
    "pack",
    "solid_color",
]

COMPILED: Final[bool] = bool(cython.compiled)
"""Whether this module runs as machine code."""

FORMATS: Final = {
    "BGRX": 4, "BGRA": 4, "RGBX": 4, "RGBA": 4, "BGR": 3, "RGB": 3, "L": 1, "RGB555": 2, "RGB565": 2,
}  # fmt: skip
"""Pixel formats `blit` reads, and how many bytes a pixel has.

They are named by their bytes in memory order; L is gray. RGB555 and RGB565 are little-endian words with red in the
highest bits that are used.
"""

_MASK = cython.declare(cython.uint, int.from_bytes(b"\xff\xff\xff\x00", sys.byteorder))
_LITTLE = cython.declare(cython.bint, sys.byteorder == "little")
_RUN = cython.declare(cython.Py_ssize_t, 64)


# What Python calls


def fill(dst: Buffer, stride: int, x: int, y: int, w: int, h: int, color: int) -> None:
    """Fill a rectangle of the surface `dst` with `color` (0xRRGGBB)."""
    view = writable(dst)
    check_area("rectangle", view.nbytes, 0, stride, x, y, w, h, 4)
    if not 0 <= color <= 0xFFFFFF:
        raise ValueError(f"color is {color:#x}, expected 0 to 0xffffff")
    if w == 0 or h == 0:
        return
    p: cython.p_uchar = _pointer(view)
    start: cython.Py_ssize_t = y * stride + 4 * x
    step: cython.Py_ssize_t = stride
    width: cython.Py_ssize_t = w
    height: cython.Py_ssize_t = h
    value: cython.uint = int.from_bytes(color.to_bytes(4, "little"), sys.byteorder)
    with cython.nogil:
        _fill(p, start, step, width, height, value)


def copy_area(dst: Buffer, stride: int, x: int, y: int, w: int, h: int, src_x: int, src_y: int) -> None:
    """Copy a rectangle of the surface `dst` from (src_x, src_y) to (x, y); the two may overlap in any way."""
    view = writable(dst)
    check_area("destination", view.nbytes, 0, stride, x, y, w, h, 4)
    check_area("source", view.nbytes, 0, stride, src_x, src_y, w, h, 4)
    if w == 0 or h == 0:
        return
    p: cython.p_uchar = _pointer(view)
    to: cython.Py_ssize_t = y * stride + 4 * x
    origin: cython.Py_ssize_t = src_y * stride + 4 * src_x
    step: cython.Py_ssize_t = stride
    size: cython.Py_ssize_t = 4 * w
    height: cython.Py_ssize_t = h
    if y > src_y:  # from the last row up, so that no row is overwritten before it was read
        to += (height - 1) * step
        origin += (height - 1) * step
        step = -step
    with cython.nogil:
        _move_rows(p, to, origin, step, size, height)


def blit(
    dst: Buffer,
    dst_stride: int,
    x: int,
    y: int,
    src: Buffer,
    src_offset: int,
    src_stride: int,
    w: int,
    h: int,
    format: str = "BGRX",  # noqa: A002
) -> None:
    """Write pixels of another format into a rectangle of the surface `dst`.

    Args:
        dst: the surface
        dst_stride: bytes from one of its rows to the next
        x: left edge of the rectangle
        y: top edge of the rectangle
        src: the pixels; no part of `dst`
        src_offset: bytes before the first pixel
        src_stride: bytes from one row of pixels to the next
        w: width in pixels
        h: height in pixels
        format: one of `FORMATS`; an alpha byte is left out, not applied
    """
    target = writable(dst)
    source = readable(src)
    size = FORMATS.get(format)
    if size is None:
        raise ValueError(f"format is {format!r}, expected one of {', '.join(FORMATS)}")
    check_area("destination", target.nbytes, 0, dst_stride, x, y, w, h, 4)
    check_area("source", source.nbytes, src_offset, src_stride, 0, 0, w, h, size)
    if w == 0 or h == 0:
        return
    p: cython.p_uchar = _pointer(target)
    q: cython.p_uchar = _pointer(source)
    to: cython.Py_ssize_t = y * dst_stride + 4 * x
    to_step: cython.Py_ssize_t = dst_stride
    origin: cython.Py_ssize_t = src_offset
    step: cython.Py_ssize_t = src_stride
    width: cython.Py_ssize_t = w
    height: cython.Py_ssize_t = h
    bytes_per_pixel: cython.Py_ssize_t = size
    red: cython.Py_ssize_t = max(format.find("R"), 0)
    blue: cython.Py_ssize_t = max(format.find("B"), 0)
    green_bits: cython.uint = 6 if format == "RGB565" else 5
    with cython.nogil:
        _blit(p, to, to_step, q, origin, step, width, height, bytes_per_pixel, red, blue, green_bits)


def pack(src: Buffer, stride: int, x: int, y: int, w: int, h: int) -> bytes:
    """Return the rows of a rectangle of the surface `src` with nothing between them."""
    view = readable(src)
    check_area("rectangle", view.nbytes, 0, stride, x, y, w, h, 4)
    if w == 0 or h == 0:
        return b""
    start: cython.Py_ssize_t = y * stride + 4 * x
    size: cython.Py_ssize_t = 4 * w
    height: cython.Py_ssize_t = h
    step: cython.Py_ssize_t = stride
    if size == step:
        return bytes(view[start : start + size * height])
    if not cython.compiled:
        return b"".join([view[at : at + size] for at in range(start, start + step * height, step)])
    packed: bytes = PyBytes_FromStringAndSize(cython.NULL, size * height)
    p: cython.p_uchar = _pointer(memoryview(packed))
    q: cython.p_uchar = _pointer(view)
    with cython.nogil:
        _pack(p, q, start, step, size, height)
    return packed


def solid_color(src: Buffer, stride: int, x: int, y: int, w: int, h: int) -> int | None:
    """Return the color (0xRRGGBB) of a rectangle of the surface `src`, or None if it has none or several."""
    view = readable(src)
    check_area("rectangle", view.nbytes, 0, stride, x, y, w, h, 4)
    if w == 0 or h == 0:
        return None
    p: cython.p_uchar = _pointer(view)
    start: cython.Py_ssize_t = y * stride + 4 * x
    step: cython.Py_ssize_t = stride
    width: cython.Py_ssize_t = w
    height: cython.Py_ssize_t = h
    solid: cython.bint
    with cython.nogil:
        solid = _is_solid(p, start, step, width, height)
    return int.from_bytes(view[start : start + 3], "little") if solid else None


@cython.cfunc
def _pointer(view: memoryview) -> cython.p_uchar:
    """Return where the bytes are; good as long as `view` is kept."""
    if not cython.compiled:
        return view
    data: cython.const[cython.uchar][:] = view  # type: ignore[valid-type]
    return cython.cast(cython.p_uchar, cython.address(data[0]))


# Single pixels and single rows


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
def _copy(
    p: cython.p_uchar, to: cython.Py_ssize_t, q: cython.p_uchar, origin: cython.Py_ssize_t, size: cython.Py_ssize_t
) -> cython.void:
    """Copy bytes; the two places may overlap."""
    if cython.compiled:
        memmove(p + to, q + origin, size)
    else:
        p[to : to + size] = q[origin : origin + size]


# Drawing


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _fill(
    p: cython.p_uchar,
    start: cython.Py_ssize_t,
    step: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    height: cython.Py_ssize_t,
    value: cython.uint,
) -> cython.void:
    i: cython.Py_ssize_t
    for i in range(width):
        _store(p, start + 4 * i, value)
    for i in range(1, height):
        _copy(p, start + i * step, p, start, 4 * width)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _move_rows(
    p: cython.p_uchar,
    to: cython.Py_ssize_t,
    origin: cython.Py_ssize_t,
    step: cython.Py_ssize_t,
    size: cython.Py_ssize_t,
    height: cython.Py_ssize_t,
) -> cython.void:
    row: cython.Py_ssize_t
    for row in range(height):
        _copy(p, to + row * step, p, origin + row * step, size)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _pack(
    p: cython.p_uchar,
    q: cython.p_uchar,
    start: cython.Py_ssize_t,
    step: cython.Py_ssize_t,
    size: cython.Py_ssize_t,
    height: cython.Py_ssize_t,
) -> cython.void:
    row: cython.Py_ssize_t
    for row in range(height):
        _copy(p, row * size, q, start + row * step, size)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _blit(
    p: cython.p_uchar,
    to: cython.Py_ssize_t,
    to_step: cython.Py_ssize_t,
    q: cython.p_uchar,
    origin: cython.Py_ssize_t,
    step: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    height: cython.Py_ssize_t,
    size: cython.Py_ssize_t,
    red: cython.Py_ssize_t,
    blue: cython.Py_ssize_t,
    green_bits: cython.uint,
) -> cython.void:
    row: cython.Py_ssize_t
    for row in range(height):
        if size == 2:
            _widen_row(p, to + row * to_step, q, origin + row * step, width, green_bits)
        elif not cython.compiled:
            _convert_slices(p, to + row * to_step, q, origin + row * step, width, size, red, blue)
        elif size == 4 and blue == 0:
            _mask_row(p + to + row * to_step, q + origin + row * step, width)
        elif size == 4 and _LITTLE:
            _swap_row(p + to + row * to_step, q + origin + row * step, width)
        else:
            _convert_row(p + to + row * to_step, q + origin + row * step, width, size, red, blue)


def _convert_slices(
    p: memoryview, to: int, q: memoryview, origin: int, width: int, size: int, red: int, blue: int
) -> None:
    """Convert a row where indexing pixel by pixel would be slow: by strided slices."""
    green = size > 1
    for place, channel in enumerate((blue, green, red)):
        p[to + place : to + 4 * width : 4] = q[origin + channel : origin + size * width : size]
    p[to + 3 : to + 4 * width : 4] = bytes(width)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _mask_row(p: cython.p_uchar, q: cython.p_uchar, width: cython.Py_ssize_t) -> cython.void:
    i: cython.Py_ssize_t
    mask: cython.uint = _MASK
    for i in range(width):
        _store(p, 4 * i, _load(q, 4 * i) & mask)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _swap_row(p: cython.p_uchar, q: cython.p_uchar, width: cython.Py_ssize_t) -> cython.void:
    i: cython.Py_ssize_t
    value: cython.uint
    for i in range(width):
        value = _load(q, 4 * i)
        _store(p, 4 * i, (value & 0xFF00) | ((value & 0xFF) << 16) | ((value >> 16) & 0xFF))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _convert_row(
    p: cython.p_uchar,
    q: cython.p_uchar,
    width: cython.Py_ssize_t,
    size: cython.Py_ssize_t,
    red: cython.Py_ssize_t,
    blue: cython.Py_ssize_t,
) -> cython.void:
    i: cython.Py_ssize_t
    green: cython.Py_ssize_t = 1 if size > 1 else 0
    for i in range(width):
        p[4 * i] = q[size * i + blue]
        p[4 * i + 1] = q[size * i + green]
        p[4 * i + 2] = q[size * i + red]
        p[4 * i + 3] = 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _widen_row(
    p: cython.p_uchar,
    to: cython.Py_ssize_t,
    q: cython.p_uchar,
    origin: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    green_bits: cython.uint,
) -> cython.void:
    """Widen components of 5 or 6 bits so that their most is 255: their highest bits are their lowest ones, too."""
    i: cython.Py_ssize_t
    word: cython.uint
    blue: cython.uint
    green: cython.uint
    red: cython.uint
    rest: cython.uint = 8 - green_bits
    for i in range(width):
        word = q[origin + 2 * i] | q[origin + 2 * i + 1] << 8
        blue = word & 31
        green = (word >> 5) & (0xFF >> rest)
        red = (word >> (5 + green_bits)) & 31
        blue = blue << 3 | blue >> 2
        green = green << rest | green >> (green_bits - rest)
        red = red << 3 | red >> 2
        _store(p, to + 4 * i, blue | green << 8 | red << 16 if _LITTLE else blue << 24 | green << 16 | red << 8)


# Reading


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _is_solid(
    p: cython.p_uchar,
    start: cython.Py_ssize_t,
    step: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    height: cython.Py_ssize_t,
) -> cython.bint:
    row: cython.Py_ssize_t
    column: cython.Py_ssize_t
    for row in range(height):
        if row > 0 and _identical(p, start, start + row * step, 4 * width):
            continue
        column = 0
        while column < width:
            if _is_other(p, start + row * step + 4 * column, min(width - column, _RUN), start):
                return False
            column += _RUN
    return True


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _identical(p: cython.p_uchar, i: cython.Py_ssize_t, j: cython.Py_ssize_t, size: cython.Py_ssize_t) -> cython.bint:
    """Compare bytes."""
    if not cython.compiled:
        return p[i : i + size] == p[j : j + size]
    return memcmp(p + i, p + j, size) == 0


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _is_other(
    p: cython.p_uchar, at: cython.Py_ssize_t, count: cython.Py_ssize_t, pixel: cython.Py_ssize_t
) -> cython.bint:
    """Return whether one of `count` pixels has another color than a certain one."""
    if not cython.compiled:
        return _slices_other(p, at, count, pixel)
    i: cython.Py_ssize_t
    color: cython.uint = _load(p, pixel)
    found: cython.uint = 0
    for i in range(count):
        found |= _load(p, at + 4 * i) ^ color
    return (found & _MASK) != 0


def _slices_other(p: memoryview, at: int, count: int, pixel: int) -> bool:
    return any(p[at + k : at + 4 * count : 4] != bytes([p[pixel + k]]) * count for k in range(3))
