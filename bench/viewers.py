"""Viewers as cheap as they can be, on blocking sockets: what the benchmarks send against a server.

The link messages are made once; what is left for each connection is one encryption, as every link has its own key.
"""

from __future__ import annotations

import selectors
import socket
import struct
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from spicetrio.wire import base, display, draw
from spicetrio.wire.enums import AuthMechanism, ChannelType, CommonCapability, DisplayCapability, ImageCompression
from spicetrio.wire.framing import Framing
from spicetrio.wire.link import PUBLIC_KEY_SIZE, Capabilities, LinkMessage, with_header

PASSWORD: Final = "bench"
_COMMON: Final = Capabilities(
    {CommonCapability.AUTH_SELECTION, CommonCapability.AUTH_SPICE, CommonCapability.MINI_HEADER}
)
_OAEP: Final = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
_SECRET: Final = PASSWORD.encode() + b"\0"
_MECHANISM: Final = int(AuthMechanism.SPICE).to_bytes(4, "little")
_HEADER: Final = struct.Struct("<HI")
_ID: Final = struct.Struct("<I")
_SET_ACK: Final = struct.Struct("<II")
_PING: Final = struct.Struct("<IQ")
_BOX: Final = struct.Struct("<4x4i")
_LOOKED_AT: Final = 20
"""Bytes of a body that are looked at, at most; the rest of it is skipped as it comes."""
_BUFFER: Final = memoryview(bytearray(1 << 18))


def _sent(message: base.Message) -> bytes:
    return b"".join(bytes(part) for part in Framing(mini=True, limits=None).send(message))


def _link_message(kind: ChannelType) -> bytes:
    own = Capabilities({DisplayCapability.LZ4_COMPRESSION} if kind == ChannelType.DISPLAY else ())
    return with_header(LinkMessage(0, kind, 0, _COMMON, own))


FOUR: Final = (ChannelType.MAIN, ChannelType.DISPLAY, ChannelType.CURSOR, ChannelType.INPUTS)
LINKS: Final = {kind: _link_message(kind) for kind in FOUR}
"""The first bytes of a connection of each kind; the connection id is at 16, the channel id at 21."""
DISPLAY_INIT: Final = _sent(display.Init(1, 1 << 20, 1, 1 << 20))
ACK: Final = _sent(base.Ack())
RESET: Final = struct.pack("ii", 1, 0)


class RefusedError(Exception):
    """The server did not let a connection in."""


def read_exactly(sock: socket.socket, size: int) -> bytes:
    """Return the next bytes of a connection."""
    data = b""
    while len(data) < size:
        some = sock.recv(size - len(data))
        if not some:
            raise RefusedError(f"closed after {len(data)} of {size} bytes")
        data += some
    return data


