"""Pixels as callers have them: Pillow images, arrays, or flat bytes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, Final

from PIL import Image

from spicetrio.canvas import pixels
from spicetrio.canvas.pixels import FORMATS
from spicetrio.canvas.span import flat_rows

if TYPE_CHECKING:
    from typing_extensions import Buffer

_WORD_FORMATS: Final = tuple(name for name, size in FORMATS.items() if size == 2)
_ARRAY_FORMATS: Final = {1: "L", 3: "RGB", 4: "RGBA"}
_PILLOW_FORMATS: Final = {"1": "L", "L": "L", "RGB": "RGBX", "RGBX": "RGBX", "RGBA": "BGRA"}
"""Modes that Pillow writes in one step, and as which format it is quickest."""
_LITTLE_WORDS: Final = ("<H", "<h", "H", "h") if sys.byteorder == "little" else ("<H", "<h")


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
    """A key of `pixels.FORMATS`."""
    shared: bool
    """The data belongs to someone who may change it."""

    @property
    def size(self) -> int:
        """Bytes of the data."""
        return memoryview(self.data).nbytes

    @property
    def packed_size(self) -> int:
        """Bytes of the pixels alone, without what is between rows and behind them."""
        return self.width * self.height * FORMATS[self.format]

    def owned(self) -> PixelBuffer:
        """Return the same pixels in a buffer that nobody else can change."""
        if not self.shared:
            return self
        row = self.width * FORMATS[self.format]
        view = memoryview(self.data)
        rows = [view[at : at + row] for at in range(0, self.stride * self.height, self.stride)]
        return PixelBuffer(b"".join(rows), self.width, self.height, row, self.format, shared=False)

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

    Nothing is copied but Pillow images, and arrays whose rows do not lie in memory from the first to the last with
    the bytes of each packed.

    Args:
        image: A Pillow image; or an array such as numpy's, of shape (rows, columns, 2, 3 or 4 bytes), (rows, columns)
            of gray bytes, or (rows, columns) of words of 16 bits; or flat bytes with a width and a height.
        width: In pixels, for flat bytes.
        height: In pixels, for flat bytes.
        format: A key of `pixels.FORMATS`. Flat bytes are BGRX unless said otherwise, arrays are RGB, RGBA or L; of
            pixels of 16 bits it must be said.
        stride: Bytes from one row to the next, for flat bytes; without it rows are packed.

    Raises:
        ValueError: The pixels are not all there, or the format is not known; the text names what was expected.
        TypeError: The image is no buffer, or a size is no whole number.
    """
    if format is not None and not isinstance(format, str):
        raise TypeError(f"format is a {type(format).__name__}, expected a str")
    if isinstance(image, Image.Image):
        if any(value is not None for value in (width, height, format, stride)):
            raise ValueError("a Pillow image has its own size and format, expected none to be given")
        return _from_pillow(image)
    view = memoryview(image)
    if view.ndim > 1:
        if width is not None or height is not None or stride is not None:
            raise ValueError("an array has its own width, height and stride, expected none to be given")
        return _from_array(view, format)
    if width is None or height is None:
        raise ValueError("flat pixels need a width and a height")
    return _from_flat(view, index(width), index(height), format, None if stride is None else index(stride))


def _from_pillow(image: Image.Image) -> PixelBuffer:
    _check_size(*image.size)
    if image.mode not in _PILLOW_FORMATS:
        image = image.convert("RGB")
    name = _PILLOW_FORMATS[image.mode]
    return PixelBuffer(image.tobytes("raw", name), *image.size, image.width * FORMATS[name], name, shared=False)


def _from_array(view: memoryview, format: str | None) -> PixelBuffer:  # noqa: A002
    shape = view.shape or ()
    words = view.ndim == 2 and view.format in _LITTLE_WORDS
    depth = shape[2] if view.ndim == 3 else view.itemsize
    if view.ndim > 3 or not (words or (view.itemsize == 1 and 1 <= depth <= 4)):
        raise ValueError(
            f"the array has shape {shape} and items of {view.itemsize} bytes ({view.format}), "
            "expected (rows, columns, 2 to 4) or (rows, columns) of bytes, or (rows, columns) of little-endian words"
        )
    name = _ARRAY_FORMATS.get(depth) if format is None else format
    if name is None:
        raise ValueError(f"the array has 2 bytes per pixel, expected a format: {' or '.join(_WORD_FORMATS)}")
    if FORMATS.get(name) != depth:
        raise ValueError(f"the array has {depth} bytes per pixel, which format {name!r} has not")
    height, width = shape[:2]
    _check_size(width, height)
    data, stride = (view.cast("B"), width * depth) if view.c_contiguous else flat_rows(view)
    return PixelBuffer(data, width, height, stride, name, _is_shared(data))


def _from_flat(view: memoryview, width: int, height: int, format: str | None, stride: int | None) -> PixelBuffer:  # noqa: A002
    _check_size(width, height)
    name = "BGRX" if format is None else format
    depth = FORMATS.get(name)
    if depth is None:
        raise ValueError(f"format is {name!r}, expected one of {', '.join(FORMATS)}")
    row = width * depth
    if stride is None:
        stride = row
    if stride < row:
        raise ValueError(f"stride is {stride}, expected at least {row} for {width} pixels of {name}")
    if height == 1:  # there is no second row, however far
        stride = row
    needed = stride * (height - 1) + row
    if not view.c_contiguous:
        raise ValueError("the buffer is not contiguous")
    if view.nbytes < needed:
        raise ValueError(f"the buffer has {view.nbytes} bytes, expected {needed} for {width} x {height} {name}")
    data = view.cast("B")
    return PixelBuffer(data, width, height, stride, name, _is_shared(data))


def _is_shared(data: memoryview) -> bool:
    return not isinstance(data.obj, bytes)


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ValueError(f"the image is {width} x {height}, expected at least 1 x 1")
