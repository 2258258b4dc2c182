# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Which pixels a drawing covers, and how much: a byte for each (spec DT-17b, S-13 to S-15).

Compiled and uncompiled as `pixels` is.
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

_FARTHEST: Final = 1 << 28


def bits(
    src: Buffer, offset: int, stride: int, x: int, y: int, w: int, h: int, *, low_first: bool, invert: bool
) -> bytearray:
    """Return 255 for each bit that is set in a rectangle of a bitmap, 0 for the others; the other way if inverted.

    Raises:
        ValueError: The rectangle is not all there.
    """
    view = readable(src)
    if x < 0 or y < 0 or w < 1 or h < 1:
        raise ValueError(f"got bits {w}x{h}+{x}+{y}, expected at least 1x1 from 0 on")
    check_rows("bitmap", view.nbytes, offset + y * stride, stride, (x + w + 7) // 8, h)
    result = bytearray(w * h)
    d: cython.p_uchar = _pointer(memoryview(result))
    s: cython.p_uchar = _pointer(view)
    at: cython.Py_ssize_t = offset + y * stride
    step: cython.Py_ssize_t = stride
    left: cython.Py_ssize_t = x
    width: cython.Py_ssize_t = w
    height: cython.Py_ssize_t = h
    flip: cython.uint = 255 if invert else 0
    turn: cython.Py_ssize_t = 0 if low_first else 7
    row: cython.Py_ssize_t
    i: cython.Py_ssize_t
    with cython.nogil:
        for row in range(height):
            for i in range(width):
                d[row * width + i] = (255 * ((s[at + (left + i) // 8] >> (((left + i) % 8) ^ turn)) & 1)) ^ flip
            at += step
    return result


def differs(src: Buffer, offset: int, stride: int, w: int, h: int, color: int) -> bytearray:
    """Return 255 for each 4-byte pixel that has another color than 0xRRGGBB, 0 for the others.

    Raises:
        ValueError: The pixels are not all there, or it is no color.
    """
    view = readable(src)
    if w < 1 or h < 1 or not 0 <= color <= 0xFFFFFF:
        raise ValueError(f"got {w} x {h}, color {color:#x}, expected at least 1 x 1, and 0 to 0xffffff")
    check_rows("source", view.nbytes, offset, stride, 4 * w, h)
    result = bytearray(w * h)
    d: cython.p_uchar = _pointer(memoryview(result))
    s: cython.p_uchar = _pointer(view)
    at: cython.Py_ssize_t = offset
    step: cython.Py_ssize_t = stride
    width: cython.Py_ssize_t = w
    height: cython.Py_ssize_t = h
    blue: cython.uint = color & 255
    green: cython.uint = (color >> 8) & 255
    red: cython.uint = color >> 16
    row: cython.Py_ssize_t
    i: cython.Py_ssize_t
    with cython.nogil:
        for row in range(height):
            for i in range(width):
                if s[at + 4 * i] != blue or s[at + 4 * i + 1] != green or s[at + 4 * i + 2] != red:
                    d[row * width + i] = 255
            at += step
    return result


def add_glyph(
    cover: Buffer, w: int, h: int, x: int, y: int, data: Buffer, glyph_w: int, glyph_h: int, depth: int, *, upward: bool
) -> None:
    """Cover what a glyph covers, where it covers more than there was.

    Args:
        cover: `w` times `h` bytes without gaps
        w: pixels of its rows
        h: its rows
        x: where the glyph's first column comes to lie; may be outside
        y: the same for its top row
        data: the glyph's rows, each padded to whole bytes, the first pixel in the high bits
        glyph_w: pixels of its rows
        glyph_h: its rows
        depth: bits of a pixel: 1, 4 or 8; 15 of 4 bits covers 240 of 255, and that is what viewers do
        upward: the first row is the lowest one

    Raises:
        ValueError: A number is out of range, or something is not all there.
    """
    if depth not in (1, 4, 8) or min(w, h, glyph_w, glyph_h) < 0 or max(abs(x), abs(y)) > _FARTHEST:
        raise ValueError(
            f"got a glyph {glyph_w}x{glyph_h}+{x}+{y} of {depth} bits, expected 1, 4 or 8, and less far away"
        )
    target, glyph = writable(cover), readable(data)
    size = (depth * glyph_w + 7) // 8
    if w < 1 or h < 1 or glyph_w < 1 or glyph_h < 1:
        return
    check_rows("cover", target.nbytes, 0, w, w, h)
    check_rows("glyph", glyph.nbytes, 0, size, size, glyph_h)
    d: cython.p_uchar = _pointer(target)
    s: cython.p_uchar = _pointer(glyph)
    step: cython.Py_ssize_t = size
    width: cython.Py_ssize_t = w
    left: cython.Py_ssize_t = x
    top: cython.Py_ssize_t = y
    first_row: cython.Py_ssize_t = max(0, -y)
    last_row: cython.Py_ssize_t = min(glyph_h, h - y)
    first: cython.Py_ssize_t = max(0, -x)
    last: cython.Py_ssize_t = min(glyph_w, w - x)
    lowest: cython.Py_ssize_t = glyph_h - 1
    turned: cython.bint = upward
    pixel_bits: cython.Py_ssize_t = depth
    row: cython.Py_ssize_t
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    value: cython.uint
    with cython.nogil:
        for row in range(first_row, last_row):
            at = step * (lowest - row if turned else row)
            for i in range(first, last):
                if pixel_bits == 1:
                    value = 255 * ((s[at + i // 8] >> (7 - i % 8)) & 1)
                elif pixel_bits == 4:
                    value = (s[at + i // 2] << (4 * (i % 2))) & 0xF0
                else:
                    value = s[at + i]
                if value > d[(top + row) * width + left + i]:
                    d[(top + row) * width + left + i] = value


def add_line(cover: Buffer, w: int, h: int, x1: int, y1: int, x2: int, y2: int, dashes: bytes, phase: int) -> None:
    """Cover the pixels of a line, all but the last.

    A pixel becomes 1 when it is first covered, 2 when it is for the second time, then 1 and 2 in turn: what a raster
    operation does three times is what it does once.

    Where a line passes exactly between two pixels it takes the one it is heading for if its long way is to the right
    or down, and the one it comes from if that is to the left or up. So a line there and back may differ.

    Args:
        cover: `w` times `h` bytes without gaps
        w: pixels of its rows
        h: its rows
        x1: the first pixel's column; like all of these it may be outside
        y1: its row
        x2: the last pixel's column
        y2: its row
        dashes: for each pixel along the line whether it is there, again and again
        phase: how many of those were used up before

    Raises:
        ValueError: A number is out of range, or the cover is not all there.
    """
    if w < 1 or h < 1 or not dashes or phase < 0 or max(map(abs, (x1, y1, x2, y2))) > _FARTHEST:
        raise ValueError(
            f"got a line from {x1}, {y1} to {x2}, {y2} in {w} x {h}, expected it less far away, and dashes"
        )
    target = writable(cover)
    check_rows("cover", target.nbytes, 0, w, w, h)
    d: cython.p_uchar = _pointer(target)
    pattern: cython.p_uchar = _pointer(readable(dashes))
    period: cython.longlong = len(dashes)
    long_way, short_way = abs(x2 - x1), abs(y2 - y1)
    steep: cython.bint = long_way <= short_way
    x_step: cython.longlong = 1 if x2 >= x1 else -1
    y_step: cython.longlong = 1 if y2 >= y1 else -1
    if steep:
        long_way, short_way = short_way, long_way
    start, size, direction = (y1, h, y_step) if steep else (x1, w, x_step)
    first, last = (-start, size - start) if direction > 0 else (start - size + 1, start + 1)
    length: cython.longlong = long_way
    climb: cython.longlong = short_way
    back: cython.longlong = 1 if direction < 0 else 0
    begin: cython.longlong = max(0, first)
    end: cython.longlong = min(long_way, last)
    left: cython.longlong = x1
    top: cython.longlong = y1
    width: cython.longlong = w
    height: cython.longlong = h
    used: cython.longlong = phase
    i: cython.longlong
    aside: cython.longlong
    x: cython.longlong
    y: cython.longlong
    with cython.nogil:
        for i in range(begin, end):
            aside = (2 * i * climb + length - back) // (2 * length)
            if steep:
                x = left + x_step * aside
                y = top + y_step * i
            else:
                x = left + x_step * i
                y = top + y_step * aside
            if 0 <= x < width and 0 <= y < height and pattern[(used + i) % period]:
                d[y * width + x] = 2 if d[y * width + x] == 1 else 1


@cython.cfunc
def _pointer(view: memoryview) -> cython.p_uchar:
    """Return where the bytes are; good as long as `view` is kept."""
    if not cython.compiled:
        return view
    data: cython.const[cython.uchar][:] = view  # type: ignore[valid-type]
    return cython.cast(cython.p_uchar, cython.address(data[0]))
