"""Pixels as callers have them: Pillow images, arrays, or flat bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PIL import Image

from spicetrio.canvas import pixels

if TYPE_CHECKING:
    from typing_extensions import Buffer

BYTES_PER_PIXEL: Final = {"BGRX": 4, "BGRA": 4, "RGBX": 4, "RGBA": 4, "BGR": 3, "RGB": 3, "L": 1}
"""The formats that are accepted, named by the order of their bytes. Alpha is ignored."""


@dataclass(frozen=True, slots=True)
class PixelBuffer:
    """Rows of pixels, checked to be all there."""

    data: Buffer
    """The rows, as flat bytes."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    stride: int
    """Bytes from one row to the next."""
    format: str
    """A key of `BYTES_PER_PIXEL`."""
    shared: bool
    """The data belongs to someone who may change it."""

    @property
    def size(self) -> int:
        """Bytes of the data."""
        return memoryview(self.data).nbytes

    def owned(self) -> PixelBuffer:
        """Return the same pixels in a buffer that nobody else can change."""
        if not self.shared:
            return self
        return PixelBuffer(bytes(self.data), self.width, self.height, self.stride, self.format, shared=False)

    def as_bgrx(self) -> PixelBuffer:
        """Return the same pixels as BGRX."""
        converted = bytearray(4 * self.width * self.height)
        pixels.blit(converted, 4 * self.width, 0, 0, self.data, 0, self.stride, self.width, self.height, self.format)
        return PixelBuffer(converted, self.width, self.height, 4 * self.width, "BGRX", shared=False)


def pixel_buffer(
    image: Image.Image | Buffer,
    *,
    width: int | None = None,
    height: int | None = None,
    format: str | None = None,  # noqa: A002 - the word that callers know
    stride: int | None = None,
) -> PixelBuffer:
    """Make out what a caller gives as pixels.

    Args:
        image: A Pillow image; or a buffer of three dimensions (rows, columns, 3 or 4 bytes) or two (rows, columns of
            one gray byte), such as a numpy array; or flat bytes with a width and a height.
        width: In pixels, for flat bytes.
        height: In pixels, for flat bytes.
        format: The order of a pixel's bytes: BGRX, BGRA, RGBX, RGBA, BGR, RGB or L. Flat bytes are BGRX unless said
            otherwise, arrays are RGB, RGBA or L.
        stride: Bytes from one row to the next, for flat bytes; without it rows are packed.

    Raises:
        ValueError: The pixels are not all there, or the format is not known; the text names what was expected.
    """
    if isinstance(image, Image.Image):
        if any(value is not None for value in (width, height, format, stride)):
            raise ValueError("a Pillow image has its own size and format, expected none to be given")
        _check_size(*image.size)
        if image.mode != "RGB":
            image = image.convert("RGB")
        return PixelBuffer(image.tobytes("raw", "BGRX"), *image.size, 4 * image.width, "BGRX", shared=False)
    view = memoryview(image)
    if view.ndim > 1:
        if width is not None or height is not None or stride is not None:
            raise ValueError("an array has its own width, height and stride, expected none to be given")
        return _from_array(view, format)
    if width is None or height is None:
        raise ValueError("flat pixels need a width and a height")
    return _from_flat(view, width, height, format or "BGRX", stride)


def _from_array(view: memoryview, format: str | None) -> PixelBuffer:  # noqa: A002
    shape = view.shape or ()
    depth = shape[2] if len(shape) == 3 else 1
    if len(shape) > 3 or view.itemsize != 1 or depth not in (1, 3, 4):
        raise ValueError(
            f"the array has shape {shape} and items of {view.itemsize} bytes, expected (rows, columns, 3 or 4) of one"
        )
    name = format or {1: "L", 3: "RGB", 4: "RGBA"}[depth]
    if BYTES_PER_PIXEL.get(name) != depth:
        raise ValueError(f"the array has {depth} bytes per pixel, which format {name!r} has not")
    if view.c_contiguous:
        return _from_flat(view.cast("B") if view.nbytes else view, shape[1], shape[0], name, None)
    return _from_flat(memoryview(view.tobytes()), shape[1], shape[0], name, None)


def _from_flat(view: memoryview, width: int, height: int, name: str, stride: int | None) -> PixelBuffer:
    _check_size(width, height)
    depth = BYTES_PER_PIXEL.get(name)
    if depth is None:
        raise ValueError(f"format is {name!r}, expected one of {', '.join(BYTES_PER_PIXEL)}")
    row = width * depth
    stride = row if stride is None else stride
    if stride < row:
        raise ValueError(f"stride is {stride}, expected at least {row} for {width} pixels of {name}")
    needed = stride * (height - 1) + row
    if not view.c_contiguous:
        raise ValueError("the buffer is not contiguous")
    if view.nbytes < needed:
        raise ValueError(f"the buffer has {view.nbytes} bytes, expected {needed} for {width} x {height} {name}")
    shared = not isinstance(view.obj, bytes)
    return PixelBuffer(view.cast("B"), width, height, stride, name, shared)


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ValueError(f"the image is {width} x {height}, expected at least 1 x 1")
