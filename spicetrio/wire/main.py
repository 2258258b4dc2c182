"""Messages of the main channel (spec 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from struct import Struct
from typing import ClassVar, Final, NamedTuple, Self
from uuid import UUID

from spicetrio.wire.base import Empty, Opaque
from spicetrio.wire.buffer import Message, ReadBuffer, WriteBuffer
from spicetrio.wire.enums import MainClientMessage, MainMessage
from spicetrio.wire.errors import LocalProtocolError, RemoteProtocolError
from spicetrio.wire.values import encode_text, pull_text

_DESTINATION: Final = Struct("<HHI")
_INIT: Final = Struct("<8I")
_CHANNEL_ID: Final = Struct("<BB")
_MOUSE_MODE: Final = Struct("<HH")

AGENT_DATA_SIZE: Final = 2048
"""The largest piece of the agent's stream that one message carries, in bytes."""


@dataclass(frozen=True, slots=True)
class DstInfo:
    """The server that a session moves to."""

    port: int
    """Its plain port; 0 for none."""
    sport: int
    """Its TLS port; 0 for none."""
    host: str
    """Its name or address."""
    cert_subject: str | None = None
    """The subject that its certificate must have."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order, each text as its size and a pointer to it."""
        port, sport, size = buffer.unpack(_DESTINATION)
        host = buffer.target(partial(pull_text, size=size))
        return cls(port, sport, host, buffer.pointer(partial(pull_text, size=buffer.u32())))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order, each text as its size and a pointer to it."""
        host = encode_text(self.host)
        buffer.pack(_DESTINATION, self.port, self.sport, len(host))
        buffer.pointer(lambda target: target.raw(host))
        if self.cert_subject is None:
            buffer.u32(0)
            buffer.pointer(None)
        else:
            cert_subject = encode_text(self.cert_subject)
            buffer.u32(len(cert_subject))
            buffer.pointer(lambda target: target.raw(cert_subject))


@dataclass(frozen=True, slots=True)
class _Destination:
    """Base of the messages that only name a server."""

    destination: DstInfo
    """The server."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(DstInfo.pull(buffer))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        self.destination.push(buffer)


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Base of the messages whose only field is a number of tokens."""

    num_tokens: int
    """Messages of agent data that may be sent besides those before."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u32())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(self.num_tokens)


@dataclass(frozen=True, slots=True)
class _AgentPiece(Opaque):
    """Base of the messages that carry a piece of the agent's stream: at most `AGENT_DATA_SIZE` bytes."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read all there is."""
        if buffer.remaining > AGENT_DATA_SIZE:
            raise RemoteProtocolError(f"got {buffer.remaining} bytes of agent data, expected at most {AGENT_DATA_SIZE}")
        return cls(bytes(buffer.rest()))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the data as it is."""
        size = memoryview(self.data).nbytes
        if size > AGENT_DATA_SIZE:
            raise LocalProtocolError(f"{size} bytes of agent data are more than {AGENT_DATA_SIZE}")
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class MigrateBegin(_Destination):
    """The session will move: the client connects to the other server beforehand."""

    TYPE: ClassVar = MainMessage.MIGRATE_BEGIN


@dataclass(frozen=True, slots=True)
class MigrateCancel(Empty):
    """The session stays after all."""

    TYPE: ClassVar = MainMessage.MIGRATE_CANCEL


@dataclass(frozen=True, slots=True)
class Init:
    """The first message of a session."""

    TYPE: ClassVar = MainMessage.INIT
    session_id: int
    """The connection id that the session's other links name."""
    display_channels_hint: int
    """How many displays there are."""
    supported_mouse_modes: int
    """`MouseMode` bits that can be had."""
    current_mouse_mode: int
    """The `MouseMode` there is."""
    agent_connected: int
    """1 if there is an agent."""
    agent_tokens: int
    """Messages of agent data that the client may send."""
    multi_media_time: int
    """The clock of sound and video, in milliseconds."""
    ram_hint: int
    """Bytes of a display device's memory; clients size their caches by it."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_INIT))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(
            _INIT,
            self.session_id,
            self.display_channels_hint,
            self.supported_mouse_modes,
            self.current_mouse_mode,
            self.agent_connected,
            self.agent_tokens,
            self.multi_media_time,
            self.ram_hint,
        )


class ChannelId(NamedTuple):
    """The name of a channel."""

    type: int
    """A `ChannelType`."""
    id: int
    """Which of that type."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_CHANNEL_ID))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_CHANNEL_ID, self.type, self.id)


