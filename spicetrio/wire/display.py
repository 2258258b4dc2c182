"""Messages of a display channel (spec 3.2). Those that draw are in `draw`, those about video in `stream`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Final, Self

from spicetrio.wire.base import ChannelWait, Empty
from spicetrio.wire.buffer import Message, ReadBuffer, WriteBuffer
from spicetrio.wire.draw import DRAW_MESSAGES
from spicetrio.wire.enums import DisplayClientMessage, DisplayMessage, SurfaceFlags
from spicetrio.wire.stream import STREAM_MESSAGES, CodecList, StreamReport

_MODE: Final = Struct("<III")
_RESOURCE: Final = Struct("<BQ")
_SURFACE_CREATE: Final = Struct("<5I")
_MONITORS: Final = Struct("<HH")
_HEAD: Final = Struct("<7I")
_SCANOUT: Final = Struct("<5I")
_GL_DRAW: Final = Struct("<4I")
_INIT: Final = Struct("<BqBi")

_CHANNEL_WAIT_SIZE: Final = 10


@dataclass(frozen=True, slots=True)
class Mode:
    """The size of the only surface there is. Obsolete: SURFACE_CREATE has taken its place."""

    TYPE: ClassVar = DisplayMessage.MODE
    x_res: int
    """In pixels."""
    y_res: int
    """In pixels."""
    bits: int
    """Of a pixel."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_MODE))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_MODE, self.x_res, self.y_res, self.bits)


@dataclass(frozen=True, slots=True)
class Mark(Empty):
    """The picture on the primary surface is complete: the viewer may show it."""

    TYPE: ClassVar = DisplayMessage.MARK


@dataclass(frozen=True, slots=True)
class Reset(Empty):
    """The viewer forgets all it has. Never sent by other servers."""

    TYPE: ClassVar = DisplayMessage.RESET


@dataclass(frozen=True, slots=True)
class ResourceId:
    """Something in a viewer's cache (spec S-17)."""

    type: int
    """A `ResourceType`."""
    id: int
    """Its key."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_RESOURCE))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_RESOURCE, self.type, self.id)


@dataclass(frozen=True, slots=True)
class InvalList:
    """The viewer drops these from its cache."""

    TYPE: ClassVar = DisplayMessage.INVAL_LIST
    resources: tuple[ResourceId, ...]
    """At most 65535."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.items(buffer.u16(), ResourceId.pull, _RESOURCE.size))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u16(len(self.resources))
        for resource in self.resources:
            resource.push(buffer)


@dataclass(frozen=True, slots=True)
class InvalAllPixmaps:
    """The viewer drops all images from its cache, once the other channels that share it have come so far."""

    TYPE: ClassVar = DisplayMessage.INVAL_ALL_PIXMAPS
    waits: tuple[ChannelWait, ...]
    """At most 255."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.items(buffer.u8(), ChannelWait.pull, _CHANNEL_WAIT_SIZE))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u8(len(self.waits))
        for wait in self.waits:
            wait.push(buffer)


@dataclass(frozen=True, slots=True)
class InvalPalette:
    """The viewer drops a palette from its cache."""

    TYPE: ClassVar = DisplayMessage.INVAL_PALETTE
    id: int
    """Its key."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u64())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u64(self.id)


@dataclass(frozen=True, slots=True)
class InvalAllPalettes(Empty):
    """The viewer drops all palettes from its cache."""

    TYPE: ClassVar = DisplayMessage.INVAL_ALL_PALETTES


@dataclass(frozen=True, slots=True)
class SurfaceCreate:
    """There is a new surface to draw on."""

    TYPE: ClassVar = DisplayMessage.SURFACE_CREATE
    surface_id: int
    """The surface; 0 for the primary."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    format: int
    """A `SurfaceFormat`."""
    flags: int = SurfaceFlags.NONE
    """`SurfaceFlags` bits."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_SURFACE_CREATE))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_SURFACE_CREATE, self.surface_id, self.width, self.height, self.format, self.flags)


