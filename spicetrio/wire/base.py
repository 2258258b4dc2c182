"""Messages that every channel has (spec 2.1 and 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, Final, Self

from spicetrio.wire.buffer import Message, ReadBuffer, WriteBuffer
from spicetrio.wire.enums import (
    BaseClientMessage,
    BaseMessage,
    LinkErrorCode,
    MigrateFlags,
    NotifySeverity,
    NotifyVisibility,
)
from spicetrio.wire.errors import RemoteProtocolError

if TYPE_CHECKING:
    from typing_extensions import Buffer

_TWO_U32: Final = Struct("<II")
_PING: Final = Struct("<IQ")
_CHANNEL_WAIT: Final = Struct("<BBQ")
_DISCONNECTING: Final = Struct("<QI")
_NOTIFY: Final = Struct("<QIIII")
_SUB_MESSAGE: Final = Struct("<HI")


@dataclass(frozen=True, slots=True)
class Empty:
    """Base of the messages without a body."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read nothing."""
        return cls()

    def push(self, buffer: WriteBuffer) -> None:
        """Write nothing."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """Base of the messages whose whole body is data that this layer does not look into."""

    data: Buffer
    """The body."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read all there is."""
        return cls(bytes(buffer.rest()))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the data as it is."""
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class Migrate:
    """The channel moves to another server."""

    TYPE: ClassVar = BaseMessage.MIGRATE
    flags: MigrateFlags
    """What the client owes before the channel goes."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(MigrateFlags(buffer.u32()))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(self.flags)


@dataclass(frozen=True, slots=True)
class MigrateData(Opaque):
    """The state of a channel, from the source through the client."""

    TYPE: ClassVar = BaseMessage.MIGRATE_DATA


@dataclass(frozen=True, slots=True)
class SetAck:
    """Begins a new generation of acknowledgements (spec F-12)."""

    TYPE: ClassVar = BaseMessage.SET_ACK
    generation: int
    """One more than that of the last SET_ACK."""
    window: int
    """The client acknowledges after this many messages."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_TWO_U32))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_TWO_U32, self.generation, self.window)


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a PONG."""

    TYPE: ClassVar = BaseMessage.PING
    id: int
    """Comes back in the PONG."""
    timestamp: int
    """The sender's clock in any unit; comes back in the PONG."""
    padding: Buffer = b""
    """Bytes that only take time to send."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        ping_id, timestamp = buffer.unpack(_PING)
        return cls(ping_id, timestamp, bytes(buffer.rest()))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_PING, self.id, self.timestamp)
        buffer.raw(self.padding)


@dataclass(frozen=True, slots=True)
class ChannelWait:
    """A message of another channel that must have been handled first (spec S-17)."""

    channel_type: int
    """Its channel's type."""
    channel_id: int
    """Its channel's id."""
    message_serial: int
    """Its serial on that channel."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_CHANNEL_WAIT))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_CHANNEL_WAIT, self.channel_type, self.channel_id, self.message_serial)


@dataclass(frozen=True, slots=True)
class WaitForChannels:
    """The client handles nothing more on this channel until others have come so far."""

    TYPE: ClassVar = BaseMessage.WAIT_FOR_CHANNELS
    waits: tuple[ChannelWait, ...]
    """At most 255."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.items(buffer.u8(), ChannelWait.pull, _CHANNEL_WAIT.size))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u8(len(self.waits))
        for wait in self.waits:
            wait.push(buffer)


