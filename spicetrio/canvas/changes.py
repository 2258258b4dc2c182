# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Where a frame differs from the surface that shall become it.

Pixels are 4 bytes, blue, green, red and x; x bytes are never looked at. Compiled and uncompiled as `pixels` is.
"""

from __future__ import annotations

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
    from cython.cimports.libc.string import memcmp, memcpy

COMPILED: Final[bool] = bool(cython.compiled)
"""Whether this module runs as machine code."""

DAMAGE_LIMIT: Final = 32
"""The most rectangles `damage` returns."""

_MASK = cython.declare(cython.uint, int.from_bytes(b"\xff\xff\xff\x00", sys.byteorder))

# Changes are found by cells of this many pixels, and a rectangle more costs about as much as this many pixels more.
_CELL = cython.declare(cython.Py_ssize_t, 32)
_RECTANGLE_COST = cython.declare(cython.Py_ssize_t, 2048)
_MOST_RUNS = cython.declare(cython.Py_ssize_t, 64)


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
    old = readable(canvas)
    new = readable(frame)
    check_area("rectangle of the canvas", old.nbytes, 0, canvas_stride, x, y, w, h, 4)
    check_area("rectangle of the frame", new.nbytes, frame_offset, frame_stride, x, y, w, h, 4)
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


# Buffers


def _top_left(rectangle: tuple[int, int, int, int]) -> tuple[int, int]:
    return rectangle[1], rectangle[0]


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
