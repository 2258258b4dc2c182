# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Pixels from one layout to another, by way of 4 bytes: blue, green, red and alpha (spec S-9, S-19).

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

BITS: Final = {"P1LE": 1, "P1BE": 1, "P4LE": 4, "P4BE": 4, "P8": 8, "A8": 8, "555": 16, "565": 16, "BGR": 24}
"""Layouts `unpack` reads, and bits of a pixel. P are indexes of a palette; LE have the first pixel in the low bits."""
PACKED: Final = {"A8": 1, "555": 2, "565": 2}
"""Layouts `pack` writes, and bytes of a pixel."""

_PALETTES: Final = {"P1LE": 8, "P1BE": 8, "P4LE": 64, "P4BE": 64, "P8": 1024}


def unpack(src: Buffer, offset: int, stride: int, w: int, h: int, layout: str, palette: bytes = b"") -> bytearray:
    """Return rows of 4-byte pixels without gaps; the fourth byte of what has no alpha is 0.

    Args:
        src: the pixels
        offset: bytes before the first row
        stride: bytes from row to row; may be negative
        w: pixels of a row
        h: rows
        layout: a key of `BITS`
        palette: 4 bytes for each index that the layout can hold; what is alpha alone is black

    Raises:
        ValueError: The layout is not known, or something is not all there.
    """
    bits = BITS.get(layout)
    if bits is None or w < 1 or h < 1:
        raise ValueError(f"got {w} x {h} of layout {layout!r}, expected at least 1 x 1 of {', '.join(BITS)}")
    if len(palette) < _PALETTES.get(layout, 0):
        raise ValueError(f"the palette has {len(palette)} bytes, expected {_PALETTES[layout]} for {layout}")
    view = readable(src)
    check_rows("source", view.nbytes, offset, stride, (bits * w + 7) // 8, h)
    result = bytearray(4 * w * h)
    d: cython.p_uchar = _pointer(memoryview(result))
    s: cython.p_uchar = _pointer(view)
    colors: cython.p_uchar = _pointer(memoryview(palette or b"\0"))
    at: cython.Py_ssize_t = offset
    step: cython.Py_ssize_t = stride
    width: cython.Py_ssize_t = w
    height: cython.Py_ssize_t = h
    depth: cython.uint = bits
    low_first: cython.bint = layout.endswith("LE")
    indexed: cython.bint = layout in _PALETTES
    wide_green: cython.bint = layout == "565"
    row: cython.Py_ssize_t
    with cython.nogil:
        for row in range(height):
            if indexed:
                _indexed(d, 4 * row * width, s, at, width, depth, low_first, colors)
            elif depth == 16:
                _from_16(d, 4 * row * width, s, at, width, wide_green)
            elif depth == 24:
                _from_24(d, 4 * row * width, s, at, width)
            else:
                _from_8(d, 4 * row * width, s, at, width)
            at += step
    return result


def pack(
    dst: Buffer, dst_offset: int, dst_stride: int, src: Buffer, offset: int, stride: int, w: int, h: int, layout: str
) -> None:
    """Write rows of 4-byte pixels in a layout that has less; the low bits of colors are dropped.

    Args:
        dst: what is written
        dst_offset: bytes before the first pixel
        dst_stride: bytes from row to row
        src: the pixels
        offset: bytes before the first
        stride: bytes from row to row; may be negative or 0
        w: pixels of a row
        h: rows
        layout: a key of `PACKED`

    Raises:
        ValueError: The layout is not known, or something is not all there.
    """
    size = PACKED.get(layout)
    if size is None or w < 1 or h < 1:
        raise ValueError(f"got {w} x {h} of layout {layout!r}, expected at least 1 x 1 of {', '.join(PACKED)}")
    target, source = writable(dst), readable(src)
    check_rows("destination", target.nbytes, dst_offset, dst_stride, size * w, h)
    check_rows("source", source.nbytes, offset, stride, 4 * w, h)
    d: cython.p_uchar = _pointer(target)
    s: cython.p_uchar = _pointer(source)
    to: cython.Py_ssize_t = dst_offset
    to_step: cython.Py_ssize_t = dst_stride
    at: cython.Py_ssize_t = offset
    step: cython.Py_ssize_t = stride
    width: cython.Py_ssize_t = w
    height: cython.Py_ssize_t = h
    alpha: cython.bint = layout == "A8"
    wide_green: cython.bint = layout == "565"
    _row: cython.Py_ssize_t
    with cython.nogil:
        for _row in range(height):
            if alpha:
                _to_8(d, to, s, at, width)
            else:
                _to_16(d, to, s, at, width, wide_green)
            to += to_step
            at += step


def highest_index(src: Buffer, offset: int, stride: int, w: int, h: int, layout: str) -> int:
    """Return the highest index among the pixels of a layout that has a palette."""
    count = _PALETTES[layout] // 4
    identity = b"".join(index.to_bytes(4, "little") for index in range(count))
    return max(unpack(src, offset, stride, w, h, layout, identity)[::4])


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
def _indexed(
    d: cython.p_uchar,
    to: cython.Py_ssize_t,
    s: cython.p_uchar,
    at: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    bits: cython.uint,
    low_first: cython.bint,
    colors: cython.p_uchar,
) -> cython.void:
    i: cython.Py_ssize_t
    channel: cython.Py_ssize_t
    index: cython.Py_ssize_t
    shift: cython.Py_ssize_t
    per_byte: cython.Py_ssize_t = 8 // bits
    mask: cython.uint = (1 << bits) - 1
    for i in range(width):
        shift = i % per_byte
        if not low_first:
            shift = per_byte - 1 - shift
        index = (s[at + i // per_byte] >> (shift * bits)) & mask
        for channel in range(4):
            d[to + 4 * i + channel] = colors[4 * index + channel]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _from_16(
    d: cython.p_uchar,
    to: cython.Py_ssize_t,
    s: cython.p_uchar,
    at: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    wide_green: cython.bint,
) -> cython.void:
    """Fill the low bits of a color with its high ones."""
    i: cython.Py_ssize_t
    value: cython.uint
    blue: cython.uint
    green: cython.uint
    red: cython.uint
    for i in range(width):
        value = s[at + 2 * i] | (s[at + 2 * i + 1] << 8)
        blue = value & 31
        if wide_green:
            green = (value >> 5) & 63
            green = (green << 2) | (green >> 4)
            red = value >> 11
        else:
            green = (value >> 5) & 31
            green = (green << 3) | (green >> 2)
            red = (value >> 10) & 31
        d[to + 4 * i] = (blue << 3) | (blue >> 2)
        d[to + 4 * i + 1] = green
        d[to + 4 * i + 2] = (red << 3) | (red >> 2)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _from_24(
    d: cython.p_uchar, to: cython.Py_ssize_t, s: cython.p_uchar, at: cython.Py_ssize_t, width: cython.Py_ssize_t
) -> cython.void:
    i: cython.Py_ssize_t
    for i in range(width):
        d[to + 4 * i] = s[at + 3 * i]
        d[to + 4 * i + 1] = s[at + 3 * i + 1]
        d[to + 4 * i + 2] = s[at + 3 * i + 2]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _from_8(
    d: cython.p_uchar, to: cython.Py_ssize_t, s: cython.p_uchar, at: cython.Py_ssize_t, width: cython.Py_ssize_t
) -> cython.void:
    i: cython.Py_ssize_t
    for i in range(width):
        d[to + 4 * i + 3] = s[at + i]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _to_16(
    d: cython.p_uchar,
    to: cython.Py_ssize_t,
    s: cython.p_uchar,
    at: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    wide_green: cython.bint,
) -> cython.void:
    i: cython.Py_ssize_t
    value: cython.uint
    for i in range(width):
        value = s[at + 4 * i] >> 3
        if wide_green:
            value |= ((s[at + 4 * i + 1] >> 2) << 5) | ((s[at + 4 * i + 2] >> 3) << 11)
        else:
            value |= ((s[at + 4 * i + 1] >> 3) << 5) | ((s[at + 4 * i + 2] >> 3) << 10)
        d[to + 2 * i] = value & 255
        d[to + 2 * i + 1] = value >> 8


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _to_8(
    d: cython.p_uchar, to: cython.Py_ssize_t, s: cython.p_uchar, at: cython.Py_ssize_t, width: cython.Py_ssize_t
) -> cython.void:
    i: cython.Py_ssize_t
    for i in range(width):
        d[to + i] = s[at + 4 * i + 3]
