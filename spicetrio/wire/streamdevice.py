"""Messages between a streaming device of a guest and its host (spec 3.11), and their framing.

The guest's end is a program such as spice-streaming-agent, at the port `org.spice-space.stream.0`: it captures and
encodes the guest's screen. It has a protocol of its own, which is neither that of viewers nor that of other ports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, Final, Self

from spicetrio.wire.base import Opaque
from spicetrio.wire.buffer import Message, ReadBuffer, WriteBuffer, marshal
from spicetrio.wire.enums import CursorType, StreamDeviceMessage
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.stream import CodecList
from spicetrio.wire.values import encode_text, known, pull_text

if TYPE_CHECKING:
    from typing_extensions import Buffer

VERSION: Final = 1
"""Of this protocol."""
MAX_FRAME: Final = 32 * 1024 * 1024
"""The largest encoded frame, in bytes."""
MAX_CURSOR: Final = 1024
"""The widest and highest pointer, in pixels."""
MAX_TEXT: Final = 1024
"""Bytes of an error's text."""

_HEADER: Final = Struct("<BxHI")
_FORMAT: Final = Struct("<IIB3x")
_CURSOR_SET: Final = Struct("<HHHHB3x")
_CURSOR_MOVE: Final = Struct("<ii")
_DISPLAY_INFO: Final = Struct("<III")


@dataclass(frozen=True, slots=True)
class Capabilities(Opaque):
    """What the sender can do besides, as bits; bit 0 is the quality indicator."""

    TYPE: ClassVar = StreamDeviceMessage.CAPABILITIES


@dataclass(frozen=True, slots=True)
class Format:
    """The frames from here on have another codec or size, or begin anew; the first of them needs none before."""

    TYPE: ClassVar = StreamDeviceMessage.FORMAT
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    codec: int
    """A `VideoCodec`."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_FORMAT))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_FORMAT, self.width, self.height, self.codec)


@dataclass(frozen=True, slots=True)
class Data(Opaque):
    """One encoded frame."""

    TYPE: ClassVar = StreamDeviceMessage.DATA


@dataclass(frozen=True, slots=True)
class StartStop(CodecList):
    """The host asks for a stream from its beginning, in a codec that all viewers can show; without codecs, for none."""

    TYPE: ClassVar = StreamDeviceMessage.START_STOP


@dataclass(frozen=True, slots=True)
class NotifyError:
    """The sender cannot go on."""

    TYPE: ClassVar = StreamDeviceMessage.NOTIFY_ERROR
    code: int
    """No value is defined."""
    text: str
    """For people to read."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the code, and the text to the end."""
        return cls(buffer.u32(), pull_text(buffer, buffer.remaining))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(self.code)
        buffer.raw(encode_text(self.text))


@dataclass(frozen=True, slots=True)
class CursorSet:
    """The pointer looks different."""

    TYPE: ClassVar = StreamDeviceMessage.CURSOR_SET
    width: int
    """In pixels, at most 1024."""
    height: int
    """In pixels, at most 1024."""
    hot_x: int
    """The pixel that points, from the left."""
    hot_y: int
    """The pixel that points, from the top."""
    type: CursorType
    """ALPHA, COLOR24 or COLOR32."""
    data: Buffer
    """Rows of pixels, laid out as the type says (spec C-2)."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order, and as much data as they say there is."""
        width, height, hot_x, hot_y, kind = buffer.unpack(_CURSOR_SET)
        if width > MAX_CURSOR or height > MAX_CURSOR:
            raise RemoteProtocolError(f"got a pointer of {width} x {height}, expected at most {MAX_CURSOR} each way")
        cursor_type = known(CursorType, kind)
        data = bytes(buffer.raw(_cursor_size(cursor_type, width, height)))
        return cls(width, height, hot_x, hot_y, cursor_type, data)

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_CURSOR_SET, self.width, self.height, self.hot_x, self.hot_y, self.type)
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class CursorMove:
    """The pointer is somewhere else."""

    TYPE: ClassVar = StreamDeviceMessage.CURSOR_MOVE
    x: int
    """Pixels from the left."""
    y: int
    """Pixels from the top."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_CURSOR_MOVE))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_CURSOR_MOVE, self.x, self.y)


@dataclass(frozen=True, slots=True)
class DeviceDisplayInfo:
    """Which screen of the guest a stream shows."""

    TYPE: ClassVar = StreamDeviceMessage.DEVICE_DISPLAY_INFO
    stream_id: int
    """The stream."""
    device_display_id: int
    """Which screen of the graphics card."""
    device_address: str
    """Where the graphics card is, such as `pci/0000/02.0`."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        stream_id, device_display_id, size = buffer.unpack(_DISPLAY_INFO)
        return cls(stream_id, device_display_id, pull_text(buffer, size))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        address = encode_text(self.device_address)
        buffer.pack(_DISPLAY_INFO, self.stream_id, self.device_display_id, len(address))
        buffer.raw(address)


