"""Servers without threads and listeners, so that the clock may jump; and streams whose reader is the test."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any, ClassVar

import trio
from trio.testing import memory_stream_pair

from spicetrio.api import Server
from spicetrio.server.channel import BASE_HANDLERS, Channel, ChannelClient, Handler
from spicetrio.server.client import Client
from spicetrio.server.link import Link
from spicetrio.server.security import TicketKey
from spicetrio.server.settings import Settings
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import ChannelType
from spicetrio.wire.vmc import Data as Note
from tests.peer import PeerChannel


@cache
def ticket_keys() -> tuple[TicketKey, ...]:
    return tuple(TicketKey() for _ in range(3))


class StockedKeys:
    """A `KeyPool` that is full from the start and needs no thread. Its keys come again."""

    def __init__(self) -> None:
        self._keys = cycle(ticket_keys())

    async def take(self) -> TicketKey:
        await trio.lowlevel.checkpoint()
        return next(self._keys)


class EchoClient(ChannelClient["Echo"]):
    @contextmanager
    def connected(self) -> Iterator[None]:
        self.channel.log.append("connected")
        self.writer.post(Note(b"hello"))
        try:
            yield
        finally:
            self.channel.log.append("left")

    def _note(self, message: Note) -> Any:
        data = bytes(message.data)
        if data == b"fault":
            raise RuntimeError("a fault of ours")
        if data == b"wait":
            return self.channel.go_on.wait()
        self.writer.post(message)
        return None

    HANDLERS: ClassVar[Mapping[int, Handler]] = {**BASE_HANDLERS, Note.TYPE: Handler(Note, _note, 100)}


class Echo(Channel[EchoClient]):
    """A channel that answers what it is sent."""

    TYPE = ChannelType.PORT

    def __init__(self, channel_id: int, settings: Settings) -> None:
        super().__init__(channel_id, settings)
        self.log: list[str] = []
        self.go_on = trio.Event()

    def make_client(self, client: Client, link: Link) -> EchoClient:
        return EchoClient(self, client, link)


class LooseEcho(Echo):
    """The same; its failures are its own."""

    TYPE = ChannelType.WEBDAV
    ESSENTIAL = False


@dataclass
class Rig:
    server: Server
    echo: Echo
    loose: LooseEcho
    nursery: trio.Nursery

    async def connect(self, peer_name: str = "memory") -> trio.abc.Stream:
        """Return a client's end of a new connection."""
        ours, theirs = memory_stream_pair()
        self.serve(theirs, peer_name)
        return ours

    def serve(self, stream: trio.abc.Stream, peer_name: str = "memory") -> trio.CancelScope:
        scope = trio.CancelScope()

        async def serve() -> None:
            with scope:
                await self.server.serve_stream(stream, peer=peer_name)

        self.nursery.start_soon(serve)
        return scope


@asynccontextmanager
async def open_rig(**changes: Any) -> AsyncIterator[Rig]:
    """A server with a main channel and two echo channels, whose connections come from `Rig.connect` alone."""
    if not changes.keys() & {"ticket", "tickets"}:
        changes["disable_ticketing"] = True
    settings = Settings(**changes)
    server = Server(settings)
    server._keys = StockedKeys()  # type: ignore[assignment]
    echo, loose = Echo(0, settings), LooseEcho(0, settings)
    async with trio.open_nursery() as nursery:
        async with server.channel_opened(server._main), server.channel_opened(echo), server.channel_opened(loose):
            yield Rig(server, echo, loose, nursery)
        nursery.cancel_scope.cancel()


class Pipe(trio.abc.SendStream):
    """Takes bytes as far as the test says that its peer reads them."""

    def __init__(self, room: float = math.inf) -> None:
        self.room = room
        self.data = bytearray()
        self.sends: list[int] = []
        self.closed = False
        self._lot = trio.lowlevel.ParkingLot()

    def read(self, size: float) -> None:
        self.room += size
        self._lot.unpark_all()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        self.sends.append(len(data))
        while data:
            await self.wait_send_all_might_not_block()
            size = int(min(self.room, len(data)))
            self.data += data[:size]
            self.room -= size
            data = data[size:]

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()
        while self.room <= 0:
            await self._lot.park()
        if self.closed:
            raise trio.ClosedResourceError

    async def aclose(self) -> None:
        self.closed = True
        self.read(1)
        await trio.lowlevel.checkpoint()


class Gate:
    """Stands in the way of what the server sends over a stream in memory, from `close` to `open`."""

    def __init__(self) -> None:
        self._passed = trio.Event()
        self.open()

    def open(self) -> None:
        self._passed.set()

    def close(self) -> None:
        self._passed = trio.Event()

    def pair(self) -> tuple[trio.abc.Stream, trio.abc.Stream]:
        """Return the client's end and the server's end."""
        ours, theirs = memory_stream_pair()
        pump = theirs.send_stream.send_all_hook

        async def wait_and_pump() -> None:
            await self._passed.wait()
            await pump()

        theirs.send_stream.send_all_hook = wait_and_pump
        return ours, theirs


class Duplex(trio.abc.Stream):
    """A stream whose peer reads what `Pipe.read` says, and sends freely by `put`."""

    def __init__(self, room: float = math.inf) -> None:
        self.pipe = Pipe(room)
        self.closed = False
        self._send, self._receive = trio.open_memory_channel[bytes](math.inf)

    def put(self, data: bytes) -> None:
        self._send.send_nowait(data)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.pipe.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.pipe.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self._receive.receive()

    async def aclose(self) -> None:
        self.closed = True
        self._receive.close()
        await self.pipe.aclose()


async def read_to_end(stream: trio.abc.ReceiveStream) -> bytes:
    """All that still comes; a reset is an end as well."""
    data = bytearray()
    try:
        while some := await stream.receive_some(65536):
            data += some
    except trio.BrokenResourceError:
        pass
    return bytes(data)


async def drain(channel: PeerChannel) -> list[Message]:
    """Answer as a viewer does until the server closes; return what it sent."""
    messages = []
    try:
        while True:
            messages.append(await channel.receive())
    except (EOFError, trio.BrokenResourceError):
        return messages


async def receive(channel: PeerChannel, kind: type[Message]) -> Any:
    """The next message of a kind."""
    while not isinstance(message := await channel.receive(), kind):
        pass
    return message


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds, for which there is no event, in real time."""
    while not condition():  # noqa: ASYNC110 - nothing tells
        await trio.sleep(0.001)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