@dataclass(frozen=True, slots=True)
class ChannelsList:
    """The channels that the client may link."""

    TYPE: ClassVar = MainMessage.CHANNELS_LIST
    channels: tuple[ChannelId, ...]
    """All, or those that came since the last list."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.items(buffer.u32(), ChannelId.pull, _CHANNEL_ID.size))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(len(self.channels))
        for channel in self.channels:
            channel.push(buffer)


@dataclass(frozen=True, slots=True)
class MouseModeMessage:
    """The mouse mode has changed, or what modes can be had."""

    TYPE: ClassVar = MainMessage.MOUSE_MODE
    supported: int
    """`MouseMode` bits that can be had."""
    current: int
    """The `MouseMode` there is."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_MOUSE_MODE))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_MOUSE_MODE, self.supported, self.current)


@dataclass(frozen=True, slots=True)
class MultiMediaTime:
    """Sets the client's clock of sound and video."""

    TYPE: ClassVar = MainMessage.MULTI_MEDIA_TIME
    time: int
    """In milliseconds, modulo 2^32."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u32())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(self.time)


@dataclass(frozen=True, slots=True)
class AgentConnected(Empty):
    """The guest's agent is there."""

    TYPE: ClassVar = MainMessage.AGENT_CONNECTED


@dataclass(frozen=True, slots=True)
class AgentDisconnected:
    """The guest's agent is gone."""

    TYPE: ClassVar = MainMessage.AGENT_DISCONNECTED
    error_code: int = 0
    """Always 0 from other servers."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u32())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(self.error_code)


@dataclass(frozen=True, slots=True)
class AgentData(_AgentPiece):
    """A piece of the agent's stream, from the guest."""

    TYPE: ClassVar = MainMessage.AGENT_DATA


@dataclass(frozen=True, slots=True)
class AgentToken(_Tokens):
    """The client may send more agent data."""

    TYPE: ClassVar = MainMessage.AGENT_TOKEN


@dataclass(frozen=True, slots=True)
class MigrateSwitchHost(_Destination):
    """The session moves now, and begins anew there."""

    TYPE: ClassVar = MainMessage.MIGRATE_SWITCH_HOST


@dataclass(frozen=True, slots=True)
class MigrateEnd(Empty):
    """The session has moved: the client goes on with the other server."""

    TYPE: ClassVar = MainMessage.MIGRATE_END


@dataclass(frozen=True, slots=True)
class Name:
    """The name of the machine that is shown."""

    TYPE: ClassVar = MainMessage.NAME
    name: str
    """On the wire a NUL follows, and its length counts it."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(pull_text(buffer, buffer.u32()))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        name = encode_text(self.name)
        buffer.u32(len(name))
        buffer.raw(name)


@dataclass(frozen=True, slots=True)
class Uuid:
    """The identity of the machine that is shown."""

    TYPE: ClassVar = MainMessage.UUID
    uuid: UUID
    """On the wire its 16 bytes, the most significant first."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(UUID(bytes=bytes(buffer.raw(16))))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.raw(self.uuid.bytes)


@dataclass(frozen=True, slots=True)
class AgentConnectedTokens(_Tokens):
    """The guest's agent is there, and the client may send it this much."""

    TYPE: ClassVar = MainMessage.AGENT_CONNECTED_TOKENS


@dataclass(frozen=True, slots=True)
class MigrateBeginSeamless:
    """The session will move with all its state."""

    TYPE: ClassVar = MainMessage.MIGRATE_BEGIN_SEAMLESS
    destination: DstInfo
    """The other server."""
    src_mig_version: int
    """Version of the state that the channels hand over."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(DstInfo.pull(buffer), buffer.u32())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        self.destination.push(buffer)
        buffer.u32(self.src_mig_version)


@dataclass(frozen=True, slots=True)
class MigrateDstSeamlessAck(Empty):
    """The target can take over the state."""

    TYPE: ClassVar = MainMessage.MIGRATE_DST_SEAMLESS_ACK


@dataclass(frozen=True, slots=True)
class MigrateDstSeamlessNack(Empty):
    """The target cannot take over the state."""

    TYPE: ClassVar = MainMessage.MIGRATE_DST_SEAMLESS_NACK


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """What the client has. Other servers refuse it."""

    TYPE: ClassVar = MainClientMessage.CLIENT_INFO
    cache_size: int
    """Of its image cache."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u64())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u64(self.cache_size)


