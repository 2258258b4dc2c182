# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""How gradually colors change in an area: photographs do, text and buttons do not.

Pixels are 4 bytes, blue, green, red and x; x bytes are never looked at. Compiled and uncompiled as `pixels` is.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

try:
    import cython
except ImportError:  # uncompiled, and Cython is not installed
    from spicetrio.codecs import _cython as cython

from spicetrio.codecs.buffers import check_area, readable

if TYPE_CHECKING:
    from typing_extensions import Buffer

COMPILED: Final[bool] = bool(cython.compiled)
"""Whether this module runs as machine code."""


class Graduality(enum.Enum):
    """What an area is like (spec IC-13)."""

    HIGH = "high"
    """Colors change a little from pixel to pixel."""
    MEDIUM = "medium"
    """Neither."""
    LOW = "low"
    """Colors stay the same, or change at once."""


_CONTRAST = cython.declare(cython.Py_ssize_t, 60)
_SPACING = cython.declare(cython.Py_ssize_t, 15)

# Each sample is scored three times, in quarters, so that sums are whole numbers.
_EQUAL = cython.declare(cython.Py_ssize_t, 2)
_CONTRASTING = cython.declare(cython.Py_ssize_t, 4)
_SIMILAR = cython.declare(cython.Py_ssize_t, -1)
_ONE = cython.declare(cython.Py_ssize_t, 4 * 3)

_LEVELS: Final = (Graduality.HIGH, Graduality.MEDIUM, Graduality.LOW)


def graduality(surface: Buffer, stride: int, x: int, y: int, w: int, h: int) -> Graduality:
    """Look at samples of a rectangle of a surface (spec IC-12, for pixels of 24 and 32 bits).

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
    if w <= 1 or h <= 1:
        return Graduality.LOW
    p: cython.p_uchar = _pointer(view)
    start: cython.Py_ssize_t = y * stride + 4 * x
    step: cython.Py_ssize_t = stride
    width: cython.Py_ssize_t = w
    height: cython.Py_ssize_t = h
    level: cython.int
    with cython.nogil:
        level = _level(p, start, step, width, height)
    return _LEVELS[level]


@cython.cfunc
def _pointer(view: memoryview) -> cython.p_uchar:
    """Return where the bytes are; good as long as `view` is kept."""
    if not cython.compiled:
        return view
    data: cython.const[cython.uchar][:] = view  # type: ignore[valid-type]
    return cython.cast(cython.p_uchar, cython.address(data[0]))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _level(
    p: cython.p_uchar,
    start: cython.Py_ssize_t,
    step: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    height: cython.Py_ssize_t,
) -> cython.int:
    """Return where in `_LEVELS` a rectangle is that is at least 2 pixels wide and high."""
    spacing: cython.Py_ssize_t = _SPACING if width % _SPACING else _SPACING - 1
    column: cython.Py_ssize_t = width // 2
    row: cython.Py_ssize_t = 0
    score: cython.Py_ssize_t = 0
    samples: cython.Py_ssize_t = 0
    while row < height - 1:
        if column == width - 1:  # it has no right neighbour
            column -= 1
        score += _square(p, start + row * step + 4 * column, step)
        samples += 1
        column += spacing
        while column >= width:
            column -= width
            row += 1
    if 100 * score < -3 * _ONE * samples:
        return 0
    if 1000 * score < 2 * _ONE * samples:
        return 1
    return 2


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _square(p: cython.p_uchar, at: cython.Py_ssize_t, step: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Score a pixel against those to the right, below, and below to the right."""
    score: cython.Py_ssize_t = _pair(p, at, at + 4) + _pair(p, at, at + step) + _pair(p, at, at + step + 4)
    return 0 if score == 3 * _EQUAL else score  # no other three scores have this sum


@cython.cfunc
@cython.nogil
@cython.inline
@cython.exceptval(check=False)
def _pair(p: cython.p_uchar, i: cython.Py_ssize_t, j: cython.Py_ssize_t) -> cython.Py_ssize_t:
    blue: cython.int = p[i] - p[j]
    green: cython.int = p[i + 1] - p[j + 1]
    red: cython.int = p[i + 2] - p[j + 2]
    if blue | green | red == 0:
        return _EQUAL
    if max(abs(blue), abs(green), abs(red)) >= _CONTRAST:
        return _CONTRASTING
    return _SIMILAR
