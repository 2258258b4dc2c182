"""Messages between viewers and the agent, in their full layout (spec 8.2).

A selection and a serial are left out of the clipboard's messages where one end does not know them: `Dialect` turns
such bodies into full ones and back. `wire/agentstream.py` has what is around the messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Self

from spicetrio.wire.base import Empty
from spicetrio.wire.buffer import Message, ReadBuffer, WriteBuffer
from spicetrio.wire.enums import AgentCapability, AgentMessage, MonitorsFlags, Selection
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.link import KEPT_CAPABILITY_WORDS, Capabilities
from spicetrio.wire.values import encode_text, pull_text

if TYPE_CHECKING:
    from typing_extensions import Buffer

_MOUSE_STATE: Final = Struct("<IIIB")
_TWO_U32: Final = Struct("<II")
_MONITOR: Final = Struct("<IIIii")
_SIZE_MM: Final = Struct("<HH")
_FILE_DATA: Final = Struct("<IQ")
_VOLUME: Final = Struct("<BBB")
_DEVICE: Final = Struct("<III")
_SELECTION: Final = Struct("<B3x")


@dataclass(frozen=True, slots=True)
class MouseState:
    """Where the pointer is, and which buttons are down."""

    TYPE: ClassVar = AgentMessage.MOUSE_STATE
    x: int
    """In pixels of the display."""
    y: int
    """In pixels of the display."""
    buttons: int
    """All buttons that are down: bit n for button n (the C headers' button mask)."""
    display_id: int
    """The display."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_MOUSE_STATE))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_MOUSE_STATE, self.x, self.y, self.buttons, self.display_id)


class Monitor(NamedTuple):
    """A monitor that the viewer would like the desktop to have. One without a size is switched off."""

    height: int
    """In pixels."""
    width: int
    """In pixels."""
    depth: int = 32
    """Bits of a pixel."""
    x: int = 0
    """Pixels from the left of the desktop; has a meaning with `MonitorsFlags.USE_POS`."""
    y: int = 0
    """Pixels from its top."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_MONITOR))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_MONITOR, *self)


class PhysicalSize(NamedTuple):
    """The size of a monitor."""

    height: int
    """In millimetres."""
    width: int
    """In millimetres."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_SIZE_MM))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_SIZE_MM, *self)


@dataclass(frozen=True, slots=True)
class MonitorsConfig:
    """The monitors that a viewer would like."""

    TYPE: ClassVar = AgentMessage.MONITORS_CONFIG
    flags: int
    """`MonitorsFlags`."""
    monitors: tuple[Monitor, ...]
    """All of them, in the order of the displays."""
    physical_sizes: tuple[PhysicalSize, ...] = ()
    """As many, with `MonitorsFlags.PHYSICAL_SIZE`; else none."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        number, flags = buffer.unpack(_TWO_U32)
        monitors = buffer.items(number, Monitor.pull, _MONITOR.size)
        sizes = number if flags & MonitorsFlags.PHYSICAL_SIZE else 0
        return cls(flags, monitors, buffer.items(sizes, PhysicalSize.pull, _SIZE_MM.size))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_TWO_U32, len(self.monitors), self.flags)
        for monitor in self.monitors:
            monitor.push(buffer)
        for size in self.physical_sizes:
            size.push(buffer)


