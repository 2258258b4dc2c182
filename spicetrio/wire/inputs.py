"""Messages of the inputs channel (spec 3.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Final, Self

from spicetrio.wire.base import Empty, Opaque
from spicetrio.wire.buffer import Message, ReadBuffer, WriteBuffer
from spicetrio.wire.enums import InputsClientMessage, InputsMessage

_MOTION: Final = Struct("<iiH")
_POSITION: Final = Struct("<IIHB")
_BUTTON: Final = Struct("<BH")


@dataclass(frozen=True, slots=True)
class _Modifiers:
    """Base of the messages that tell which lock keys are on."""

    modifiers: int
    """`Locks` bits."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u16())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u16(self.modifiers)


@dataclass(frozen=True, slots=True)
class _Key:
    """Base of the messages about a key."""

    code: int
    """Up to four bytes of PC-AT scan code set 1, the first in the lowest bits; a zero byte ends them."""

    @property
    def scan_codes(self) -> bytes:
        """The bytes in the order in which a keyboard sends them (spec I-2)."""
        return self.code.to_bytes(4, "little").split(b"\0", 1)[0]

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u32())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u32(self.code)


@dataclass(frozen=True, slots=True)
class _Button:
    """Base of the messages about a button."""

    button: int
    """1 left, 2 middle, 3 right, 4 wheel up, 5 wheel down, 6 side, 7 extra."""
    buttons: int
    """All buttons that are down: bit n - 1 for button n."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_BUTTON))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_BUTTON, self.button, self.buttons)


@dataclass(frozen=True, slots=True)
class Init(_Modifiers):
    """The first message: the lock keys that are on."""

    TYPE: ClassVar = InputsMessage.INIT


@dataclass(frozen=True, slots=True)
class KeyModifiers(_Modifiers):
    """The lock keys that are on have changed."""

    TYPE: ClassVar = InputsMessage.KEY_MODIFIERS


@dataclass(frozen=True, slots=True)
class MouseMotionAck(Empty):
    """Four more motions or positions were received."""

    TYPE: ClassVar = InputsMessage.MOUSE_MOTION_ACK


@dataclass(frozen=True, slots=True)
class KeyDown(_Key):
    """A key was pressed."""

    TYPE: ClassVar = InputsClientMessage.KEY_DOWN


@dataclass(frozen=True, slots=True)
class KeyUp(_Key):
    """A key was released; its code says so too, by bit 7."""

    TYPE: ClassVar = InputsClientMessage.KEY_UP


@dataclass(frozen=True, slots=True)
class ClientKeyModifiers(_Modifiers):
    """The lock keys that the client has on."""

    TYPE: ClassVar = InputsClientMessage.KEY_MODIFIERS


@dataclass(frozen=True, slots=True)
class KeyScancode(Opaque):
    """Bytes of PC-AT scan code set 1, in any number."""

    TYPE: ClassVar = InputsClientMessage.KEY_SCANCODE


@dataclass(frozen=True, slots=True)
class MouseMotion:
    """The mouse was moved, in server mouse mode."""

    TYPE: ClassVar = InputsClientMessage.MOUSE_MOTION
    dx: int
    """To the right."""
    dy: int
    """Down."""
    buttons: int
    """All buttons that are down: bit n - 1 for button n."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_MOTION))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_MOTION, self.dx, self.dy, self.buttons)


@dataclass(frozen=True, slots=True)
class MousePosition:
    """The pointer was moved, in client mouse mode."""

    TYPE: ClassVar = InputsClientMessage.MOUSE_POSITION
    x: int
    """In pixels of the display."""
    y: int
    """In pixels of the display."""
    buttons: int
    """All buttons that are down: bit n - 1 for button n."""
    display_id: int
    """The display."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(*buffer.unpack(_POSITION))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.pack(_POSITION, self.x, self.y, self.buttons, self.display_id)


@dataclass(frozen=True, slots=True)
class MousePress(_Button):
    """A button was pressed."""

    TYPE: ClassVar = InputsClientMessage.MOUSE_PRESS


@dataclass(frozen=True, slots=True)
class MouseRelease(_Button):
    """A button was released."""

    TYPE: ClassVar = InputsClientMessage.MOUSE_RELEASE


_SERVER: Final[tuple[type[Message], ...]] = (Init, KeyModifiers, MouseMotionAck)
_CLIENT: Final[tuple[type[Message], ...]] = (
    KeyDown,
    KeyUp,
    ClientKeyModifiers,
    KeyScancode,
    MouseMotion,
    MousePosition,
    MousePress,
    MouseRelease,
)

SERVER_MESSAGES: Final[Mapping[int, type[Message]]] = {message.TYPE: message for message in _SERVER}
CLIENT_MESSAGES: Final[Mapping[int, type[Message]]] = {message.TYPE: message for message in _CLIENT}
