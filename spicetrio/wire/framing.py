"""A stream of bytes cut into messages, in both kinds of headers (spec 2).

`Framing` is one end of one connection and does no I/O. What arrives is given to `receive_data` and taken out, message
by message, with `next_message`; what `send` returns is to be written to the stream, all of it and in order.

Which header is used is decided in the link: the mini header of 6 bytes if both ends can, else the full one of 18. Only
the full one has a serial and a place for sub-messages; with the mini header both ends count, and what would have been
a sub-message is sent as a message of its own just before (spec F-2, F-4).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final

from spicetrio.wire.base import MessageList, SetAck, SubMessage
from spicetrio.wire.buffer import Marshalled, Message, ReadBuffer, marshal
from spicetrio.wire.errors import RemoteProtocolError

if TYPE_CHECKING:
    from typing_extensions import Buffer

JOINED_SIZE: Final = 256 * 1024
"""Bytes from which buffers are not joined any further, as joining is copying."""

_FULL_HEADER: Final = Struct("<QHII")
_MINI_HEADER: Final = Struct("<HI")


@dataclass(frozen=True, slots=True)
class Frame:
    """A message as it came: its number and its body, not looked into yet."""

    type: int
    """The message's number."""
    body: Buffer
    """Its body."""
    serial: int
    """Its place in the stream: the first message of a connection is 1. A sub-message has that of its carrier."""


class Bundle:
    """Messages that go together, fit to be sent to any number of peers.

    Args:
        messages: In order.
    """

    __slots__ = ("_mini", "messages", "size")

    def __init__(self, messages: Sequence[Marshalled]) -> None:
        self.messages: Final = messages
        """In order."""
        self.size: Final = sum([message.size for message in messages])
        """Bytes of their bodies."""
        self._mini: list[Buffer] | None = None

    def __len__(self) -> int:
        return len(self.messages)

    def __iter__(self) -> Iterator[Marshalled]:
        return iter(self.messages)

    @property
    def mini(self) -> list[Buffer]:
        """What they are on the wire with mini headers: the same for all peers, so it is made once."""
        if self._mini is None:
            self._mini = list(joined(buffer for message in self.messages for buffer in _mini_framed(message)))
        return self._mini

    def split(self, count: int) -> tuple[Bundle, Bundle]:
        """Return the first messages, and the others."""
        return Bundle(self.messages[:count]), Bundle(self.messages[count:])


class Framing:
    """One end of a connection, as bytes and messages.

    Args:
        mini: Both ends can do mini headers.
        limits: For each message number the peer may send, the largest body in bytes; None to allow anything.
    """

    def __init__(self, *, mini: bool, limits: Mapping[int, int] | None) -> None:
        self._mini = mini
        self._header = _MINI_HEADER if mini else _FULL_HEADER
        self._limits = limits
        self._received = bytearray()
        self._frames: list[Frame] = []
        self._receive_serial = 0
        self._send_serial = 0

    @property
    def send_serial(self) -> int:
        """Serial of the message sent last; 0 before the first."""
        return self._send_serial

    def receive_data(self, data: Buffer) -> None:
        """Take in bytes of the peer, in pieces of any size."""
        self._received += memoryview(data)

    def next_message(self) -> Frame | None:
        """Return the next message; None if more bytes are needed.

        Raises:
            RemoteProtocolError: The peer announces a message that it may not send, or that is too large, or
                sub-messages that are not there. Nothing more can be read after that.
        """
        if not self._frames:
            self._cut_message()
        return self._frames.pop(0) if self._frames else None

    def send(self, message: Message | Marshalled, *, subs: Sequence[Message] = ()) -> list[Buffer]:
        """Return the buffers that are this message on the wire.

        Args:
            message: The message, as it is or marshalled before.
            subs: Messages that the peer is to handle before this one (spec F-3).

        Raises:
            LocalProtocolError: A value does not fit its field; nothing is to be sent.
        """
        marshalled = message if isinstance(message, Marshalled) else marshal(message)
        if not subs:
            return self._frame(marshalled, 0)
        parts = [_sub_message(sub) for sub in subs]
        if self._mini or not marshalled.size:  # a list at offset 0 would be no list
            before = marshal(subs[0] if len(subs) == 1 else MessageList(tuple(parts)))
            return self._frame(before, 0) + self._frame(marshalled, 0)
        return self._frame(_with_sub_list(marshalled, parts), marshalled.size)

    def send_bundle(self, bundle: Bundle) -> list[Buffer]:
        """Return the buffers that are these messages on the wire."""
        if self._mini:
            self._send_serial += len(bundle)
            return bundle.mini
        return [buffer for message in bundle for buffer in self._frame(message, 0)]

    def _frame(self, message: Marshalled, sub_list: int) -> list[Buffer]:
        self._send_serial += 1
        if self._mini:
            return _mini_framed(message)
        return [_FULL_HEADER.pack(self._send_serial, message.type, message.size, sub_list), *message.buffers]

    def _cut_message(self) -> None:
        if len(self._received) < self._header.size:
            return
        fields = self._header.unpack_from(self._received)
        serial, kind, size, sub_list = (0, *fields, 0) if self._mini else fields
        self._check_size(kind, size)
        end = self._header.size + size
        if len(self._received) < end:
            return
        body = bytes(memoryview(self._received)[self._header.size : end])
        del self._received[:end]
        self._receive_serial += 1
        if self._mini:
            serial = self._receive_serial
        if sub_list:
            subs = MessageList.pull(ReadBuffer(body).at(sub_list)).messages
            for sub in subs:
                self._check_size(sub.type, memoryview(sub.body).nbytes)
            self._frames += [Frame(sub.type, sub.body, serial) for sub in subs]
        self._frames.append(Frame(kind, body, serial))

    def _check_size(self, kind: int, size: int) -> None:
        if self._limits is None:
            return
        limit = self._limits.get(kind)
        if limit is None:
            raise RemoteProtocolError(f"got message {kind} of {size} bytes, which this channel does not have")
        if size > limit:
            raise RemoteProtocolError(f"got message {kind} of {size} bytes, expected at most {limit}")


