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

if TYPE_CHECKING:
    from typing_extensions import Buffer

if cython.compiled:
    from cython.cimports.libc.string import memcmp, memcpy, memmove

COMPILED: Final[bool] = bool(cython.compiled)
"""Whether this module runs as machine code."""

FORMATS: Final = {"BGRX": 4, "BGRA": 4, "RGBX": 4, "RGBA": 4, "RGB": 3, "BGR": 3, "L": 1}
"""Pixel formats `blit` reads, named by their bytes in memory order, and how many bytes a pixel has."""

DAMAGE_LIMIT: Final = 32
"""The most rectangles `damage` returns."""

_MASK = cython.declare(cython.uint, int.from_bytes(b"\xff\xff\xff\x00", sys.byteorder))
_LITTLE = cython.declare(cython.bint, sys.byteorder == "little")

# Changes are found by cells of this many pixels, and a rectangle more costs about as much as this many pixels more.
_CELL = cython.declare(cython.Py_ssize_t, 32)
_RECTANGLE_COST = cython.declare(cython.Py_ssize_t, 2048)
_MOST_RUNS = cython.declare(cython.Py_ssize_t, 64)


# What Python calls


def fill(dst: Buffer, stride: int, x: int, y: int, w: int, h: int, color: int) -> None:
    """Fill a rectangle of the surface `dst` with `color` (0xRRGGBB)."""
    view = _writable(dst)
    _check_area("rectangle", view.nbytes, 0, stride, x, y, w, h, 4)
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
    view = _writable(dst)
    _check_area("destination", view.nbytes, 0, stride, x, y, w, h, 4)
    _check_area("source", view.nbytes, 0, stride, src_x, src_y, w, h, 4)
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
    target = _writable(dst)
    source = _readable(src)
    size = FORMATS.get(format)
    if size is None:
        raise ValueError(f"format is {format!r}, expected one of {', '.join(FORMATS)}")
    _check_area("destination", target.nbytes, 0, dst_stride, x, y, w, h, 4)
    _check_area("source", source.nbytes, src_offset, src_stride, 0, 0, w, h, size)
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
    with cython.nogil:
        _blit(p, to, to_step, q, origin, step, width, height, bytes_per_pixel, red, blue)


def pack(src: Buffer, stride: int, x: int, y: int, w: int, h: int) -> bytes:
    """Return the rows of a rectangle of the surface `src` with nothing between them."""
    view = _readable(src)
    _check_area("rectangle", view.nbytes, 0, stride, x, y, w, h, 4)
    if w == 0 or h == 0:
        return b""
    start: cython.Py_ssize_t = y * stride + 4 * x
    size: cython.Py_ssize_t = 4 * w
    height: cython.Py_ssize_t = h
    step: cython.Py_ssize_t = stride
    if size == step:
        return bytes(view[start : start + size * height])
    packed = bytearray(size * height)
    p: cython.p_uchar = _pointer(memoryview(packed))
    q: cython.p_uchar = _pointer(view)
    with cython.nogil:
        _pack(p, q, start, step, size, height)
    return bytes(packed)