@dataclass(frozen=True, slots=True)
class MigrateConnected(Empty):
    """The client has connected to the other server."""

    TYPE: ClassVar = MainClientMessage.MIGRATE_CONNECTED


@dataclass(frozen=True, slots=True)
class MigrateConnectError(Empty):
    """The client could not connect to the other server."""

    TYPE: ClassVar = MainClientMessage.MIGRATE_CONNECT_ERROR


@dataclass(frozen=True, slots=True)
class AttachChannels(Empty):
    """Asks for the list of channels."""

    TYPE: ClassVar = MainClientMessage.ATTACH_CHANNELS


@dataclass(frozen=True, slots=True)
class MouseModeRequest:
    """The client would like another mouse mode."""

    TYPE: ClassVar = MainClientMessage.MOUSE_MODE_REQUEST
    mode: int
    """A `MouseMode`."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u16())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u16(self.mode)


@dataclass(frozen=True, slots=True)
class AgentStart(_Tokens):
    """The client begins to talk to the agent, and can take this much from it."""

    TYPE: ClassVar = MainClientMessage.AGENT_START


@dataclass(frozen=True, slots=True)
class ClientAgentData(_AgentPiece):
    """A piece of the agent's stream, from the client."""

    TYPE: ClassVar = MainClientMessage.AGENT_DATA


@dataclass(frozen=True, slots=True)
class ClientAgentToken(_Tokens):
    """The server may send more agent data."""

    TYPE: ClassVar = MainClientMessage.AGENT_TOKEN


@dataclass(frozen=True, slots=True)
class ClientMigrateEnd(Empty):
    """The client has moved all its channels."""

    TYPE: ClassVar = MainClientMessage.MIGRATE_END


@dataclass(frozen=True, slots=True)
class MigrateDstDoSeamless:
    """Asks the target whether it can take over the source's state."""

    TYPE: ClassVar = MainClientMessage.MIGRATE_DST_DO_SEAMLESS
    src_version: int
    """That of MIGRATE_BEGIN_SEAMLESS."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u32())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(self.src_version)


@dataclass(frozen=True, slots=True)
class MigrateConnectedSeamless(Empty):
    """The client has connected to the other server, and that can take over the state."""

    TYPE: ClassVar = MainClientMessage.MIGRATE_CONNECTED_SEAMLESS


@dataclass(frozen=True, slots=True)
class QualityIndicator(Opaque):
    """Reserved for a measure of quality."""

    TYPE: ClassVar = MainClientMessage.QUALITY_INDICATOR


_SERVER: Final[tuple[type[Message], ...]] = (
    MigrateBegin,
    MigrateCancel,
    Init,
    ChannelsList,
    MouseModeMessage,
    MultiMediaTime,
    AgentConnected,
    AgentDisconnected,
    AgentData,
    AgentToken,
    MigrateSwitchHost,
    MigrateEnd,
    Name,
    Uuid,
    AgentConnectedTokens,
    MigrateBeginSeamless,
    MigrateDstSeamlessAck,
    MigrateDstSeamlessNack,
)
_CLIENT: Final[tuple[type[Message], ...]] = (
    ClientInfo,
    MigrateConnected,
    MigrateConnectError,
    AttachChannels,
    MouseModeRequest,
    AgentStart,
    ClientAgentData,
    ClientAgentToken,
    ClientMigrateEnd,
    MigrateDstDoSeamless,
    MigrateConnectedSeamless,
    QualityIndicator,
)

SERVER_MESSAGES: Final[Mapping[int, type[Message]]] = {message.TYPE: message for message in _SERVER}
CLIENT_MESSAGES: Final[Mapping[int, type[Message]]] = {message.TYPE: message for message in _CLIENT}