@dataclass(frozen=True, slots=True)
class Disconnecting:
    """The server ends this connection, and says why."""

    TYPE: ClassVar[IntEnum] = BaseMessage.DISCONNECTING
    timestamp: int
    """Nanoseconds of the sender's clock."""
    reason: int
    """A `LinkErrorCode`; other values are kept as they are."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_DISCONNECTING))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_DISCONNECTING, self.timestamp, self.reason)


@dataclass(frozen=True, slots=True)
class Notify:
    """A text for the person at the client."""

    TYPE: ClassVar = BaseMessage.NOTIFY
    timestamp: int
    """Nanoseconds of the server's clock."""
    severity: int
    """A `NotifySeverity`."""
    visibility: int
    """A `NotifyVisibility`."""
    what: int
    """A number for programs; for errors a `LinkErrorCode`."""
    text: str
    """The text. On the wire a NUL follows that its length does not count, as clients are used to."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        timestamp, severity, visibility, what, size = buffer.unpack(_NOTIFY)
        return cls(timestamp, severity, visibility, what, bytes(buffer.raw(size)).decode(errors="replace"))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        text = self.text.encode()
        buffer.pack(_NOTIFY, self.timestamp, self.severity, self.visibility, self.what, len(text))
        buffer.raw(text + b"\0")

    @classmethod
    def warning(cls, timestamp: int, text: str) -> Self:
        """Make a warning that clients show prominently."""
        return cls(timestamp, NotifySeverity.WARN, NotifyVisibility.HIGH, LinkErrorCode.OK, text)


@dataclass(frozen=True, slots=True)
class SubMessage:
    """A message inside another (spec F-3)."""

    type: int
    """The number of a message of the same channel."""
    body: Buffer
    """Its body."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        message_type, size = buffer.unpack(_SUB_MESSAGE)
        # No copy: many offsets of a list may point to the same large body.
        return cls(message_type, buffer.raw(size))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_SUB_MESSAGE, self.type, memoryview(self.body).nbytes)
        buffer.raw(self.body)


@dataclass(frozen=True, slots=True)
class MessageList:
    """Messages that are handled in order, before the one that carries them (spec F-3, F-4)."""

    TYPE: ClassVar = BaseMessage.LIST
    messages: tuple[SubMessage, ...]
    """At most 65535."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the offsets, and what is at each."""
        offsets = buffer.items(buffer.u16(), ReadBuffer.u32, 4)
        messages = tuple(SubMessage.pull(buffer.at(offset)) for offset in offsets)
        if sum(memoryview(message.body).nbytes for message in messages) > buffer.size:
            raise RemoteProtocolError(f"got sub-messages of more bytes than the {buffer.size} they lie in")
        return cls(messages)

    def push(self, buffer: WriteBuffer) -> None:
        """Write the offsets; the messages follow."""
        buffer.u16(len(self.messages))
        for message in self.messages:
            buffer.pointer(message.push)


@dataclass(frozen=True, slots=True)
class AckSync:
    """Answers SET_ACK."""

    TYPE: ClassVar = BaseClientMessage.ACK_SYNC
    generation: int
    """That of the SET_ACK."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u32())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(self.generation)


@dataclass(frozen=True, slots=True)
class Ack(Empty):
    """A window full of messages was received."""

    TYPE: ClassVar = BaseClientMessage.ACK


@dataclass(frozen=True, slots=True)
class Pong:
    """Answers PING."""

    TYPE: ClassVar = BaseClientMessage.PONG
    id: int
    """That of the PING."""
    timestamp: int
    """That of the PING."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_PING))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_PING, self.id, self.timestamp)


@dataclass(frozen=True, slots=True)
class MigrateFlushMark(Empty):
    """All that the client had to send before a migration was sent."""

    TYPE: ClassVar = BaseClientMessage.MIGRATE_FLUSH_MARK


@dataclass(frozen=True, slots=True)
class ClientMigrateData(Opaque):
    """The state of a channel, through the client to the target."""

    TYPE: ClassVar = BaseClientMessage.MIGRATE_DATA


@dataclass(frozen=True, slots=True)
class ClientDisconnecting(Disconnecting):
    """The client ends this connection, and says why."""

    TYPE: ClassVar[IntEnum] = BaseClientMessage.DISCONNECTING


SERVER_MESSAGES: Final[Mapping[int, type[Message]]] = {
    message.TYPE: message
    for message in (Migrate, MigrateData, SetAck, Ping, WaitForChannels, Disconnecting, Notify, MessageList)
}
CLIENT_MESSAGES: Final[Mapping[int, type[Message]]] = {
    message.TYPE: message for message in (AckSync, Ack, Pong, MigrateFlushMark, ClientMigrateData, ClientDisconnecting)
}
