"""Pixels as flat bytes, whatever object holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer


def readable(buffer: Buffer) -> memoryview:
    """Return the buffer's bytes as a flat view; ValueError if it is not one contiguous block."""
    view = memoryview(buffer)
    if not view.c_contiguous:
        raise ValueError("the buffer has gaps, expected one contiguous block")
    if view.nbytes == 0:
        return memoryview(bytearray())
    return view.cast("B")


def writable(buffer: Buffer) -> memoryview:
    """Return the buffer's bytes as a flat view; ValueError if they cannot be written."""
    view = readable(buffer)
    if view.readonly:
        raise ValueError("the buffer is read-only, expected a writable one")
    return view


def check_area(
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


def check_rows(what: str, size: int, offset: int, stride: int, row: int, h: int) -> None:
    """Raise ValueError unless `h` rows of `row` bytes lie within `size` bytes; the stride may be negative or 0."""
    last = offset + (h - 1) * stride
    if min(offset, last) < 0 or max(offset, last) + row > size:
        raise ValueError(
            f"{what} has {h} rows of {row} bytes, {stride} apart, from byte {offset}, expected all within {size}"
        )
