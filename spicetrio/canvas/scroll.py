# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Whether a frame shows something that has moved since the surface was as it is.

A viewer that has the old picture can be told to copy a part of it, which costs a few bytes and no encoding. To find
such a part, marks are set where a row's last 64 pixels have a certain look, in some rows of the frame and of the
surface. Marks that look alike vote for how far the one is from the other. What is voted for is then compared pixel by
pixel, and the best rectangle of pixels that really are the old ones is taken.

Rows of the surface are sampled every seven rows, rows of the frame in groups of seven, so whatever the distance, one
row of each group that moved comes from a sampled one.

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
    from cython.cimports.libc.string import memcpy

COMPILED: Final[bool] = bool(cython.compiled)
"""Whether this module runs as machine code."""

SMALLEST_SCROLL: Final = 4096
"""Pixels below which a part that has moved is not worth a message of its own."""

_MASK = cython.declare(cython.uint, int.from_bytes(b"\xff\xff\xff\x00", sys.byteorder))
_GOLDEN = cython.declare(cython.ulonglong, 0x9E3779B185EBCA87)
_CELL = cython.declare(cython.Py_ssize_t, 32)
_PERIOD = cython.declare(cython.Py_ssize_t, 7)
_GROUPS = cython.declare(cython.Py_ssize_t, 16)
_MARKS_PER_ROW = cython.declare(cython.Py_ssize_t, 32)
_SLOTS = cython.declare(cython.Py_ssize_t, 1 << 13)
_VOTES = cython.declare(cython.Py_ssize_t, 1 << 11)
_FEWEST_VOTES = cython.declare(cython.Py_ssize_t, 4)
_CANDIDATES = cython.declare(cython.Py_ssize_t, 3)
_FEWEST_CHANGES = cython.declare(cython.Py_ssize_t, 256)
_SMALLEST = cython.declare(cython.Py_ssize_t, SMALLEST_SCROLL)


def find_scroll(
    canvas: Buffer,
    canvas_stride: int,
    frame: Buffer,
    frame_offset: int,
    frame_stride: int,
    x: int,
    y: int,
    w: int,
    h: int,
) -> tuple[int, int, int, int, int, int] | None:
    """Find a part of a frame that is on the canvas already, at another place in the same rectangle.

    Args:
        canvas: the surface as it is
        canvas_stride: bytes from one of its rows to the next
        frame: what it shall become; BGRX or BGRA, pixel (0, 0) of the frame is pixel (0, 0) of the canvas
        frame_offset: bytes before the frame's first pixel
        frame_stride: bytes from one row of the frame to the next
        x: left edge of the rectangle looked at, best that around what has changed
        y: its top edge
        w: its width
        h: its height

    Returns:
        (dx, dy, left, top, right, bottom): every pixel p in those bounds of the frame is the canvas's pixel
        p - (dx, dy), and enough of them change for a copy to be worth it. None if nothing such was found.
    """
    old = readable(canvas)
    new = readable(frame)
    check_area("rectangle of the canvas", old.nbytes, 0, canvas_stride, x, y, w, h, 4)
    check_area("rectangle of the frame", new.nbytes, frame_offset, frame_stride, x, y, w, h, 4)
    if w * h < SMALLEST_SCROLL:
        return None
    width: cython.Py_ssize_t = w
    height: cython.Py_ssize_t = h
    columns: cython.Py_ssize_t = (width + _CELL - 1) // _CELL
    marks = _integers(3 * _SLOTS)
    votes = _integers(3 * _VOTES)
    sums = _integers((columns + 1) * (height + 1))
    stack = _integers(2 * (columns + 1))
    cells = _integers(2 * (columns + 1))
    found = _integers(6)
    a: cython.p_uchar = _pointer(old)
    b: cython.p_uchar = _pointer(new)
    a_start: cython.Py_ssize_t = y * canvas_stride + 4 * x
    a_step: cython.Py_ssize_t = canvas_stride
    b_start: cython.Py_ssize_t = frame_offset + y * frame_stride + 4 * x
    b_step: cython.Py_ssize_t = frame_stride
    m: cython.p_int = _int_pointer(marks)
    v: cython.p_int = _int_pointer(votes)
    s: cython.p_int = _int_pointer(sums)
    t: cython.p_int = _int_pointer(stack)
    c: cython.p_int = _int_pointer(cells)
    f: cython.p_int = _int_pointer(found)
    worth: cython.bint
    with cython.nogil:
        _mark_frame(m, b, b_start, b_step, width, height)
        _vote_canvas(m, v, a, a_start, a_step, width, height)
        worth = _try_votes(f, v, s, t, c, a, a_start, a_step, b, b_start, b_step, width, height)
    if not worth:
        return None
    dx, dy, left, top, right, bottom = found
    return dx, dy, x + left, y + top, x + right, y + bottom