@dataclass(frozen=True, slots=True)
class QualityIndicator(Opaque):
    """What viewers say of the quality that they see."""

    TYPE: ClassVar = StreamDeviceMessage.QUALITY_INDICATOR


MESSAGES: Final[Mapping[int, type[Message]]] = {
    message.TYPE: message
    for message in (
        Capabilities,
        Format,
        Data,
        StartStop,
        NotifyError,
        CursorSet,
        CursorMove,
        DeviceDisplayInfo,
        QualityIndicator,
    )
}
FROM_DEVICE: Final[Mapping[int, int]] = {
    Capabilities.TYPE: 1024,
    Format.TYPE: _FORMAT.size,
    Data.TYPE: MAX_FRAME,
    NotifyError.TYPE: 4 + MAX_TEXT,
    CursorSet.TYPE: _CURSOR_SET.size + 4 * MAX_CURSOR * MAX_CURSOR + MAX_CURSOR * MAX_CURSOR // 8,
    CursorMove.TYPE: _CURSOR_MOVE.size,
    DeviceDisplayInfo.TYPE: _DISPLAY_INFO.size + 256,
}
"""Which messages a device may send, and the largest body of each, in bytes."""
FROM_HOST: Final[Mapping[int, int]] = {
    Capabilities.TYPE: 1024,
    StartStop.TYPE: 256,
    NotifyError.TYPE: 4 + MAX_TEXT,
    QualityIndicator.TYPE: 1024,
}
"""Which messages a host may send, and the largest body of each, in bytes."""


class DeviceFraming:
    """One end of a device's connection, as bytes and messages. It does no I/O.

    Args:
        limits: What the peer may send: `FROM_DEVICE` or `FROM_HOST`.
    """

    def __init__(self, limits: Mapping[int, int]) -> None:
        self._limits = limits
        self._received = bytearray()

    def receive_data(self, data: Buffer) -> None:
        """Take in bytes of the peer, in pieces of any size."""
        self._received += memoryview(data)

    def next_message(self) -> Message | None:
        """Return the next message; None if more bytes are needed.

        Raises:
            RemoteProtocolError: The peer announces a message that it may not send, or that is too large, or its body
                makes no sense. Nothing more can be read after that.
        """
        if len(self._received) < _HEADER.size:
            return None
        version, kind, size = _HEADER.unpack_from(self._received)
        if version != VERSION:
            raise RemoteProtocolError(f"got version {version} of the stream device's protocol, expected {VERSION}")
        limit = self._limits.get(kind)
        if limit is None:
            raise RemoteProtocolError(f"got stream device message {kind} of {size} bytes, which may not be sent")
        if size > limit:
            raise RemoteProtocolError(f"got stream device message {kind} of {size} bytes, expected at most {limit}")
        end = _HEADER.size + size
        if len(self._received) < end:
            return None
        body = bytes(memoryview(self._received)[_HEADER.size : end])
        del self._received[:end]
        return MESSAGES[kind].pull(ReadBuffer(body))

    @staticmethod
    def send(message: Message) -> bytes:
        """Return the bytes that are this message on the wire.

        Raises:
            LocalProtocolError: A value does not fit its field.
        """
        marshalled = marshal(message)
        return b"".join((_HEADER.pack(VERSION, marshalled.type, marshalled.size), *marshalled.buffers))


def _cursor_size(cursor_type: CursorType, width: int, height: int) -> int:
    mask = (width + 7) // 8 * height
    match cursor_type:
        case CursorType.ALPHA:
            return 4 * width * height
        case CursorType.COLOR24:
            return 3 * width * height + mask
        case CursorType.COLOR32:
            return 4 * width * height + mask
        case _:
            raise RemoteProtocolError(
                f"got a pointer of the type {cursor_type.name}, expected ALPHA, COLOR24 or COLOR32"
            )
