"""Images: what describes them, and how each type carries its pixels (spec S-6 to S-9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, Final, Self, TypeAlias

from spicetrio.wire.base import Empty
from spicetrio.wire.buffer import ReadBuffer, WriteBuffer
from spicetrio.wire.enums import BitmapFlags, BitmapFormat, ImageType
from spicetrio.wire.errors import LocalProtocolError, RemoteProtocolError
from spicetrio.wire.values import known_flags

if TYPE_CHECKING:
    from typing_extensions import Buffer

_DESCRIPTOR: Final = Struct("<QBBII")
_PALETTE: Final = Struct("<QH")
_BITMAP: Final = Struct("<BBIII")
_LZ_PALETTE: Final = Struct("<BI")
_ZLIB_GLZ: Final = Struct("<II")
_JPEG_ALPHA: Final = Struct("<BII")

BITS_PER_PIXEL: Final[Mapping[int, int]] = {
    BitmapFormat.BIT1_LE: 1,
    BitmapFormat.BIT1_BE: 1,
    BitmapFormat.BIT4_LE: 4,
    BitmapFormat.BIT4_BE: 4,
    BitmapFormat.BIT8: 8,
    BitmapFormat.BIT16: 16,
    BitmapFormat.BIT24: 24,
    BitmapFormat.BIT32: 32,
    BitmapFormat.RGBA: 32,
    BitmapFormat.BIT8_A: 8,
}
"""Bits that a pixel takes in each bitmap format."""


@dataclass(frozen=True, slots=True)
class Palette:
    """The colors that the pixels of an indexed image stand for."""

    unique: int
    """Its key in the viewer's cache; 0 if it is not to be cached."""
    entries: tuple[int, ...]
    """Colors 0x00RRGGBB; at most 65535."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        unique, count = buffer.unpack(_PALETTE)
        return cls(unique, buffer.items(count, ReadBuffer.u32, 4))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_PALETTE, self.unique, len(self.entries))
        for entry in self.entries:
            buffer.u32(entry)


def _check_palette(flags: int, palette: Palette | int | None) -> None:
    if bool(flags & BitmapFlags.PAL_FROM_CACHE) != isinstance(palette, int):
        raise LocalProtocolError(f"flags {flags:#x} do not agree with palette {palette!r}")


@dataclass(frozen=True, slots=True)
class Bitmap:
    """Uncompressed pixels."""

    TYPE: ClassVar = ImageType.BITMAP
    format: int
    """A `BitmapFormat`."""
    flags: int
    """`BitmapFlags` bits."""
    width: int
    """Pixels of a row."""
    height: int
    """Rows."""
    stride: int
    """Bytes from row to row."""
    palette: Palette | int | None
    """The palette; its key, if and only if PAL_FROM_CACHE is set; None if the format needs none."""
    data: Buffer
    """The rows: `stride * height` bytes."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        pixel_format, flags, width, height, stride = buffer.unpack(_BITMAP)
        cached = known_flags(BitmapFlags, flags) & BitmapFlags.PAL_FROM_CACHE
        palette = buffer.u64() if cached else buffer.pointer(Palette.pull)
        return cls(pixel_format, flags, width, height, stride, palette, bytes(buffer.raw(stride * height)))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        _check_palette(self.flags, self.palette)
        size = memoryview(self.data).nbytes
        if size != self.stride * self.height:
            raise LocalProtocolError(f"{self.height} rows of {self.stride} bytes are not {size} bytes")
        buffer.pack(_BITMAP, self.format, self.flags, self.width, self.height, self.stride)
        if isinstance(self.palette, int):
            buffer.u64(self.palette)
        else:
            buffer.pointer(self.palette.push if self.palette else None)
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class _Compressed:
    """Base of the types that are nothing but the output of an encoder."""

    data: Buffer
    """What the encoder made; its layout is the codec's."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the size and the data."""
        return cls(bytes(buffer.raw(buffer.u32())))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the size and the data."""
        buffer.u32(memoryview(self.data).nbytes)
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class Quic(_Compressed):
    """Pixels in QUIC."""

    TYPE: ClassVar = ImageType.QUIC


@dataclass(frozen=True, slots=True)
class LzPalette:
    """Indexed pixels in LZ."""

    TYPE: ClassVar = ImageType.LZ_PLT
    flags: int
    """`BitmapFlags` bits."""
    palette: Palette | int
    """The palette; its key, if and only if PAL_FROM_CACHE is set."""
    data: Buffer
    """What the encoder made."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields; the size stands before the palette."""
        flags, size = buffer.unpack(_LZ_PALETTE)
        cached = known_flags(BitmapFlags, flags) & BitmapFlags.PAL_FROM_CACHE
        palette = buffer.u64() if cached else buffer.target(Palette.pull)
        return cls(flags, palette, bytes(buffer.raw(size)))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields; the size stands before the palette."""
        _check_palette(self.flags, self.palette)
        buffer.pack(_LZ_PALETTE, self.flags, memoryview(self.data).nbytes)
        if isinstance(self.palette, int):
            buffer.u64(self.palette)
        else:
            buffer.pointer(self.palette.push)
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class Lz(_Compressed):
    """Pixels in LZ."""

    TYPE: ClassVar = ImageType.LZ_RGB


@dataclass(frozen=True, slots=True)
class Glz(_Compressed):
    """Pixels in LZ with the dictionary that the displays of a viewer share."""

    TYPE: ClassVar = ImageType.GLZ_RGB


@dataclass(frozen=True, slots=True)
class FromCache(Empty):
    """The pixels that the viewer keeps under the image's id."""

    TYPE: ClassVar = ImageType.FROM_CACHE