def damage(
    canvas: Buffer,
    canvas_stride: int,
    frame: Buffer,
    frame_offset: int,
    frame_stride: int,
    x: int,
    y: int,
    w: int,
    h: int,
) -> list[tuple[int, int, int, int]]:
    """Find where a frame differs from the canvas inside a rectangle.

    Args:
        canvas: the surface as it is
        canvas_stride: bytes from one of its rows to the next
        frame: what it shall become; BGRX or BGRA, pixel (0, 0) of the frame is pixel (0, 0) of the canvas
        frame_offset: bytes before the frame's first pixel
        frame_stride: bytes from one row of the frame to the next
        x: left edge of the rectangle looked at
        y: top edge of the rectangle looked at
        w: its width
        h: its height

    Returns:
        Disjoint rectangles (left, top, right, bottom), at most `DAMAGE_LIMIT`, each with a change at every edge.
        Together they hold every pixel that differs.
    """
    old = _readable(canvas)
    new = _readable(frame)
    _check_area("rectangle of the canvas", old.nbytes, 0, canvas_stride, x, y, w, h, 4)
    _check_area("rectangle of the frame", new.nbytes, frame_offset, frame_stride, x, y, w, h, 4)
    if w == 0 or h == 0:
        return []
    a: cython.p_uchar = _pointer(old)
    b: cython.p_uchar = _pointer(new)
    a_start: cython.Py_ssize_t = y * canvas_stride + 4 * x
    a_step: cython.Py_ssize_t = canvas_stride
    b_start: cython.Py_ssize_t = frame_offset + y * frame_stride + 4 * x
    b_step: cython.Py_ssize_t = frame_stride
    width: cython.Py_ssize_t = w
    height: cython.Py_ssize_t = h
    clean: cython.Py_ssize_t
    with cython.nogil:
        clean = _clean_rows(a, a_start, a_step, b, b_start, b_step, width, height)
    if clean == height:
        return []
    columns: cython.Py_ssize_t = (width + _CELL - 1) // _CELL
    rows: cython.Py_ssize_t = (height + _CELL - 1) // _CELL
    cells = _integers(4 * columns * rows)
    runs = _integers(6 * (_MOST_RUNS + 1))
    c: cython.p_int = _int_pointer(cells)
    r: cython.p_int = _int_pointer(runs)
    count: cython.Py_ssize_t
    limit: cython.Py_ssize_t = DAMAGE_LIMIT
    with cython.nogil:
        _find_cells(c, columns, a, a_start, a_step, b, b_start, b_step, width, clean, height)
        count = _join_cells(r, c, columns, rows)
        count = _merge_runs(r, count, limit)
    result = [(x + runs[6 * i], y + runs[6 * i + 1], x + runs[6 * i + 2], y + runs[6 * i + 3]) for i in range(count)]
    result.sort(key=_top_left)
    return result


# Buffers and bounds


def _top_left(rectangle: tuple[int, int, int, int]) -> tuple[int, int]:
    return rectangle[1], rectangle[0]


def _readable(buffer: Buffer) -> memoryview:
    view = memoryview(buffer)
    if not view.c_contiguous:
        raise ValueError("the buffer has gaps, expected one contiguous block")
    if view.nbytes == 0:
        return memoryview(bytearray(1))[:0]
    return view.cast("B")


def _writable(buffer: Buffer) -> memoryview:
    view = _readable(buffer)
    if view.readonly:
        raise ValueError("the surface is read-only, expected a writable buffer")
    return view


def _check_area(
    what: str, size: int, offset: int, stride: int, x: int, y: int, w: int, h: int, bytes_per_pixel: int
) -> None:
    """Raise ValueError unless the rectangle lies within `size` bytes."""
    if x < 0 or y < 0 or w < 0 or h < 0 or offset < 0:
        raise ValueError(f"{what} is {w}x{h}+{x}+{y} at offset {offset}, expected nothing negative")
    if stride < (x + w) * bytes_per_pixel:
        raise ValueError(f"stride is {stride}, expected at least {(x + w) * bytes_per_pixel} for the {what}")
    if w and h:
        need = offset + (y + h - 1) * stride + (x + w) * bytes_per_pixel
        if need > size:
            raise ValueError(f"{what} {w}x{h}+{x}+{y} ends at byte {need}, but the buffer has {size}")


def _integers(count: int) -> memoryview:
    """Return a view of `count` C ints, all 0."""
    return memoryview(bytearray(4 * count)).cast("i")


@cython.cfunc
def _pointer(view: memoryview) -> cython.p_uchar:
    """Return where the bytes are; good as long as `view` is kept."""
    if not cython.compiled:
        return view
    data: cython.const[cython.uchar][:] = view  # type: ignore[valid-type]
    return cython.cast(cython.p_uchar, cython.address(data[0]))


@cython.cfunc
def _int_pointer(view: memoryview) -> cython.p_int:
    if not cython.compiled:
        return view
    data: cython.int[:] = view
    return cython.address(data[0])


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


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _identical(
    a: cython.p_uchar, i: cython.Py_ssize_t, b: cython.p_uchar, j: cython.Py_ssize_t, size: cython.Py_ssize_t
) -> cython.bint:
    """Compare bytes."""
    if not cython.compiled:
        return a[i : i + size] == b[j : j + size]
    return memcmp(a + i, b + j, size) == 0


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _differs(
    a: cython.p_uchar, i: cython.Py_ssize_t, b: cython.p_uchar, j: cython.Py_ssize_t, count: cython.Py_ssize_t
) -> cython.bint:
    """Compare pixels without their x bytes."""
    if not cython.compiled:
        return _slices_differ(a, i, b, j, count)
    k: cython.Py_ssize_t
    found: cython.uint = 0
    for k in range(count):
        found |= _load(a, i + 4 * k) ^ _load(b, j + 4 * k)
    return (found & _MASK) != 0


