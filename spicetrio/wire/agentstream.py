"""What is around the agent's messages: their header, the pieces they travel in, and the chunks of the agent's device.

Everything is a stream of messages (spec AG-2). Between a viewer and the server it travels in pieces, one AGENT_DATA
each; between the server and the agent's device in chunks that name their port (spec AG-1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final

from spicetrio.wire.agent import Dialect
from spicetrio.wire.buffer import Message, marshal
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.main import AGENT_DATA_SIZE

if TYPE_CHECKING:
    from typing_extensions import Buffer

PROTOCOL: Final = 1
_HEADER: Final = Struct("<IIQI")
HEADER_SIZE: Final = _HEADER.size
_CHUNK: Final = Struct("<II")


@dataclass(frozen=True, slots=True)
class AgentFrame:
    """A message as it came."""

    type: int
    """An `AgentMessage`, or another number."""
    size: int
    """Bytes of its body."""
    body: bytes | None
    """None if it was passed over."""


Judge = Callable[[int, int], bool]
"""Tells of a type and a size whether the body is to be kept, before it has come; raises if there may be no such
message."""


class MessageReader:
    """Puts the pieces of one sender's stream together into messages.

    Args:
        judge: Tells whether a body is to be kept.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._header = bytearray()
        self._type = 0
        self._size = 0
        self._body: bytearray | None = None
        self._missing = 0
        self._frames: list[AgentFrame] = []

    @property
    def under_way(self) -> int | None:
        """The type of the message of which a part has come; None between messages and in a header."""
        return self._type if self._missing else None

    def receive_piece(self, data: Buffer) -> None:
        """Take in an AGENT_DATA. It holds bytes of one message, the first one the whole header (spec AG-2).

        Raises:
            RemoteProtocolError: It does not, or the judge refuses the message.
        """
        size = memoryview(data).nbytes
        if not self._missing and size < HEADER_SIZE:
            raise RemoteProtocolError(
                f"got {size} bytes to begin a message for the agent with, expected {HEADER_SIZE} or more"
            )
        expected = self._missing
        rest = self._take(memoryview(data))
        if rest:
            raise RemoteProtocolError(
                f"got {len(rest)} bytes behind a message for the agent, of which {expected} were missing"
            )

    def receive_data(self, data: Buffer) -> None:
        """Take in bytes, however they are cut.

        Raises:
            RemoteProtocolError: The judge refuses a message, or it is of another protocol.
        """
        rest = memoryview(data)
        while rest:
            rest = self._take(rest)

    def next_message(self) -> AgentFrame | None:
        """Return the next message; None if more bytes are needed."""
        return self._frames.pop(0) if self._frames else None

    def _take(self, data: memoryview) -> memoryview:
        """Take in bytes of the message under way; return those behind it."""
        if not self._missing:
            need = HEADER_SIZE - len(self._header)
            self._header += data[:need]
            data = data[need:]
            if len(self._header) < HEADER_SIZE:
                return data
            self._begin()
        part = data[: self._missing]
        if self._body is not None:
            self._body += part
        self._missing -= len(part)
        if not self._missing:
            self._frames.append(AgentFrame(self._type, self._size, None if self._body is None else bytes(self._body)))
            self._body = None
        return data[len(part) :]

    def _begin(self) -> None:
        protocol, self._type, _, self._size = _HEADER.unpack(self._header)
        self._header.clear()
        if protocol != PROTOCOL:
            raise RemoteProtocolError(f"got protocol {protocol} of the agent, expected {PROTOCOL}")
        self._body = bytearray() if self._judge(self._type, self._size) else None
        self._missing = self._size


def frame(message: Message, dialect: Dialect) -> bytes:
    """Return a message as its bytes in the stream."""
    marshalled = marshal(message)
    body = dialect.shorten(marshalled.type, b"".join(marshalled.buffers))
    return _HEADER.pack(PROTOCOL, marshalled.type, 0, len(body)) + body


def pieces(data: Buffer) -> Iterator[memoryview]:
    """Yield bytes cut to what one AGENT_DATA, or one chunk, holds."""
    view = memoryview(data)
    for start in range(0, len(view), AGENT_DATA_SIZE):
        yield view[start : start + AGENT_DATA_SIZE]


def chunk(port: int, piece: Buffer) -> bytes:
    """Return a chunk for the agent's device.

    Args:
        port: An `AgentPort`: whose message the piece is of.
        piece: Bytes of it.
    """
    return _CHUNK.pack(port, memoryview(piece).nbytes) + bytes(piece)


class ChunkReader:
    """Takes the chunks of the agent's device apart; keeps nothing of them but a header."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._port = 0
        self._missing = 0

    def receive_data(self, data: Buffer) -> Iterator[tuple[int, memoryview]]:
        """Yield what bytes of the device hold: a port, and bytes of its stream."""
        rest = memoryview(data)
        while rest:
            if not self._missing:
                need = _CHUNK.size - len(self._header)
                self._header += rest[:need]
                rest = rest[need:]
                if len(self._header) < _CHUNK.size:
                    return
                self._port, self._missing = _CHUNK.unpack(self._header)
                self._header.clear()
            part = rest[: self._missing]
            rest = rest[len(part) :]
            self._missing -= len(part)
            if part:
                yield self._port, part