@dataclass(frozen=True, slots=True)
class Surface:
    """The pixels of a surface, as they are then."""

    TYPE: ClassVar = ImageType.SURFACE
    surface_id: int
    """The surface."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u32())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(self.surface_id)


@dataclass(frozen=True, slots=True)
class Jpeg(_Compressed):
    """Pixels in JPEG."""

    TYPE: ClassVar = ImageType.JPEG


@dataclass(frozen=True, slots=True)
class FromCacheLossless(Empty):
    """The pixels that the viewer keeps under the image's id, once they came without loss."""

    TYPE: ClassVar = ImageType.FROM_CACHE_LOSSLESS


@dataclass(frozen=True, slots=True)
class ZlibGlz:
    """Pixels in GLZ, and that in zlib."""

    TYPE: ClassVar = ImageType.ZLIB_GLZ_RGB
    glz_size: int
    """Bytes of the GLZ data within."""
    data: Buffer
    """What zlib made."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        glz_size, size = buffer.unpack(_ZLIB_GLZ)
        return cls(glz_size, bytes(buffer.raw(size)))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_ZLIB_GLZ, self.glz_size, memoryview(self.data).nbytes)
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class JpegAlpha:
    """Colors in JPEG, and alpha in LZ behind them."""

    TYPE: ClassVar = ImageType.JPEG_ALPHA
    flags: int
    """1 if the rows run from top to bottom."""
    jpeg_size: int
    """Bytes of the JPEG data."""
    data: Buffer
    """Both parts."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        flags, jpeg_size, size = buffer.unpack(_JPEG_ALPHA)
        if jpeg_size > size:
            raise RemoteProtocolError(f"got {jpeg_size} bytes of JPEG in {size} bytes")
        return cls(flags, jpeg_size, bytes(buffer.raw(size)))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        size = memoryview(self.data).nbytes
        if self.jpeg_size > size:
            raise LocalProtocolError(f"{self.jpeg_size} bytes of JPEG are more than the {size} there are")
        buffer.pack(_JPEG_ALPHA, self.flags, self.jpeg_size, size)
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class Lz4(_Compressed):
    """Pixels in LZ4."""

    TYPE: ClassVar = ImageType.LZ4


Payload: TypeAlias = (
    Bitmap | Quic | LzPalette | Lz | Glz | FromCache | Surface | Jpeg | FromCacheLossless | ZlibGlz | JpegAlpha | Lz4
)
"""How an image carries its pixels."""

PAYLOADS: Final[Mapping[int, type[Payload]]] = {
    payload.TYPE: payload
    for payload in (
        Bitmap,
        Quic,
        LzPalette,
        Lz,
        Glz,
        FromCache,
        Surface,
        Jpeg,
        FromCacheLossless,
        ZlibGlz,
        JpegAlpha,
        Lz4,
    )
}
"""The payload of each image type; RESERVED has none."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its descriptor, and its pixels. The payload's class is the descriptor's type."""

    id: int
    """Its key in the viewer's cache: a unique number in the upper half, its group in the lower."""
    flags: int
    """`ImageFlags` bits."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    payload: Payload
    """The pixels, or where they are."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the descriptor, and what its type says."""
        image_id, image_type, flags, width, height = buffer.unpack(_DESCRIPTOR)
        payload = PAYLOADS.get(image_type)
        if payload is None:
            expected = ", ".join(str(int(number)) for number in PAYLOADS)
            raise RemoteProtocolError(f"got image type {image_type}, expected one of {expected}")
        return cls(image_id, flags, width, height, payload.pull(buffer))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the descriptor and the payload."""
        payload = self.payload
        buffer.pack(_DESCRIPTOR, self.id, payload.TYPE, self.flags, self.width, self.height)
        payload.push(buffer)
