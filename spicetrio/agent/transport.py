"""One viewer's share of the agent's stream: its pieces in both directions, and the tokens that allow them.

A viewer may send as many pieces as it has tokens, and gets a token back for each piece that was made use of
(spec AG-8). So what waits here of a viewer is at most a window, and a viewer whose messages take long to be handled
waits, alone. In the other direction the viewer gives tokens. What is to be sent waits as whole messages; they are cut
when there is a token and the connection has nothing else to send, so however large they are, they take no more of the
connection's queue than a batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

import trio
from trio_util import AsyncBool

from spicetrio.server.writer import Writer
from spicetrio.wire import main
from spicetrio.wire.agentstream import pieces
from spicetrio.wire.buffer import Marshalled, marshal
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.framing import Bundle

if TYPE_CHECKING:
    from typing_extensions import Buffer

WINDOW: Final = 64
"""Pieces that a viewer may send ahead. libspice-server has 10, which makes 20 KiB a round trip."""
TOKEN_BUNCH: Final = 16
"""Tokens that are given back at a time."""
BATCH: Final = 32
"""Pieces that are sent at a time: 64 KiB."""
WAITING_LIMIT: Final = 64 * 1024
"""Bytes that may wait for the viewer before it is heard no further, and nothing is added but what must be."""
SMALL: Final = 64
"""Bytes that a message counts whose size is not known yet."""
MAX_TOKENS: Final = 0xFFFFFFFF


@dataclass(slots=True)
class _Waiting:
    """A message that is to be sent."""

    make: Callable[[], bytes]
    """Returns it, when its turn has come."""
    topic: object
    """What it is about, or None."""
    cost: int
    """Bytes that it counts."""
    rest: memoryview | None = None
    """What of it was not sent yet, once it was begun."""


class AgentTransport:
    """The pieces and tokens of one viewer.

    Args:
        writer: Of the viewer's main connection.
        connected: There is an agent, and the viewer is told so in another way.
        renews: The viewer understands AGENT_CONNECTED_TOKENS, by which its tokens are counted anew.
    """

    def __init__(self, writer: Writer, *, connected: bool, renews: bool) -> None:
        self.started: Final = AsyncBool(False)
        """There is an agent, and the viewer wants to talk to it."""
        self._writer = writer
        self._connected = connected
        self._renews = renews
        self._tokens = WINDOW
        self._used = 0
        self._pieces: deque[Buffer] = deque()
        self._handed = 0
        self._arrived = trio.Event()
        self._send_tokens = 0
        self._credit = False
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._room = trio.lowlevel.ParkingLot()

    def tell_connected(self) -> None:
        """Tell the viewer that there is an agent now."""
        self._connected = True
        if self._renews:
            self._tokens, self._used = WINDOW, 0
            self._writer.post(main.AgentConnectedTokens(WINDOW))
        else:
            self._writer.post(main.AgentConnected())

    def tell_disconnected(self) -> None:
        """Tell the viewer that the agent is gone (spec AG-10)."""
        self._writer.post(main.AgentDisconnected(0))
        self._use(self._handed + len(self._pieces))
        self.drop()

    def drop(self) -> None:
        """Drop what is on the way in either direction, and take no more."""
        self._connected = False
        self.started.value = False
        self._handed = 0
        self._pieces.clear()
        self._waiting.clear()
        self._waiting_bytes = 0
        self._room.unpark_all()

    # What the viewer sends.

    def start(self, tokens: int) -> None:
        """Take in an AGENT_START: the viewer listens, and has nothing half sent."""
        if self._connected and not self.started.value:
            self._send_tokens = tokens
            self.started.value = True
            self._send()

    def grant(self, tokens: int) -> None:
        """Take in an AGENT_TOKEN.

        Raises:
            RemoteProtocolError: There cannot be so many.
        """
        if not self.started.value:
            return
        if self._send_tokens + tokens > MAX_TOKENS:
            raise RemoteProtocolError(f"got {tokens} agent tokens besides {self._send_tokens}, more than there can be")
        self._send_tokens += tokens
        self._send()

    def receive_piece(self, piece: Buffer) -> None:
        """Take in an AGENT_DATA. What comes while there is no agent is for one that has gone.

        Raises:
            RemoteProtocolError: The viewer had no token for it.
        """
        if not self.started.value and self._renews:
            return
        if not self._tokens:
            raise RemoteProtocolError(f"got agent data without a token for it, expected at most {WINDOW} pieces ahead")
        self._tokens -= 1
        if not self.started.value:
            self._use(1)
            return
        self._pieces.append(piece)
        self._arrived.set()

    async def receive(self) -> Buffer:
        """Return the next piece. The viewer gets a token for it when the one after it is asked for.

        Cancellation: nothing is lost.
        """
        await trio.lowlevel.checkpoint()
        self._use(self._handed)
        self._handed = 0
        while not self._pieces:
            self._arrived = trio.Event()
            await self._arrived.wait()
        self._handed = 1
        return self._pieces.popleft()

    def _use(self, count: int) -> None:
        """Take in that pieces were made use of: the viewer may send as many more."""
        self._used += count
        if self._used >= TOKEN_BUNCH:
            self._writer.post(main.AgentToken(self._used))
            self._tokens += self._used
            self._used = 0

    # What is sent to the viewer.

    @property
    def has_room(self) -> bool:
        """Not much waits for the viewer."""
        return self._waiting_bytes <= WAITING_LIMIT

    async def room(self) -> None:
        """Return once not much waits for the viewer.

        Cancellation: nothing happens.
        """
        await trio.lowlevel.checkpoint()
        while not self.has_room:
            await self._room.park()

    def post(self, data: bytes) -> None:
        """Leave a message to be sent in order; however large, it is cut into pieces."""
        self._append(_Waiting(lambda: data, None, len(data)))

    def post_latest(self, topic: object, make: Callable[[], bytes]) -> None:
        """Leave a message that tells how things stand when it is sent. One about the same topic is enough.

        Args:
            topic: What it is about.
            make: Returns the message, or nothing if there is nothing to tell by then.
        """
        if not any(waiting.topic == topic and waiting.rest is None for waiting in self._waiting):
            self._append(_Waiting(make, topic, SMALL))

    def _append(self, waiting: _Waiting) -> None:
        if not self.started.value:
            return
        self._waiting.append(waiting)
        self._waiting_bytes += waiting.cost
        self._send()

    def on_idle(self) -> None:
        """Take the credit for one batch (see `spicetrio.server.writer`)."""
        self._credit = True
        self._send()

    def _send(self) -> None:
        """Send a batch, as far as there are tokens."""
        if not (self._credit and self._send_tokens and self._waiting):
            return
        batch: list[Marshalled] = []
        while self._waiting and len(batch) < min(BATCH, self._send_tokens):
            first = self._waiting[0]
            if first.rest is None:
                first.rest = memoryview(first.make())
            for piece in islice(pieces(first.rest), min(BATCH, self._send_tokens) - len(batch)):
                batch.append(marshal(main.AgentData(piece)))
                first.rest = first.rest[len(piece) :]
            if not first.rest:
                self._waiting.popleft()
                self._waiting_bytes -= first.cost
        if batch:
            self._send_tokens -= len(batch)
            self._credit = False
            self._writer.post_batch(Bundle(batch))
        if self.has_room:
            self._room.unpark_all()
