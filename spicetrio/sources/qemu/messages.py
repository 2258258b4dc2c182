"""The connection on which QEMU tells a listener what a console shows.

Here megabytes come in a message, and QEMU waits in its main loop for some answers. So heads are jeepney's to read, but
bodies are received in the buffer that is drawn from, without being taken apart: all that QEMU says has a fixed layout.
Measured with frames of 8.3 MB, this takes 1.7 ms for each, and jeepney alone 15 ms.
"""

from __future__ import annotations

import array
import os
import socket
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, NamedTuple

import jeepney
import trio

from spicetrio.sources.errors import SourceError
from spicetrio.sources.qemu import authentication

READ_BYTES: Final = 64 * 1024
"""What is received at once where messages are small."""
MOST_HEAD_BYTES: Final = READ_BYTES // 2
MOST_BODY_BYTES: Final = 128 * 1024 * 1024
"""D-Bus allows no larger message."""
MOST_DESCRIPTORS: Final = 16
"""That come with one read, or wait for the message that they belong to."""
MOST_KNOWN: Final = 64
"""Heads that are remembered."""
MALFORMED: Final = (ValueError, LookupError, TypeError, AssertionError, RuntimeError, struct.error)
"""What jeepney raises where a message makes no sense; it has no error of its own for that."""

_FIXED: Final = 16
"""Bytes at the start of a message, which tell the length of the rest."""


@dataclass(frozen=True, slots=True)
class Call:
    """A method that QEMU calls."""

    serial: int
    answered: bool
    """QEMU wants an answer."""
    interface: str
    member: str
    order: str
    """Of the bytes in numbers, as `struct` writes it."""
    body: memoryview
    """The arguments as they came; nobody else has these bytes."""
    descriptors: Sequence[int]
    """Passed along; closed when the next call is received."""

    def numbers(self, layout: str) -> tuple[int, ...]:
        """Read the arguments, or the first of them, which are all numbers.

        Args:
            layout: As `struct` writes it, without the order.

        Raises:
            SourceError: They are not all there.
        """
        form = self.order + layout
        if len(self.body) < struct.calcsize(form):
            raise SourceError(f"QEMU called {self.member} with {len(self.body)} bytes of arguments, expected {layout}")
        return struct.unpack_from(form, self.body)

    def data(self, layout: str) -> memoryview:
        """Return the array of bytes that follows those numbers.

        Raises:
            SourceError: It is not all there.
        """
        *_, length = self.numbers(layout + "I")
        start = struct.calcsize(self.order + layout + "I")
        if len(self.body) != start + length:
            raise SourceError(f"QEMU called {self.member} with {len(self.body)} bytes, expected {start + length}")
        return self.body[start:]


class _Head(NamedTuple):
    """What the head of a message says that matters here."""

    interface: str
    """What the method belongs to."""
    member: str
    """The method."""
    descriptors: int
    """How many come with the message."""