def connect(port: int) -> socket.socket:
    """Connect and say nothing."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def link_message(kind: ChannelType, connection_id: int = 0, channel_id: int = 0) -> bytes:
    """Return the first bytes of a connection."""
    message = bytearray(LINKS[kind])
    _ID.pack_into(message, 16, connection_id)
    message[21] = channel_id
    return bytes(message)


def link(port: int, kind: ChannelType, connection_id: int = 0, channel_id: int = 0) -> socket.socket:
    """Connect and go through the link stage."""
    sock = connect(port)
    try:
        sock.sendall(link_message(kind, connection_id, channel_id))
        size = _ID.unpack_from(read_exactly(sock, 16), 12)[0]
        reply = read_exactly(sock, size)
        if any(reply[:4]):
            raise RefusedError(f"error {reply[0]} in the reply")
        key = load_der_public_key(reply[4 : 4 + PUBLIC_KEY_SIZE])
        assert isinstance(key, rsa.RSAPublicKey)
        sock.sendall(_MECHANISM + key.encrypt(_SECRET, _OAEP))
        if any(answer := read_exactly(sock, 4)):
            raise RefusedError(f"error {answer[0]} in the result")
    except BaseException:
        sock.close()
        raise
    return sock


@dataclass
class Line:
    """A linked connection, and as much of its protocol as keeps it alive. What it draws is counted, not looked at."""

    sock: socket.socket
    acknowledge: bool = True
    updates: int = 0
    """Pictures and parts of them that came, or begin to."""
    pixels: int = 0
    """Their pixels."""
    copies: int = 0
    """Areas of the display that were copied to another place."""
    received: int = 0
    """Bytes."""
    _head: bytes = b""
    """The beginning of a message, not enough of it yet."""
    _skip: int = 0
    """Bytes of the message at hand that are still to come."""
    _window: int = 0
    _seen: int = 0

    def read(self) -> bool:
        """Take in what is there and answer it; tell whether the connection is still open."""
        try:
            size = self.sock.recv_into(_BUFFER)
            if size:
                self._feed(size)
        except (ConnectionError, TimeoutError):
            return False
        return bool(size)

    @property
    def complete(self) -> bool:
        """Nothing of a message is missing."""
        return not self._skip and not self._head

    def _feed(self, size: int) -> None:
        self.received += size
        if size <= self._skip:
            self._skip -= size
            return
        data: bytes | memoryview = _BUFFER[self._skip : size]
        if self._head:
            data = self._head + data
        at, end = 0, len(data)
        while end - at >= _HEADER.size:
            kind, body = _HEADER.unpack_from(data, at)
            if end - at < _HEADER.size + min(body, _LOOKED_AT):
                break
            self._take(kind, data, at + _HEADER.size)
            at += _HEADER.size + body
        self._head, self._skip = bytes(data[at:]), max(0, at - end)

    def _take(self, kind: int, data: bytes | memoryview, at: int) -> None:
        """Take in a message, of whose body at least the beginning is there."""
        if kind in (draw.DrawCopy.TYPE, draw.DrawFill.TYPE):  # a picture of one color is a fill
            top, left, bottom, right = _BOX.unpack_from(data, at)
            self.updates += 1
            self.pixels += (bottom - top) * (right - left)
        elif kind == draw.CopyBits.TYPE:
            self.copies += 1
        elif kind == base.SetAck.TYPE:
            generation, self._window = _SET_ACK.unpack_from(data, at)
            self._seen = -1
            self.sock.sendall(_sent(base.AckSync(generation)))
        elif kind == base.Ping.TYPE:
            self.sock.sendall(_sent(base.Pong(*_PING.unpack_from(data, at))))
        self._seen += 1
        if self.acknowledge and self._window and self._seen >= self._window:
            self._seen = 0
            self.sock.sendall(ACK)


class Viewer:
    """A viewer with its connections.

    Args:
        port: Where the server is.
        kinds: Its connections after the main one.
        channel_id: Of its display and cursor.
        init: Ask for pictures.
        acknowledge: Answer as the ACK windows want it.
    """

    def __init__(
        self,
        port: int,
        kinds: tuple[ChannelType, ...] = FOUR[1:],
        *,
        channel_id: int = 0,
        init: bool = True,
        acknowledge: bool = True,
    ) -> None:
        self.lines: dict[ChannelType, Line] = {}
        main = self._open(port, ChannelType.MAIN, acknowledge=acknowledge)
        kind, size = _HEADER.unpack(read_exactly(main, 6))
        self.connection_id = _ID.unpack_from(read_exactly(main, size))[0]
        for kind in kinds:
            numbered = channel_id if kind in (ChannelType.DISPLAY, ChannelType.CURSOR) else 0
            sock = self._open(port, kind, self.connection_id, numbered, acknowledge=acknowledge)
            if kind == ChannelType.DISPLAY and init:
                sock.sendall(DISPLAY_INIT)

    def _open(
        self, port: int, kind: ChannelType, connection_id: int = 0, channel_id: int = 0, *, acknowledge: bool
    ) -> socket.socket:
        try:
            sock = link(port, kind, connection_id, channel_id)
        except BaseException:
            self.close()
            raise
        self.lines[kind] = Line(sock, acknowledge)
        return sock

    @property
    def display(self) -> Line:
        """Its display connection."""
        return self.lines[ChannelType.DISPLAY]

    def prefer(self, compression: ImageCompression) -> None:
        """Ask for images that are compressed in a certain way."""
        self.display.sock.sendall(_sent(display.PreferredCompression(compression)))

    def close(self, *, reset: bool = False) -> None:
        """Close all its connections, main first; `reset` throws away what was under way."""
        for line in self.lines.values():
            if reset:
                line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            line.sock.close()
        self.lines.clear()


class Crowd:
    """Viewers that read and answer, in turn."""

    def __init__(self) -> None:
        self.viewers: list[Viewer] = []
        self.selector = selectors.DefaultSelector()
        self.lost = 0
        """Connections that the server closed."""

    def add(self, viewer: Viewer) -> None:
        """Read for one more viewer from now on."""
        self.viewers.append(viewer)
        for line in viewer.lines.values():
            self.selector.register(line.sock, selectors.EVENT_READ, line)

    def read(self, timeout: float | None) -> list[Line]:
        """Read once from all that have something, and return them."""
        lines = [key.data for key, _ in self.selector.select(timeout) if isinstance(key.data, Line)]
        for line in lines:
            if not line.read():
                self.selector.unregister(line.sock)
                self.lost += 1
        return lines
