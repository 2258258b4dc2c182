# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Images stretched, turned and repeated: a pixel of the result is looked up where a matrix says.

Places are in 16.16 fixed point, a pixel's center is at its half. Compiled and uncompiled as `pixels` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

try:
    import cython
except ImportError:  # uncompiled, and Cython is not installed
    from spicetrio.codecs import _cython as cython

from spicetrio.codecs.buffers import check_rows, readable

if TYPE_CHECKING:
    from typing_extensions import Buffer

COMPILED: Final[bool] = bool(cython.compiled)
"""Whether this module runs as machine code."""

ONE: Final = 1 << 16
"""A whole pixel."""
IDENTITY: Final = (ONE, 0, 0, 0, ONE, 0)
"""The matrix that changes nothing, by rows."""

NONE: Final = 0
"""Beyond the image there is nothing: transparent black."""
NORMAL: Final = 1
"""Beyond the image it begins again."""
PAD: Final = 2
"""Beyond the image its edge goes on."""
REFLECT: Final = 3
"""Beyond the image it is mirrored."""


def sample(
    src: Buffer,
    offset: int,
    stride: int,
    src_w: int,
    src_h: int,
    opaque: bool,
    x: int,
    y: int,
    w: int,
    h: int,
    matrix: tuple[int, int, int, int, int, int],
    repeat: int,
    smooth: bool,
) -> bytearray:
    """Return rows of 4-byte pixels without gaps, looked up in an image.

    Args:
        src: the image, 4 bytes a pixel
        offset: bytes before its first pixel
        stride: bytes from row to row; may be negative
        src_w: pixels of its rows
        src_h: its rows
        opaque: the fourth byte of its pixels means nothing; in the result it is 255
        x: where the result begins, before the matrix
        y: the same, downward
        w: pixels of a row of the result
        h: rows of the result
        matrix: from there to the image: two rows of three numbers
        repeat: `NONE`, `NORMAL`, `PAD` or `REFLECT`
        smooth: mix the four nearest pixels, instead of taking the one

    Raises:
        ValueError: A number is out of range, or the image is not all there.
    """
    if min(src_w, src_h, w, h) < 1 or repeat not in (NONE, NORMAL, PAD, REFLECT):
        raise ValueError(f"got {src_w} x {src_h} to {w} x {h} with repeat {repeat}, expected at least 1, and 0 to 3")
    if max(map(abs, matrix)) > 1 << 31 or max(abs(x), abs(y), w, h) > 1 << 16:
        raise ValueError(f"got {w}x{h}+{x}+{y} by {matrix}, expected at most 65536 by numbers of 32 bits")
    view = readable(src)
    check_rows("image", view.nbytes, offset, stride, 4 * src_w, src_h)
    result = bytearray(4 * w * h)
    d: cython.p_uchar = _pointer(memoryview(result))
    s: cython.p_uchar = _pointer(view)
    at: cython.Py_ssize_t = offset
    step: cython.Py_ssize_t = stride
    columns: cython.Py_ssize_t = src_w
    rows: cython.Py_ssize_t = src_h
    width: cython.Py_ssize_t = w
    height: cython.Py_ssize_t = h
    beyond: cython.Py_ssize_t = repeat
    alpha: cython.uint = 255 if opaque else 0
    mix: cython.bint = smooth
    xx, xy, x0, yx, yy, y0 = matrix
    dx: cython.longlong = xx
    dy: cython.longlong = yx
    px: cython.longlong = 0
    py: cython.longlong = 0
    x_by_row: cython.longlong = xy
    y_by_row: cython.longlong = yy
    # The first pixel's center, rounded once; from there on everything is whole steps.
    first_x: cython.longlong = (xx * (2 * x + 1) + xy * (2 * y + 1) + 2 * x0 + 1) >> 1
    first_y: cython.longlong = (yx * (2 * x + 1) + yy * (2 * y + 1) + 2 * y0 + 1) >> 1
    row: cython.Py_ssize_t
    column: cython.Py_ssize_t
    with cython.nogil:
        for row in range(height):
            px = first_x + row * x_by_row
            py = first_y + row * y_by_row
            for column in range(width):
                if mix:
                    _mixed(d, 4 * (row * width + column), s, at, step, columns, rows, beyond, alpha, px, py)
                else:
                    _nearest(d, 4 * (row * width + column), s, at, step, columns, rows, beyond, alpha, px, py)
                px += dx
                py += dy
    return result


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
def _inside(place: cython.longlong, size: cython.Py_ssize_t, beyond: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Return the pixel that is seen at a place; -1 if there is none."""
    if 0 <= place < size:
        return place
    if beyond == 0:
        return -1
    if beyond == 2:
        return 0 if place < 0 else size - 1
    if beyond == 1:
        return _modulo(place, size)
    place = _modulo(place, 2 * size)
    return place if place < size else 2 * size - 1 - place


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _modulo(place: cython.longlong, size: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Return a remainder that is never negative, in C as well."""
    place %= size
    return place + size if place < 0 else place


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _nearest(
    d: cython.p_uchar,
    to: cython.Py_ssize_t,
    s: cython.p_uchar,
    at: cython.Py_ssize_t,
    step: cython.Py_ssize_t,
    columns: cython.Py_ssize_t,
    rows: cython.Py_ssize_t,
    beyond: cython.Py_ssize_t,
    alpha: cython.uint,
    px: cython.longlong,
    py: cython.longlong,
) -> cython.void:
    # A place on the border between two pixels belongs to the one before it.
    x: cython.Py_ssize_t = _inside((px - 1) >> 16, columns, beyond)
    y: cython.Py_ssize_t = _inside((py - 1) >> 16, rows, beyond)
    if x < 0 or y < 0:
        return
    at += y * step + 4 * x
    d[to] = s[at]
    d[to + 1] = s[at + 1]
    d[to + 2] = s[at + 2]
    d[to + 3] = s[at + 3] | alpha


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _mixed(
    d: cython.p_uchar,
    to: cython.Py_ssize_t,
    s: cython.p_uchar,
    at: cython.Py_ssize_t,
    step: cython.Py_ssize_t,
    columns: cython.Py_ssize_t,
    rows: cython.Py_ssize_t,
    beyond: cython.Py_ssize_t,
    alpha: cython.uint,
    px: cython.longlong,
    py: cython.longlong,
) -> cython.void:
    """Mix four pixels by how near they are, in 128 steps."""
    x: cython.longlong = px - 0x8000
    y: cython.longlong = py - 0x8000
    left: cython.Py_ssize_t = _inside(x >> 16, columns, beyond)
    right: cython.Py_ssize_t = _inside((x >> 16) + 1, columns, beyond)
    top: cython.Py_ssize_t = _inside(y >> 16, rows, beyond)
    bottom: cython.Py_ssize_t = _inside((y >> 16) + 1, rows, beyond)
    x_share: cython.uint = ((x >> 9) & 127) * 2
    y_share: cython.uint = ((y >> 9) & 127) * 2
    channel: cython.Py_ssize_t
    total: cython.uint
    for channel in range(4):
        total = _pixel(s, at, step, left, top, channel, alpha) * (256 - x_share) * (256 - y_share)
        total += _pixel(s, at, step, right, top, channel, alpha) * x_share * (256 - y_share)
        total += _pixel(s, at, step, left, bottom, channel, alpha) * (256 - x_share) * y_share
        total += _pixel(s, at, step, right, bottom, channel, alpha) * x_share * y_share
        d[to + channel] = total >> 16


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _pixel(
    s: cython.p_uchar,
    at: cython.Py_ssize_t,
    step: cython.Py_ssize_t,
    x: cython.Py_ssize_t,
    y: cython.Py_ssize_t,
    channel: cython.Py_ssize_t,
    alpha: cython.uint,
) -> cython.uint:
    if x < 0 or y < 0:
        return 0
    value: cython.uint = s[at + y * step + 4 * x + channel]
    return value | alpha if channel == 3 else value