class ListenerConnection:
    """Our end of a socket pair whose other end was given to QEMU."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket: Final = trio.socket.from_stdlib_socket(sock)
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._start = self._end = 0
        self._descriptors: deque[int] = deque()
        self._passed: list[int] = []
        self._serials = count(1)
        self._known: dict[tuple[int, bytes], _Head] = {}
        self.leaving = False
        """Nothing more is said; QEMU is about to hang up."""

    async def greet(self) -> None:
        """Say what QEMU will want to hear first."""
        await self._socket.send(authentication.greeting(os.geteuid()))

    async def read_answer(self) -> None:
        """Read QEMU's answer to that.

        Raises:
            SourceError: QEMU refuses this user.
        """
        while (size := authentication.answer_size(bytes(self._buffer[: self._end]))) is None:
            received = await self._receive_into(self._buffer[self._end :])
            if not received:
                return  # QEMU hung up, which shows when it is read next
            self._end += received
        self._start = size

    def leave(self) -> None:
        """Hang up, so that QEMU lets go of this listener. It has done so when `receive` returns None."""
        if not self.leaving:
            self.leaving = True
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close what this end has."""
        self._socket.close()
        self._passed += self._descriptors
        self._descriptors.clear()
        self._close_passed()

    async def receive(self) -> Call | None:
        """Return the next call; None when QEMU hung up.

        Raises:
            SourceError: What came is not D-Bus.
        """
        while True:
            self._close_passed()
            if not await self._fill(_FIXED):
                return None
            order = {ord("l"): "<", ord("B"): ">"}.get(self._buffer[self._start])
            if order is None:
                raise SourceError("QEMU sent something that is not a message of D-Bus")
            body_size, serial, fields_size = struct.unpack_from(order + "III", self._buffer, self._start + 4)
            head_size = (_FIXED + fields_size + 7) & ~7
            if head_size > MOST_HEAD_BYTES or body_size > MOST_BODY_BYTES:
                raise SourceError(f"QEMU sent a message of {head_size} + {body_size} bytes, which is too large")
            if not await self._fill(head_size):
                return None
            kind, flags = self._buffer[self._start + 1], self._buffer[self._start + 2]
            head = self._head(bytes(self._buffer[self._start : self._start + head_size]))
            self._start += head_size
            body = await self._body(body_size)
            if body is None:
                return None
            self._passed = [self._descriptors.popleft() for _ in range(min(head.descriptors, len(self._descriptors)))]
            if kind == jeepney.MessageType.method_call.value:
                answered = not flags & jeepney.MessageFlag.no_reply_expected
                return Call(serial, answered, head.interface, head.member, order, body, self._passed)

    async def reply(self, call: Call, signature: str = "", *values: Any) -> None:
        """Answer a call with what it returns."""
        fields = {jeepney.HeaderFields.signature: signature} if signature else {}
        await self._answer(call, jeepney.MessageType.method_return, fields, values)

    async def refuse(self, call: Call) -> None:
        """Answer a call that means nothing here."""
        fields = {jeepney.HeaderFields.error_name: "org.freedesktop.DBus.Error.UnknownMethod"}
        await self._answer(call, jeepney.MessageType.error, fields, ())

    async def _answer(
        self, call: Call, kind: jeepney.MessageType, fields: dict[jeepney.HeaderFields, Any], values: tuple[Any, ...]
    ) -> None:
        if not call.answered or self.leaving:
            return
        fields = {**fields, jeepney.HeaderFields.reply_serial: call.serial}
        header = jeepney.Header(jeepney.Endianness.little, kind, jeepney.MessageFlag.no_reply_expected, 1, 0, 0, fields)
        data = jeepney.Message(header, values).serialise(next(self._serials))
        try:
            while data:
                data = data[await self._socket.send(data) :]
        except OSError:
            return  # QEMU hung up, which shows when it is read next

    def _head(self, head: bytes) -> _Head:
        """Return what a head says. There are few kinds of them, and taking them apart costs more than all else."""
        key = (head[0], head[12:])
        if key not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            try:
                fields = jeepney.Header.from_buffer(head)[0].fields
                self._known[key] = _Head(
                    str(fields.get(jeepney.HeaderFields.interface, "")),
                    str(fields.get(jeepney.HeaderFields.member, "")),
                    int(fields.get(jeepney.HeaderFields.unix_fds, 0)),
                )
            except MALFORMED as error:
                raise SourceError("QEMU sent a message whose head makes no sense") from error
        return self._known[key]

    def _close_passed(self) -> None:
        while self._passed:
            os.close(self._passed.pop())

    async def _fill(self, size: int) -> bool:
        """Have so many bytes in the buffer; False if QEMU hung up before."""
        while self._end - self._start < size:
            if READ_BYTES - self._start < MOST_HEAD_BYTES:
                waiting = bytes(self._buffer[self._start : self._end])
                self._buffer[: len(waiting)] = waiting
                self._start, self._end = 0, len(waiting)
            received = await self._receive_into(self._buffer[self._end :])
            if not received:
                return False
            self._end += received
        return True

    async def _body(self, size: int) -> memoryview | None:
        """Return the next bytes, in a buffer of their own; None if QEMU hung up before."""
        body = memoryview(bytearray(size))
        got = min(size, self._end - self._start)
        body[:got] = self._buffer[self._start : self._start + got]
        self._start += got
        while got < size:
            received = await self._receive_into(body[got:])
            if not received:
                return None
            got += received
        return body

    async def _receive_into(self, buffer: memoryview) -> int:
        space = socket.CMSG_SPACE(MOST_DESCRIPTORS * array.array("i").itemsize)
        try:
            size, ancillary, _, _ = await self._socket.recvmsg_into([buffer], space, socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            return 0
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                passed = array.array("i")
                passed.frombytes(data[: len(data) - len(data) % passed.itemsize])
                self._descriptors.extend(passed)
        if len(self._descriptors) > MOST_DESCRIPTORS:
            raise SourceError("QEMU passed descriptors that belong to no message")
        return size