def _slices_differ(a: memoryview, i: int, b: memoryview, j: int, count: int) -> bool:
    return any(a[i + k : i + 4 * count : 4] != b[j + k : j + 4 * count : 4] for k in range(3))


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _same_pixel(a: cython.p_uchar, i: cython.Py_ssize_t, b: cython.p_uchar, j: cython.Py_ssize_t) -> cython.bint:
    return ((_load(a, i) ^ _load(b, j)) & _MASK) == 0


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
) -> cython.void:
    row: cython.Py_ssize_t
    for row in range(height):
        if not cython.compiled:
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


# Finding what changed


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _clean_rows(
    a: cython.p_uchar,
    i: cython.Py_ssize_t,
    a_step: cython.Py_ssize_t,
    b: cython.p_uchar,
    j: cython.Py_ssize_t,
    b_step: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    height: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Return how many rows from the top are the same."""
    row: cython.Py_ssize_t
    for row in range(height):
        if not _identical(a, i + row * a_step, b, j + row * b_step, 4 * width) and _differs(
            a, i + row * a_step, b, j + row * b_step, width
        ):
            return row
    return height


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _find_cells(
    cells: cython.p_int,
    columns: cython.Py_ssize_t,
    a: cython.p_uchar,
    i: cython.Py_ssize_t,
    a_step: cython.Py_ssize_t,
    b: cython.p_uchar,
    j: cython.Py_ssize_t,
    b_step: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    first: cython.Py_ssize_t,
    height: cython.Py_ssize_t,
) -> cython.void:
    """Put into each cell the bounds (left, top, right, bottom) of the pixels in it that differ; right 0: none."""
    row: cython.Py_ssize_t
    column: cython.Py_ssize_t
    u: cython.Py_ssize_t
    v: cython.Py_ssize_t
    left: cython.Py_ssize_t
    right: cython.Py_ssize_t
    cell: cython.Py_ssize_t
    for row in range(first, height):
        u = i + row * a_step
        v = j + row * b_step
        if _identical(a, u, b, v, 4 * width):
            continue
        for column in range(columns):
            left = column * _CELL
            right = left + _CELL
            if right <= width:
                if not _differs(a, u + 4 * left, b, v + 4 * left, 32):  # _CELL, as a constant for the C compiler
                    continue
            else:
                right = width
                if not _differs(a, u + 4 * left, b, v + 4 * left, right - left):
                    continue
            while _same_pixel(a, u + 4 * left, b, v + 4 * left):
                left += 1
            while _same_pixel(a, u + 4 * right - 4, b, v + 4 * right - 4):
                right -= 1
            cell = 4 * ((row // _CELL) * columns + column)
            if cells[cell + 2] == 0:
                cells[cell] = left
                cells[cell + 1] = row
                cells[cell + 2] = right
            else:
                cells[cell] = min(cells[cell], left)
                cells[cell + 2] = max(cells[cell + 2], right)
            cells[cell + 3] = row + 1


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _unite(p: cython.p_int, i: cython.Py_ssize_t, q: cython.p_int, j: cython.Py_ssize_t) -> cython.void:
    """Make rectangle i large enough to hold rectangle j too."""
    p[i] = min(p[i], q[j])
    p[i + 1] = min(p[i + 1], q[j + 1])
    p[i + 2] = max(p[i + 2], q[j + 2])
    p[i + 3] = max(p[i + 3], q[j + 3])


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _join_cells(
    runs: cython.p_int, cells: cython.p_int, columns: cython.Py_ssize_t, rows: cython.Py_ssize_t
) -> cython.Py_ssize_t:
    """Join neighbouring cells into at most `_MOST_RUNS` rectangles; return how many.

    Cells of a row that touch become a run, and runs of the same columns in rows that touch become one. As long as
    that gives too many, cells are taken four at a time.
    """
    count: cython.Py_ssize_t = _list_runs(runs, cells, columns, rows)
    while count > _MOST_RUNS:
        _halve_cells(cells, columns, rows)
        columns = (columns + 1) // 2
        rows = (rows + 1) // 2
        count = _list_runs(runs, cells, columns, rows)
    return count


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _halve_cells(cells: cython.p_int, columns: cython.Py_ssize_t, rows: cython.Py_ssize_t) -> cython.void:
    row: cython.Py_ssize_t
    column: cython.Py_ssize_t
    k: cython.Py_ssize_t
    origin: cython.Py_ssize_t
    to: cython.Py_ssize_t
    half: cython.Py_ssize_t = (columns + 1) // 2
    for row in range(rows):
        for column in range(columns):
            origin = 4 * (row * columns + column)
            to = 4 * ((row // 2) * half + column // 2)
            if (row % 2 == 0 and column % 2 == 0) or cells[to + 2] == 0:
                for k in range(4):
                    cells[to + k] = cells[origin + k]
            elif cells[origin + 2]:
                _unite(cells, to, cells, origin)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _list_runs(
    runs: cython.p_int, cells: cython.p_int, columns: cython.Py_ssize_t, rows: cython.Py_ssize_t
) -> cython.Py_ssize_t:
    """List the runs, each with its bounds, its columns as one number, and its last row; stop when too many."""
    row: cython.Py_ssize_t
    column: cython.Py_ssize_t
    begin: cython.Py_ssize_t
    span: cython.Py_ssize_t
    k: cython.Py_ssize_t
    count: cython.Py_ssize_t = 0
    for row in range(rows):
        column = 0
        while column < columns:
            if cells[4 * (row * columns + column) + 2] == 0:
                column += 1
                continue
            if count > _MOST_RUNS:
                return count
            begin = column
            for k in range(4):
                runs[6 * count + k] = cells[4 * (row * columns + column) + k]
            column += 1
            while column < columns and cells[4 * (row * columns + column) + 2]:
                _unite(runs, 6 * count, cells, 4 * (row * columns + column))
                column += 1
            span = begin * columns + column - 1
            runs[6 * count + 4] = span
            runs[6 * count + 5] = row
            for k in range(count):
                if runs[6 * k + 4] == span and runs[6 * k + 5] == row - 1:
                    _unite(runs, 6 * k, runs, 6 * count)
                    runs[6 * k + 5] = row
                    break
            else:
                count += 1
    return count


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _merge_runs(runs: cython.p_int, count: cython.Py_ssize_t, limit: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Merge the rectangles that waste least when merged, while there are too many or the waste is worth it."""
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    into: cython.Py_ssize_t
    other: cython.Py_ssize_t
    waste: cython.Py_ssize_t
    least: cython.Py_ssize_t
    while count > 1:
        into = -1
        other = -1
        least = 0
        for i in range(count):
            for j in range(i):
                waste = _waste(runs, 6 * j, 6 * i)
                if into < 0 or waste < least:
                    least = waste
                    into = j
                    other = i
        if count <= limit and least > _RECTANGLE_COST:
            break
        while other >= 0:
            _unite(runs, 6 * into, runs, 6 * other)
            count -= 1
            for j in range(4):
                runs[6 * other + j] = runs[6 * count + j]
            if into == count:
                into = other
            other = -1
            for j in range(count):
                if j != into and _overlap(runs, 6 * into, 6 * j):
                    other = j
                    break
    return count


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _waste(p: cython.p_int, i: cython.Py_ssize_t, j: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Return how many pixels the rectangle around two rectangles has that are in neither."""
    width: cython.Py_ssize_t = max(p[i + 2], p[j + 2]) - min(p[i], p[j])
    height: cython.Py_ssize_t = max(p[i + 3], p[j + 3]) - min(p[i + 1], p[j + 1])
    own: cython.Py_ssize_t = (p[i + 2] - p[i]) * (p[i + 3] - p[i + 1])
    other: cython.Py_ssize_t = (p[j + 2] - p[j]) * (p[j + 3] - p[j + 1])
    return width * height - own - other


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _overlap(p: cython.p_int, i: cython.Py_ssize_t, j: cython.Py_ssize_t) -> cython.bint:
    return p[i] < p[j + 2] and p[j] < p[i + 2] and p[i + 1] < p[j + 3] and p[j + 1] < p[i + 3]
