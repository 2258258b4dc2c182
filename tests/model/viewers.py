"""Viewers as they are outside: connections that are read, or not, and what the server should make of each of them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import trio

from spicetrio.api import Server
from spicetrio.channels.inputs import ButtonEvent, InputEvent, KeyEvent, PointerMotion, PointerPosition, WheelEvent
from spicetrio.server.client import Client
from spicetrio.server.tickets import Role, Ticket
from spicetrio.wire import base, cursor, display, main
from spicetrio.wire.enums import (
    ChannelType,
    DisplayCapability,
    ImageCompression,
    MainCapability,
    MouseMode,
)
from spicetrio.wire.link import Capabilities
from tests import peer
from tests.model.pictures import Pointer, Screen
from tests.peer import PeerChannel

SMALL_BUFFER: Final = 4096
"""Bytes that a kernel is asked to keep, so that viewers who do not read are noticed early."""
LOCK_KEYS: Final = {1: 0x46, 2: 0x45, 4: 0x3A}
COMMON: Final = {"mini": peer.MODERN, "full": peer.FULL_HEADER, "none": peer.CAPS_LESS}

Event = tuple[Any, ...]


def event_of(event: InputEvent) -> Event:
    """An input event as the model has it, without the viewer."""
    match event:
        case KeyEvent(code, down, _):
            return ("key", code, down)
        case ButtonEvent(button, down, _):
            return ("button", button, down)
        case PointerPosition(x, y, display_id, _):
            return ("position", x, y, display_id)
        case PointerMotion(dx, dy, _):
            return ("motion", dx, dy)
        case WheelEvent(steps, _):
            return ("wheel", steps)


def releases(events: list[Event]) -> list[Event]:
    """What must follow when a viewer goes away after these."""
    held: dict[tuple[str, int], None] = {}
    for kind, *values in events:
        if kind in ("key", "button"):
            if values[1]:
                held[kind, values[0]] = None
            else:
                held.pop((kind, values[0]), None)
    keys = [("key", code, False) for kind, code in held if kind == "key"]
    return keys + [("button", number, False) for kind, number in sorted(held) if kind == "button"]


class Connection:
    """One connection, with the task that reads it."""

    def __init__(self, channel: PeerChannel, key: tuple[int, int]) -> None:
        self.channel = channel
        self.key = key
        self.screen: Screen | None = None
        self.pointer: Pointer | None = None
        self.initialised = key[0] != ChannelType.DISPLAY
        self.wanted: ImageCompression
        self.reading = trio.Event()
        self.reading.set()
        self.ended = False
        """The server closed it, or it was noticed that it did."""
        self.leaving = False
        """It will be closed, by whomever."""
        self.sent = 0
        self.messages: list[Any] = []
        """What came, on others than those."""
        self._scope = trio.CancelScope()
        self._sending = trio.Lock()

        channel.send = self.send  # type: ignore[method-assign]  # its answers are counted as well

    @property
    def stalled(self) -> bool:
        return not (self.reading.is_set() and self.channel.acknowledge and self.initialised)

    async def send(self, *messages: Any) -> None:
        data = b"".join(buffer for message in messages for buffer in self.channel.framing.send(message))
        await self.send_bytes(data)

    async def send_bytes(self, data: bytes) -> None:
        async with self._sending:
            self.sent += len(data)
            try:
                await self.channel.stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.ended = True

    async def run(self) -> None:
        """Read until the server closes, or the viewer does."""
        with self._scope:
            while True:
                await self.reading.wait()
                try:
                    message = await self.channel.receive()
                except (EOFError, trio.BrokenResourceError, trio.ClosedResourceError):
                    break
                self._take(message)
        self.ended = True
        await trio.aclose_forcefully(self.channel.stream)

    def close(self) -> None:
        """Close now. Whatever the server still sends is refused."""
        self._scope.cancel()

    def reset(self) -> None:
        sock = self.channel.stream.socket  # type: ignore[attr-defined]
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def stall(self, how: str) -> None:
        if how == "read":
            if self.reading.is_set():
                self.reading = trio.Event()
            # What it waits for may still come; from then on it reads no more.
        elif self.key[0] in (ChannelType.DISPLAY, ChannelType.CURSOR):
            self.channel.acknowledge = False

    async def resume(self) -> None:
        self.reading.set()
        if not self.initialised:
            await self.initialise()
        if not self.channel.acknowledge:
            self.channel.acknowledge = True
            if self.channel.ack_window:
                acks, self.channel.unacknowledged = divmod(self.channel.unacknowledged, self.channel.ack_window)
                await self.send(*[base.Ack()] * acks)

    async def initialise(self) -> None:
        self.initialised = True
        await self.send(display.Init(1, 1 << 20, 1, 1 << 20))

    def _take(self, message: Any) -> None:
        if self.screen is not None:
            self.screen.handle(message)
        elif self.pointer is not None:
            self.pointer.handle(message)
        else:
            self.messages.append(message)
        assert not isinstance(message, cursor.Reset)


@dataclass(eq=False)
class Viewer:
    """A viewer that was let in."""

    number: int
    ticket: Ticket
    caps: str
    lz4: bool
    transport: str
    client: Client = field(init=False)
    """What the server calls it, once it is in."""
    connections: dict[tuple[int, int], Connection] = field(default_factory=dict)
    state: str = "here"
    """here: it must be there. doomed: it must go. unsure: either, until it settles."""
    mode: MouseMode = MouseMode.SERVER
    expected: list[Event] = field(default_factory=list)
    """Input events since its inputs connection began."""
    certain: int = 0
    """So many of them have arrived."""
    lights: int | None = None
    """The lock lights of its own keyboard, if its inputs connection told them."""
    moved_itself: bool = False
    """It was in client mouse mode, so the place of the pointer is its own business."""
    farewell: str | None = None
    """What it must be told in the end; None if that does not matter."""

    def __str__(self) -> str:
        return f"viewer {self.number} ({self.caps}, {self.transport}{', lz4' if self.lz4 else ''})"

    @property
    def controls(self) -> bool:
        return self.ticket.role is Role.CONTROL

    @property
    def common(self) -> Capabilities:
        return COMMON[self.caps]

    @property
    def stalled(self) -> bool:
        return any(connection.stalled for connection in self.connections.values())

    def capabilities(self, channel_type: int) -> Capabilities:
        if self.caps == "none":
            return Capabilities()
        if channel_type == ChannelType.MAIN:
            return Capabilities({MainCapability.NAME_AND_UUID})
        if channel_type != ChannelType.DISPLAY:
            return Capabilities()
        known = {DisplayCapability.MONITORS_CONFIG, DisplayCapability.PREF_COMPRESSION}
        return Capabilities(known | {DisplayCapability.LZ4_COMPRESSION} if self.lz4 else known)

    def effective(self, compression: ImageCompression) -> ImageCompression:
        """What a wish comes to: nobody is sent what it did not say it can read."""
        can = self.lz4 and self.caps != "none"
        return ImageCompression.LZ if compression == ImageCompression.LZ4 and not can else compression

    def of(self, channel_type: int) -> Iterator[Connection]:
        for (kind, _), connection in self.connections.items():
            if kind == channel_type:
                yield connection

    def close(self) -> None:
        for connection in self.connections.values():
            connection.close()

    def announced(self) -> set[tuple[int, int]]:
        (connection,) = self.of(ChannelType.MAIN)
        lists = [message for message in connection.messages if isinstance(message, main.ChannelsList)]
        return {tuple(channel) for message in lists for channel in message.channels}  # type: ignore[misc]

    def told_mode(self) -> int:
        """The mouse mode that it was told last."""
        (connection,) = self.of(ChannelType.MAIN)
        for message in reversed(connection.messages):
            match message:
                case main.MouseModeMessage() as told:
                    return told.current
                case main.Init() as told:
                    return told.current_mouse_mode
        raise AssertionError("it was told no mouse mode")

    def expect(self, *events: Event) -> None:
        if self.controls:
            self.expected += events

    def holds(self, kind: str) -> list[int]:
        return [number for what, number, _ in releases(self.expected) if what == kind]

    def explain(self, got: list[Event]) -> str:
        """Why these cannot be all its events now that its connection is gone; empty if they can."""
        for count in range(len(self.expected), self.certain - 1, -1):
            told = self.expected[:count]
            if got == told + releases(told):
                return ""
        return f"got {got}, expected {self.expected} and releases, of which {self.certain} had arrived"


class Dialer:
    """Makes connections to a server, in all ways there are."""

    def __init__(self, server: Server, nursery: trio.Nursery) -> None:
        self._server = server
        self._nursery = nursery

    async def connect(self, transport: str) -> trio.SocketStream:
        if transport == "pair":
            ours, theirs = trio.socket.socketpair()
            for sock in (ours, theirs):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
            self._nursery.start_soon(self._serve, trio.SocketStream(theirs))
            return trio.SocketStream(ours)
        if transport == "unix":
            (name,) = [uri for uri in self._server.addresses if uri.startswith("spice+unix")]
            sock = trio.socket.socket(socket.AF_UNIX)
            where: Any = "\0" + name.removeprefix("spice+unix://@")
        else:
            (name,) = [uri for uri in self._server.addresses if not uri.startswith("spice+unix")]
            sock = trio.socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            where = ("127.0.0.1", int(name.rpartition(":")[2]))
        await sock.connect(where)
        return trio.SocketStream(sock)

    async def _serve(self, stream: trio.SocketStream) -> None:
        await self._server.serve_stream(stream, peer="pair")

    async def link(
        self, viewer: Viewer | None, transport: str, key: tuple[int, int], *, password: str, **how: Any
    ) -> PeerChannel:
        stream = await self.connect(transport)
        try:
            capabilities = None if viewer is None else viewer.capabilities(key[0])
            return await peer.link(
                stream, key[0], channel_id=key[1], password=password, capabilities=capabilities, **how
            )
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