@dataclass(frozen=True, slots=True)
class SurfaceDestroy:
    """A surface is gone."""

    TYPE: ClassVar = DisplayMessage.SURFACE_DESTROY
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
class Head:
    """A monitor, and the part of a surface that it shows (spec S-16)."""

    monitor_id: int
    """The monitor."""
    surface_id: int
    """The surface."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    x: int
    """The first column that it shows."""
    y: int
    """The first row that it shows."""
    flags: int = 0
    """None is defined."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_HEAD))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(
            _HEAD,
            self.monitor_id,
            self.surface_id,
            self.width,
            self.height,
            self.x,
            self.y,
            self.flags,
        )


@dataclass(frozen=True, slots=True)
class MonitorsConfig:
    """The monitors that there are."""

    TYPE: ClassVar = DisplayMessage.MONITORS_CONFIG
    max_allowed: int
    """How many there may be; 0 if it does not matter."""
    heads: tuple[Head, ...]
    """At most 65535. On the wire their count stands before `max_allowed`."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the count and the fields."""
        count, max_allowed = buffer.unpack(_MONITORS)
        return cls(max_allowed, buffer.items(count, Head.pull, _HEAD.size))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the count and the fields."""
        buffer.pack(_MONITORS, len(self.heads), self.max_allowed)
        for head in self.heads:
            head.push(buffer)


@dataclass(frozen=True, slots=True)
class GlScanoutUnix:
    """A picture in a graphics card's memory is shown. Its descriptor is sent behind the message, with a byte `@`."""

    TYPE: ClassVar = DisplayMessage.GL_SCANOUT_UNIX
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    stride: int
    """Bytes from row to row."""
    drm_fourcc: int
    """Its format, as libdrm numbers them."""
    flags: int
    """`GlScanoutFlags` bits."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_SCANOUT))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_SCANOUT, self.width, self.height, self.stride, self.drm_fourcc, self.flags)


@dataclass(frozen=True, slots=True)
class GlDraw:
    """A part of the scanout has changed; GL_DRAW_DONE answers."""

    TYPE: ClassVar = DisplayMessage.GL_DRAW
    x: int
    """The first column."""
    y: int
    """The first row."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_GL_DRAW))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_GL_DRAW, self.x, self.y, self.width, self.height)


@dataclass(frozen=True, slots=True)
class Init:
    """The first message of a client: the caches it offers. Displays of one client that name one id share it."""

    TYPE: ClassVar = DisplayClientMessage.INIT
    pixmap_cache_id: int
    """The image cache."""
    pixmap_cache_size: int
    """Of the image cache, in pixels."""
    glz_dictionary_id: int
    """The GLZ dictionary."""
    glz_dictionary_window_size: int
    """Of the GLZ dictionary, in pixels."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_INIT))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(
            _INIT,
            self.pixmap_cache_id,
            self.pixmap_cache_size,
            self.glz_dictionary_id,
            self.glz_dictionary_window_size,
        )


@dataclass(frozen=True, slots=True)
class PreferredCompression:
    """How the client would like images to be compressed."""

    TYPE: ClassVar = DisplayClientMessage.PREFERRED_COMPRESSION
    compression: int
    """An `ImageCompression`."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u8())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u8(self.compression)


@dataclass(frozen=True, slots=True)
class GlDrawDone(Empty):
    """Answers GL_DRAW: the picture may change again."""

    TYPE: ClassVar = DisplayClientMessage.GL_DRAW_DONE


@dataclass(frozen=True, slots=True)
class PreferredVideoCodecType(CodecList):
    """The codecs that the client would like for video, the best first."""

    TYPE: ClassVar = DisplayClientMessage.PREFERRED_VIDEO_CODEC_TYPE


_OWN: Final[tuple[type[Message], ...]] = (
    Mode,
    Mark,
    Reset,
    InvalList,
    InvalAllPixmaps,
    InvalPalette,
    InvalAllPalettes,
    SurfaceCreate,
    SurfaceDestroy,
    MonitorsConfig,
    GlScanoutUnix,
    GlDraw,
)

SERVER_MESSAGES: Final[Mapping[int, type[Message]]] = {
    message.TYPE: message for message in (*_OWN, *DRAW_MESSAGES, *STREAM_MESSAGES)
}
CLIENT_MESSAGES: Final[Mapping[int, type[Message]]] = {
    message.TYPE: message for message in (Init, StreamReport, PreferredCompression, GlDrawDone, PreferredVideoCodecType)
}