class AckWindow:
    """How far the messages sent may run ahead of the acknowledgements (spec F-9 to F-13).

    The peer acknowledges every `window` messages; sending stops when more than two windows are unacknowledged.
    Acknowledgements of an earlier generation count for nothing.
    """

    def __init__(self) -> None:
        self._generation = 0
        self._synced = 0
        self._window = 0
        self._unacknowledged = 0

    def start(self, window: int) -> SetAck:
        """Begin a new generation; return the message that tells the peer. It is not counted itself."""
        self._generation += 1
        self._window = window
        self._unacknowledged = 0
        return SetAck(self._generation, window)

    @property
    def open(self) -> bool:
        """Another message may be sent."""
        return self.room > 0

    @property
    def room(self) -> int:
        """How many messages may be sent."""
        return sys.maxsize if self._window == 0 else max(0, 2 * self._window - self._unacknowledged + 1)

    def sent(self, count: int = 1) -> None:
        """Count messages that were sent."""
        self._unacknowledged += count

    def synced(self, generation: int) -> None:
        """Take in an ACK_SYNC."""
        self._synced = generation

    def acknowledged(self) -> None:
        """Take in an ACK."""
        if self._synced == self._generation:
            self._unacknowledged = max(0, self._unacknowledged - self._window)


def joined(buffers: Iterable[Buffer]) -> Iterator[Buffer]:
    """Yield buffers in order, those that are small joined."""
    small: list[Buffer] = []
    size = 0
    for buffer in buffers:
        length = memoryview(buffer).nbytes
        if small and (size >= JOINED_SIZE or length >= JOINED_SIZE):
            yield b"".join(small)
            small, size = [], 0
        if length >= JOINED_SIZE:
            yield buffer
        else:
            small.append(buffer)
            size += length
    if small:
        yield small[0] if len(small) == 1 else b"".join(small)


def _mini_framed(message: Marshalled) -> list[Buffer]:
    return [_MINI_HEADER.pack(message.type, message.size), *message.buffers]


def _sub_message(message: Message) -> SubMessage:
    marshalled = marshal(message)
    return SubMessage(marshalled.type, b"".join(marshalled.buffers))


def _with_sub_list(message: Marshalled, subs: Sequence[SubMessage]) -> Marshalled:
    """Append a sub-message list to a body; its offsets count from the start of that body."""
    offset = message.size + 2 + 4 * len(subs)
    offsets = bytearray(len(subs).to_bytes(2, "little"))
    bodies = bytearray()
    for sub in subs:
        offsets += (offset + len(bodies)).to_bytes(4, "little")
        bodies += _MINI_HEADER.pack(sub.type, memoryview(sub.body).nbytes)
        bodies += memoryview(sub.body)
    tail = bytes(offsets + bodies)
    return Marshalled(message.type, (*message.buffers, tail), message.size + len(tail))