# Buffers


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


# Marks and votes


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _look(before: cython.ulonglong, pixel: cython.uint) -> cython.ulonglong:
    """Return the look of the last pixels, given that of those before: each pixel is shifted out in time."""
    if not cython.compiled:
        return ((before << 1) + pixel * _GOLDEN) & 0xFFFFFFFFFFFFFFFF
    return (before << 1) + pixel * _GOLDEN


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _mark_frame(
    marks: cython.p_int,
    b: cython.p_uchar,
    start: cython.Py_ssize_t,
    step: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    height: cython.Py_ssize_t,
) -> cython.void:
    """Note where the frame has which look; a look that it has twice is of no use and has the place -1."""
    groups: cython.Py_ssize_t = (height + _PERIOD - 1) // _PERIOD
    share: cython.Py_ssize_t = (groups + _GROUPS - 1) // _GROUPS
    row: cython.Py_ssize_t
    column: cython.Py_ssize_t
    slot: cython.Py_ssize_t
    room: cython.Py_ssize_t
    look: cython.ulonglong
    name: cython.int
    pixel: cython.uint
    last: cython.uint
    for row in range(height):
        if ((row // _PERIOD * 40503) & 0xFFFF) * share >> 16:  # one group of `share`, never in step with lines of text
            continue
        room = _MARKS_PER_ROW
        look = 0
        last = 0
        for column in range(width):
            pixel = _load(b, start + row * step + 4 * column) & _MASK
            look = _look(look, pixel)
            if pixel == last or look >> 60:
                last = pixel
                continue
            last = pixel
            name = (look >> 30) + 1
            slot = 3 * (name & (_SLOTS - 1))
            if marks[slot + 2] == 0:
                marks[slot] = column
                marks[slot + 1] = row
                marks[slot + 2] = name
            elif marks[slot + 2] == name:
                marks[slot] = -1
            room -= 1
            if room == 0:
                break


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _vote_canvas(
    marks: cython.p_int,
    votes: cython.p_int,
    a: cython.p_uchar,
    start: cython.Py_ssize_t,
    step: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    height: cython.Py_ssize_t,
) -> cython.void:
    """Count, for each way a mark of the canvas can have gone, how many marks went that way."""
    sample: cython.Py_ssize_t
    row: cython.Py_ssize_t
    column: cython.Py_ssize_t
    slot: cython.Py_ssize_t
    room: cython.Py_ssize_t
    look: cython.ulonglong
    name: cython.int
    pixel: cython.uint
    last: cython.uint
    for sample in range((height + _PERIOD - 1) // _PERIOD):
        row = sample * _PERIOD
        room = _MARKS_PER_ROW
        look = 0
        last = 0
        for column in range(width):
            pixel = _load(a, start + row * step + 4 * column) & _MASK
            look = _look(look, pixel)
            if pixel == last or look >> 60:
                last = pixel
                continue
            last = pixel
            name = (look >> 30) + 1
            slot = 3 * (name & (_SLOTS - 1))
            if marks[slot + 2] == name and marks[slot] >= 0:
                _vote(votes, marks[slot] - column, marks[slot + 1] - row)
            room -= 1
            if room == 0:
                break


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _vote(votes: cython.p_int, dx: cython.Py_ssize_t, dy: cython.Py_ssize_t) -> cython.void:
    probe: cython.Py_ssize_t
    slot: cython.Py_ssize_t
    if dx == 0 and dy == 0:
        return
    for probe in range(8):
        slot = 3 * ((dx * 31 + dy * 1021 + probe) & (_VOTES - 1))
        if votes[slot + 2] == 0:
            votes[slot] = dx
            votes[slot + 1] = dy
        if votes[slot] == dx and votes[slot + 1] == dy:
            votes[slot + 2] += 1
            return


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _try_votes(
    found: cython.p_int,
    votes: cython.p_int,
    sums: cython.p_int,
    stack: cython.p_int,
    cells: cython.p_int,
    a: cython.p_uchar,
    a_start: cython.Py_ssize_t,
    a_step: cython.Py_ssize_t,
    b: cython.p_uchar,
    b_start: cython.Py_ssize_t,
    b_step: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    height: cython.Py_ssize_t,
) -> cython.bint:
    """Look at the ways with the most votes until one is worth it."""
    slot: cython.Py_ssize_t
    most: cython.Py_ssize_t
    for _ in range(_CANDIDATES):
        most = 0
        for slot in range(_VOTES):
            if votes[3 * slot + 2] > votes[most + 2]:
                most = 3 * slot
        if votes[most + 2] < _FEWEST_VOTES:
            return False
        found[0] = votes[most]
        found[1] = votes[most + 1]
        votes[most + 2] = 0
        if _verify(found, sums, stack, cells, a, a_start, a_step, b, b_start, b_step, width, height):
            return True
    return False


# Comparing


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _verify(
    found: cython.p_int,
    sums: cython.p_int,
    stack: cython.p_int,
    cells: cython.p_int,
    a: cython.p_uchar,
    a_start: cython.Py_ssize_t,
    a_step: cython.Py_ssize_t,
    b: cython.p_uchar,
    b_start: cython.Py_ssize_t,
    b_step: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    height: cython.Py_ssize_t,
) -> cython.bint:
    """Find the rectangle of pixels that moved by found[0:2] in which most pixels change; put it into found[2:6].

    Rows are compared by cells. `sums` holds, for each row and column of cells, how many pixels change above and left
    of it in cells that moved; from it a rectangle's changes come at once. `cells` holds for each column how many rows
    up to this one moved, and how many pixels of this row change in it. Rectangles are looked for only above a row
    where a column ends, for all others can be made larger.
    """
    dx: cython.Py_ssize_t = found[0]
    dy: cython.Py_ssize_t = found[1]
    left: cython.Py_ssize_t = max(dx, 0)
    top: cython.Py_ssize_t = max(dy, 0)
    right: cython.Py_ssize_t = width + min(dx, 0)
    bottom: cython.Py_ssize_t = height + min(dy, 0)
    back: cython.Py_ssize_t = a_start - dy * a_step - 4 * dx  # from a place in the frame to where it came from
    columns: cython.Py_ssize_t = (right - left + _CELL - 1) // _CELL
    line: cython.Py_ssize_t = columns + 1
    row: cython.Py_ssize_t
    column: cython.Py_ssize_t
    place: cython.Py_ssize_t
    size: cython.Py_ssize_t
    changes: cython.Py_ssize_t
    best: cython.Py_ssize_t = 0
    ends: cython.bint
    if right <= left or bottom <= top:
        return False
    for column in range(line):
        sums[column] = 0
        cells[2 * column] = 0
    for row in range(top, bottom):
        ends = False
        for column in range(columns):
            place = 4 * (left + column * _CELL)
            size = min(_CELL, right - left - column * _CELL)
            cells[2 * column + 1] = -1
            if _moved(a, back + row * a_step + place, b, b_start + row * b_step + place, size):
                cells[2 * column + 1] = _changes(
                    a, a_start + row * a_step + place, b, b_start + row * b_step + place, size
                )
            elif cells[2 * column]:
                ends = True
        if ends:
            best = _largest(found, best, stack, sums, cells, columns, row - top)
        changes = 0
        sums[(row - top + 1) * line] = 0
        for column in range(columns):
            if cells[2 * column + 1] < 0:
                cells[2 * column] = 0
            else:
                cells[2 * column] += 1
                changes += cells[2 * column + 1]
            sums[(row - top + 1) * line + column + 1] = sums[(row - top) * line + column + 1] + changes
    best = _largest(found, best, stack, sums, cells, columns, bottom - top)
    if best < _FEWEST_CHANGES:
        return False
    found[2] = left + found[2] * _CELL
    found[3] += top
    found[4] = min(left + found[4] * _CELL, right)
    found[5] += top
    while found[2] > left and _column_moved(found, found[2] - 1, back, a, a_step, b, b_start, b_step):
        found[2] -= 1
    while found[4] < right and _column_moved(found, found[4], back, a, a_step, b, b_start, b_step):
        found[4] += 1
    size = (found[4] - found[2]) * (found[5] - found[3])
    return size >= _SMALLEST and best * 64 > size


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _moved(
    a: cython.p_uchar, i: cython.Py_ssize_t, b: cython.p_uchar, j: cython.Py_ssize_t, count: cython.Py_ssize_t
) -> cython.bint:
    """Compare pixels without their x bytes."""
    if not cython.compiled:
        return all(a[i + k : i + 4 * count : 4] == b[j + k : j + 4 * count : 4] for k in range(3))
    k: cython.Py_ssize_t
    found: cython.uint = 0
    if count == 32:  # a constant lets the C compiler unroll
        for k in range(32):
            found |= _load(a, i + 4 * k) ^ _load(b, j + 4 * k)
    else:
        for k in range(count):
            found |= _load(a, i + 4 * k) ^ _load(b, j + 4 * k)
    return (found & _MASK) == 0


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _changes(
    a: cython.p_uchar, i: cython.Py_ssize_t, b: cython.p_uchar, j: cython.Py_ssize_t, count: cython.Py_ssize_t
) -> cython.int:
    """Count the pixels that differ."""
    k: cython.Py_ssize_t
    different: cython.int = 0
    for k in range(count):
        different += ((_load(a, i + 4 * k) ^ _load(b, j + 4 * k)) & _MASK) != 0
    return different


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _column_moved(
    found: cython.p_int,
    column: cython.Py_ssize_t,
    back: cython.Py_ssize_t,
    a: cython.p_uchar,
    a_step: cython.Py_ssize_t,
    b: cython.p_uchar,
    b_start: cython.Py_ssize_t,
    b_step: cython.Py_ssize_t,
) -> cython.bint:
    row: cython.Py_ssize_t
    for row in range(found[3], found[5]):
        if not _moved(a, back + row * a_step + 4 * column, b, b_start + row * b_step + 4 * column, 1):
            return False
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _largest(
    found: cython.p_int,
    best: cython.Py_ssize_t,
    stack: cython.p_int,
    sums: cython.p_int,
    cells: cython.p_int,
    columns: cython.Py_ssize_t,
    bottom: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Find the rectangle that ends at a row and has most changes; if it beats `best` put it into found[2:6].

    `stack` holds columns from which on all columns are at least so high, each higher than the one below it.
    """
    line: cython.Py_ssize_t = columns + 1
    depth: cython.Py_ssize_t = 0
    column: cython.Py_ssize_t
    begin: cython.Py_ssize_t
    tall: cython.Py_ssize_t
    high: cython.Py_ssize_t
    upper: cython.Py_ssize_t
    lower: cython.Py_ssize_t = bottom * line
    changes: cython.Py_ssize_t
    for column in range(line):
        high = cells[2 * column] if column < columns else 0
        begin = column
        while depth and stack[2 * depth - 1] >= high:
            depth -= 1
            begin = stack[2 * depth]
            tall = stack[2 * depth + 1]
            upper = (bottom - tall) * line
            changes = sums[lower + column] - sums[lower + begin] - sums[upper + column] + sums[upper + begin]
            if changes > best:
                best = changes
                found[2] = begin
                found[3] = bottom - tall
                found[4] = column
                found[5] = bottom
        if high:
            stack[2 * depth] = begin
            stack[2 * depth + 1] = high
            depth += 1
    return best
