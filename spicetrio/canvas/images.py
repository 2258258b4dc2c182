"""The images inside of operations: packed for the wire, with palettes that the viewer may have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final

from PIL import Image as PillowImage

from spicetrio.canvas.choice import SMALLEST_COMPRESSED
from spicetrio.canvas.operations import Operation, images, is_opaque
from spicetrio.canvas.pixelbuffer import pixel_buffer
from spicetrio.codecs import lz
from spicetrio.codecs.lz import LzType
from spicetrio.wire.draw import DrawCopy
from spicetrio.wire.drawing import Pattern
from spicetrio.wire.enums import BitmapFlags, BitmapFormat, ImageFlags
from spicetrio.wire.image import Bitmap, Image, Lz, LzPalette, Palette

if TYPE_CHECKING:
    from typing_extensions import Buffer

_LZ_TYPES: Final[Mapping[int, LzType]] = {
    BitmapFormat.BIT1_LE: LzType.PLT1_LE,
    BitmapFormat.BIT1_BE: LzType.PLT1_BE,
    BitmapFormat.BIT4_LE: LzType.PLT4_LE,
    BitmapFormat.BIT4_BE: LzType.PLT4_BE,
    BitmapFormat.BIT8: LzType.PLT8,
    BitmapFormat.BIT16: LzType.RGB16,
    BitmapFormat.BIT24: LzType.RGB24,
    BitmapFormat.BIT32: LzType.RGB32,
    BitmapFormat.RGBA: LzType.RGBA,
}
"""What LZ calls the formats of bitmaps (spec Z-2). It is not used for those of alpha alone."""


def palettes_of(operation: Operation) -> Iterator[Palette]:
    """Yield the palettes of an operation's images that viewers may keep."""
    for image in images(operation):
        palette = image.payload.palette if isinstance(image.payload, Bitmap) else None
        if isinstance(palette, Palette) and palette.unique:
            yield palette


def size_of(operation: Operation) -> int:
    """Return the bytes of pixels in an operation's images."""
    payloads = [image.payload for image in images(operation)]
    return sum(memoryview(payload.data).nbytes for payload in payloads if isinstance(payload, Bitmap))


def is_plain(operation: Operation) -> bool:
    """Tell whether an operation puts pixels in a place and does nothing else, so that they may be sent in any way."""
    if not isinstance(operation, DrawCopy) or not isinstance(operation.src.payload, Bitmap):
        return False
    base, area = operation.base, operation.src_area
    unscaled = (area.width, area.height) == (base.box.width, base.box.height)
    return unscaled and base.clip is None and operation.mask.bitmap is None and is_opaque(operation)


def image_of(
    image: PillowImage.Image | Buffer,
    *,
    width: int | None = None,
    height: int | None = None,
    format: str | None = None,  # noqa: A002 - the word that callers know
    stride: int | None = None,
    alpha: bool = False,
) -> Image:
    """Make an image for drawing operations out of pixels.

    Args:
        image: Pixels as `Display.draw_image` takes them, and so are `width`, `height`, `format` and `stride`.
        width: In pixels, for flat bytes.
        height: In pixels, for flat bytes.
        format: The order of a pixel's bytes.
        stride: Bytes from one row to the next, for flat bytes.
        alpha: The fourth byte of a pixel in BGRA is its alpha, and colors are multiplied by it already; only for
            pixels in BGRA. Without it, alpha is ignored.

    Raises:
        ValueError: The pixels are not all there, or the format is not known; the text names what was expected.
    """
    if alpha and format != "BGRA":
        raise ValueError(f"format is {format!r}, expected 'BGRA' for pixels with alpha")
    pixels = pixel_buffer(image, width=width, height=height, format=format, stride=stride)
    if alpha:
        view, row = memoryview(pixels.data), 4 * pixels.width
        data = b"".join(view[at : at + row] for at in range(0, pixels.stride * pixels.height, pixels.stride))
    else:
        data = bytes(pixels.as_bgrx().data)
    bitmap_format = BitmapFormat.RGBA if alpha else BitmapFormat.BIT32
    size = (pixels.width, pixels.height)
    bitmap = Bitmap(bitmap_format, BitmapFlags.TOP_DOWN, *size, 4 * pixels.width, None, data)
    return Image(0, ImageFlags.NONE, *size, bitmap)


def owned(image: Image) -> Image:
    """Return the same image with pixels that nobody else can change."""
    bitmap = image.payload
    if not isinstance(bitmap, Bitmap) or isinstance(bitmap.data, bytes):
        return image
    return replace(image, payload=replace(bitmap, data=bytes(bitmap.data)))


def with_images(operation: Operation, change: Callable[[Image], Image]) -> Operation:
    """Return the same operation with other images in it; masks of bits stay as they are."""
    changes: dict[str, Any] = {}
    for field in fields(operation):
        value = getattr(operation, field.name)
        if isinstance(value, Image):
            changes[field.name] = change(value)
        elif isinstance(value, Pattern):
            changes[field.name] = replace(value, image=change(value.image))
    return replace(operation, **changes) if changes else operation


def packed(image: Image, *, compress: bool, known: Callable[[Palette], bool]) -> Image:
    """Return an image as it is sent.

    Args:
        image: As the application gave it.
        compress: Use LZ where that makes it smaller.
        known: Tells of a palette whether the viewer has it.
    """
    bitmap = image.payload
    if not isinstance(bitmap, Bitmap):
        return image
    flags, palette = bitmap.flags, bitmap.palette
    if isinstance(palette, Palette) and palette.unique:
        if known(palette):
            flags, palette = flags | BitmapFlags.PAL_FROM_CACHE, palette.unique
        else:
            flags |= BitmapFlags.PAL_CACHE_ME
    size = bitmap.stride * bitmap.height
    if compress and size >= SMALLEST_COMPRESSED and (image_type := _LZ_TYPES.get(bitmap.format)):
        data = lz.encode(
            bitmap.data, width=bitmap.width, height=bitmap.height, stride=bitmap.stride, image_type=image_type,
            top_down=bool(flags & BitmapFlags.TOP_DOWN), limit=size,
        )  # fmt: skip
        if data is not None:
            return replace(image, payload=Lz(data) if palette is None else LzPalette(flags, palette, data))
    return replace(image, payload=replace(bitmap, flags=flags, palette=palette))
