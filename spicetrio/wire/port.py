"""Messages that ports have besides those of `spicetrio.wire.vmc` (spec 3.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final, Self

from spicetrio.wire.buffer import Message, ReadBuffer, WriteBuffer
from spicetrio.wire.enums import PortClientMessage, PortMessage
from spicetrio.wire.values import encode_text, pull_text


@dataclass(frozen=True, slots=True)
class _Event:
    """Base of the messages about something that happened."""

    event: int
    """A `PortEvent`; other values are kept as they are."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order."""
        return cls(buffer.u8())

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.u8(self.event)


@dataclass(frozen=True, slots=True)
class Init:
    """The first message: which port this is."""

    TYPE: ClassVar = PortMessage.INIT
    name: str
    """Like a domain name, the other way round: `org.spice-space.webdav.0`."""
    opened: bool
    """Somebody is at the device's end."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order, the name as its size and a pointer to it."""
        name = buffer.target(partial(pull_text, size=buffer.u32()))
        return cls(name, buffer.u8() != 0)

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order, the name as its size and a pointer to it."""
        name = encode_text(self.name)
        buffer.u32(len(name))
        buffer.pointer(lambda target: target.raw(name))
        buffer.u8(self.opened)


@dataclass(frozen=True, slots=True)
class Event(_Event):
    """Something happened at the device's end."""

    TYPE: ClassVar = PortMessage.EVENT


@dataclass(frozen=True, slots=True)
class ClientEvent(_Event):
    """Something happened at the client's end."""

    TYPE: ClassVar = PortClientMessage.EVENT


SERVER_MESSAGES: Final[Mapping[int, type[Message]]] = {message.TYPE: message for message in (Init, Event)}
CLIENT_MESSAGES: Final[Mapping[int, type[Message]]] = {ClientEvent.TYPE: ClientEvent}
