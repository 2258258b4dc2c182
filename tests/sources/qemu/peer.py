"""QEMU's end of a listener's connection, so that tests can say what this machine's QEMU does not."""

from __future__ import annotations

import array
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, cast

import jeepney
import trio

from spicetrio.sources.qemu.bus import Bus

LISTENER = "org.qemu.Display1.Listener"
MAP = "org.qemu.Display1.Listener.Unix.Map"
PROPERTIES = "org.freedesktop.DBus.Properties"
ANSWER = b"OK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n"
BIG, LITTLE = jeepney.Endianness.big, jeepney.Endianness.little


class Peer:
    """Calls a listener."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = trio.socket.from_stdlib_socket(sock)
        self._parser = jeepney.low_level.Parser()
        self._serials = count(1)
        self._let_in = trio.Event()

    async def authenticate(self) -> bytes:
        """Let the listener in; what it has said."""
        said = b""
        while not said.endswith(b"BEGIN\r\n"):
            said += await self.socket.recv(4096)
        await self.socket.send(ANSWER)
        self._let_in.set()
        return said

    def message(
        self, interface: str, member: str, signature: str = "", *body: Any, order: Any = LITTLE, answered: bool = False
    ) -> bytes:
        """A call as bytes."""
        fields: dict[Any, Any] = {
            jeepney.HeaderFields.path: "/org/qemu/Display1/Listener",
            jeepney.HeaderFields.interface: interface,
            jeepney.HeaderFields.member: member,
        }
        if signature:
            fields[jeepney.HeaderFields.signature] = signature
        if "h" in signature:
            fields[jeepney.HeaderFields.unix_fds] = 1
            signature = signature.replace("h", "u")
            fields[jeepney.HeaderFields.signature] = signature
        flags = 0 if answered else jeepney.MessageFlag.no_reply_expected
        header = jeepney.Header(order, jeepney.MessageType.method_call, flags, 1, 0, 0, fields)
        return cast(bytes, jeepney.Message(header, body).serialise(next(self._serials)))

    async def send(self, data: bytes, *descriptors: int) -> None:
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        sent = await self.socket.sendmsg([data], passed)
        while sent < len(data):
            sent += await self.socket.send(data[sent:])

    async def call(self, interface: str, member: str, signature: str = "", *body: Any, fd: int | None = None) -> Any:
        """Call and wait for the answer."""
        data = self.message(interface, member, signature, *body, answered=True)
        await self.send(data, *([] if fd is None else [fd]))
        with trio.fail_after(5):
            return await self.receive()

    async def receive(self) -> Any:
        """The next message, once somebody is let in."""
        await self._let_in.wait()
        while (message := self._parser.get_next_message()) is None:
            self._parser.add_data(await self.socket.recv(4096))
        return message

    async def answer(self, message: Any, signature: str | None = None, *body: Any) -> None:
        """Return something from a call."""
        await self.send(jeepney.new_method_return(message, signature, body).serialise(next(self._serials)))


class RegisteringBus:
    """A bus on which one thing can be called: to register a listener, which gives a peer."""

    straight = False

    def __init__(self, method: str = "RegisterListener") -> None:
        self._method = method
        self._send, self.peers = trio.open_memory_channel[Peer](10)

    @property
    def bus(self) -> Bus:
        return cast(Bus, self)

    async def call(self, path: str, interface: str, member: str, signature: str, fd: int) -> tuple[()]:
        assert (member, signature) == (self._method, "h")
        await self._send.send(Peer(socket.socket(fileno=socket.dup(fd))))
        return ()


@asynccontextmanager
async def registered(bus: RegisteringBus) -> AsyncIterator[Peer]:
    """The next listener that registers, let in."""
    with trio.fail_after(5):
        peer = await bus.peers.receive()
    with peer.socket:
        await peer.authenticate()
        yield peer