@dataclass(frozen=True, slots=True)
class Reply:
    """The agent did what a message asked for, or could not."""

    TYPE: ClassVar = AgentMessage.REPLY
    message: int
    """The number of that message."""
    error: int
    """An `AgentError`."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_TWO_U32))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_TWO_U32, self.message, self.error)


@dataclass(frozen=True, slots=True)
class ClipboardMessage:
    """What was copied."""

    TYPE: ClassVar = AgentMessage.CLIPBOARD
    selection: int
    """A `Selection`."""
    kind: int
    """A `ClipboardType`; NONE answers a request that is not met."""
    data: Buffer
    """Of any length."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        (selection,) = buffer.unpack(_SELECTION)
        return cls(selection, buffer.u32(), bytes(buffer.rest()))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_SELECTION, self.selection)
        buffer.u32(self.kind)
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class DisplayConfig:
    """How plain a viewer would like the desktop."""

    TYPE: ClassVar = AgentMessage.DISPLAY_CONFIG
    flags: int
    """`DisplayConfigFlags`."""
    depth: int
    """Bits of a pixel, with SET_COLOR_DEPTH."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_TWO_U32))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_TWO_U32, self.flags, self.depth)


@dataclass(frozen=True, slots=True)
class AnnounceCapabilities:
    """What the sender can do."""

    TYPE: ClassVar = AgentMessage.ANNOUNCE_CAPABILITIES
    request: int
    """Not 0: the other end is to announce its own."""
    capabilities: Capabilities
    """`AgentCapability` numbers. Of more words than there can be the first ones are kept."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order; the words run to the end."""
        request = buffer.u32()
        count = min(buffer.remaining // 4, KEPT_CAPABILITY_WORDS)
        return cls(request, Capabilities.from_words(buffer.items(count, ReadBuffer.u32, 4)))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(self.request)
        for word in self.capabilities.words():
            buffer.u32(word)


@dataclass(frozen=True, slots=True)
class ClipboardGrab:
    """Something was copied; the other end may ask for it."""

    TYPE: ClassVar = AgentMessage.CLIPBOARD_GRAB
    selection: int
    """A `Selection`."""
    serial: int
    """Counts the grabs of this selection; tells one that was sent before the last one of the other end was seen."""
    types: tuple[int, ...]
    """`ClipboardType` numbers, best first."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order; the types run to the end."""
        (selection,) = buffer.unpack(_SELECTION)
        return cls(selection, buffer.u32(), buffer.items(buffer.remaining // 4, ReadBuffer.u32, 4))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_SELECTION, self.selection)
        for number in (self.serial, *self.types):
            buffer.u32(number)


@dataclass(frozen=True, slots=True)
class ClipboardRequest:
    """Asks for what was copied; answered by a CLIPBOARD."""

    TYPE: ClassVar = AgentMessage.CLIPBOARD_REQUEST
    selection: int
    """A `Selection`."""
    kind: int
    """A `ClipboardType` of the grab."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        (selection,) = buffer.unpack(_SELECTION)
        return cls(selection, buffer.u32())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_SELECTION, self.selection)
        buffer.u32(self.kind)


@dataclass(frozen=True, slots=True)
class ClipboardRelease:
    """What was copied is not to be had any more."""

    TYPE: ClassVar = AgentMessage.CLIPBOARD_RELEASE
    selection: int
    """A `Selection`."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_SELECTION))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_SELECTION, self.selection)


@dataclass(frozen=True, slots=True)
class FileXferStart:
    """A file is to be transferred."""

    TYPE: ClassVar = AgentMessage.FILE_XFER_START
    id: int
    """The viewer's number for it."""
    keyfile: str
    """A text in the form of GLib's key files: the group `vdagent-file-xfer` with `name` and `size`. A NUL ends it."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u32(), pull_text(buffer, buffer.remaining))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(self.id)
        buffer.raw(encode_text(self.keyfile))


@dataclass(frozen=True, slots=True)
class FileXferStatus:
    """How a transfer goes."""

    TYPE: ClassVar = AgentMessage.FILE_XFER_STATUS
    id: int
    """The viewer's number for it."""
    result: int
    """A `FileTransferStatus`."""
    detail: bytes = b""
    """More about some results, for those who announced FILE_XFER_DETAILED_ERRORS (spec AG-5)."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        number, result = buffer.unpack(_TWO_U32)
        return cls(number, result, bytes(buffer.rest()))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_TWO_U32, self.id, self.result)
        buffer.raw(self.detail)


@dataclass(frozen=True, slots=True)
class FileXferData:
    """The next part of a file."""

    TYPE: ClassVar = AgentMessage.FILE_XFER_DATA
    id: int
    """The viewer's number for it."""
    data: Buffer
    """Its bytes."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order; the size is that of the data, which runs to the end."""
        number, size = buffer.unpack(_FILE_DATA)
        if size > buffer.remaining:
            raise RemoteProtocolError(f"got {buffer.remaining} bytes of a file, expected {size}")
        return cls(number, bytes(buffer.raw(size)))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_FILE_DATA, self.id, memoryview(self.data).nbytes)
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class ClientDisconnected(Empty):
    """The last viewer has left."""

    TYPE: ClassVar = AgentMessage.CLIENT_DISCONNECTED


@dataclass(frozen=True, slots=True)
class MaxClipboard:
    """The most that the viewer takes of what was copied."""

    TYPE: ClassVar = AgentMessage.MAX_CLIPBOARD
    max: int
    """In bytes; -1 for any number."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.i32())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.i32(self.max)


@dataclass(frozen=True, slots=True)
class AudioVolumeSync:
    """The volume that a viewer has set, for the desktop to show the same."""

    TYPE: ClassVar = AgentMessage.AUDIO_VOLUME_SYNC
    is_playback: int
    """Of what is played if not 0, else of what is recorded."""
    mute: int
    """Nothing is heard if not 0."""
    volumes: tuple[int, ...]
    """Of each channel, 0 to 65535; at most 255 channels."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        is_playback, mute, count = buffer.unpack(_VOLUME)
        return cls(is_playback, mute, buffer.items(count, ReadBuffer.u16, 2))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_VOLUME, self.is_playback, self.mute, len(self.volumes))
        for volume in self.volumes:
            buffer.u16(volume)


@dataclass(frozen=True, slots=True)
class GraphicsDevice:
    """Which of the guest's devices a display shows."""

    channel_id: int
    """The display channel."""
    monitor_id: int
    """The monitor in the channel."""
    device_display_id: int
    """The output of the device."""
    device_address: str
    """The device's place in the machine, such as `pci/0000/01.0`."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        channel_id, monitor_id, device_display_id = buffer.unpack(_DEVICE)
        return cls(channel_id, monitor_id, device_display_id, pull_text(buffer, buffer.u32()))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        address = encode_text(self.device_address)
        buffer.pack(_DEVICE, self.channel_id, self.monitor_id, self.device_display_id)
        buffer.u32(len(address))
        buffer.raw(address)


@dataclass(frozen=True, slots=True)
class GraphicsDeviceInfo:
    """Which devices the displays show (spec AG-17)."""

    TYPE: ClassVar = AgentMessage.GRAPHICS_DEVICE_INFO
    devices: tuple[GraphicsDevice, ...]
    """One for each display."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.items(buffer.u32(), GraphicsDevice.pull, _DEVICE.size + 4))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(len(self.devices))
        for device in self.devices:
            device.push(buffer)


_ALL: Final[tuple[type[Message], ...]] = (
    MouseState,
    MonitorsConfig,
    Reply,
    ClipboardMessage,
    DisplayConfig,
    AnnounceCapabilities,
    ClipboardGrab,
    ClipboardRequest,
    ClipboardRelease,
    FileXferStart,
    FileXferStatus,
    FileXferData,
    ClientDisconnected,
    MaxClipboard,
    AudioVolumeSync,
    GraphicsDeviceInfo,
)
MESSAGES: Final[Mapping[int, type[Message]]] = {message.TYPE: message for message in _ALL}

_WITH_SELECTION: Final = frozenset(
    {
        AgentMessage.CLIPBOARD,
        AgentMessage.CLIPBOARD_GRAB,
        AgentMessage.CLIPBOARD_REQUEST,
        AgentMessage.CLIPBOARD_RELEASE,
    }
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """Which fields the clipboard's messages have between two ends: those that both know (spec AG-7)."""

    selection: bool = False
    """They name the selection; without, it is `Selection.CLIPBOARD`."""
    serial: bool = False
    """Grabs have a serial."""

    @classmethod
    def of(cls, capabilities: Capabilities) -> Self:
        """Return the one of what both ends can do."""
        return cls(
            AgentCapability.CLIPBOARD_SELECTION in capabilities, AgentCapability.CLIPBOARD_GRAB_SERIAL in capabilities
        )

    def expand(self, kind: int, body: bytes) -> bytes:
        """Return the full layout of a body that came in this one."""
        if kind not in _WITH_SELECTION:
            return body
        if not self.selection:
            body = _SELECTION.pack(Selection.CLIPBOARD) + body
        if kind == AgentMessage.CLIPBOARD_GRAB and not self.serial:
            body = body[:4] + bytes(4) + body[4:]
        return body

    def shorten(self, kind: int, body: bytes) -> bytes:
        """Return this layout of a full body."""
        if kind not in _WITH_SELECTION:
            return body
        if kind == AgentMessage.CLIPBOARD_GRAB and not self.serial:
            body = body[:4] + body[8:]
        return body if self.selection else body[4:]
