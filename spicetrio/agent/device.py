"""The stream to the agent in a guest: whole messages of many, in chunks, and what comes back.

libspice-server passes on the pieces of its viewers as they come, so the messages of two of them mix and the guest
understands neither (spec AG-12). Here a message is passed on when it is complete, and then to its end; whoever has
messages gets one turn after the other. A viewer that stops in the middle of a message holds up nobody.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NoReturn

import trio

from spicetrio.wire import agent
from spicetrio.wire.agent import Dialect
from spicetrio.wire.agentstream import ChunkReader, chunk, frame, pieces
from spicetrio.wire.enums import AgentPort

WAITING_LIMIT: Final = 64 * 1024
"""Bytes of one sender that may wait before it is to send no more."""
MAX_STATES: Final = 64
"""Mouse states that may wait; then the oldest are dropped. Each is the whole truth of its moment."""
_RECEIVE_SIZE: Final = 64 * 1024


class Device:
    """What waits for the guest's agent.

    Args:
        stream: Whose other end is the agent's port.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._chunks = ChunkReader()
        self._messages: dict[object, deque[tuple[AgentPort, bytes]]] = {}
        self._waiting: dict[object, int] = {}
        self._states: deque[agent.MouseState] = deque(maxlen=MAX_STATES)
        self._filled = trio.Event()
        self._room = trio.lowlevel.ParkingLot()

    async def room(self, sender: object) -> None:
        """Return once not much of a sender waits.

        Cancellation: nothing happens.
        """
        await trio.lowlevel.checkpoint()
        while self._waiting.get(sender, 0) > WAITING_LIMIT:
            await self._room.park()

    def post(self, sender: object, message: bytes, port: AgentPort = AgentPort.CLIENT) -> None:
        """Leave a message; those of one sender are sent in order.

        Args:
            sender: Whose message it is; senders have one turn after the other.
            message: All of it.
            port: Whether it is of a viewer's kind or of the server's own. It may make the guest forget what it has of
                the other kind (spec AG-11), so it never comes in the middle of another message.
        """
        self._messages.setdefault(sender, deque()).append((port, message))
        self._waiting[sender] = self._waiting.get(sender, 0) + len(message)
        self._filled.set()

    def drop(self, sender: object) -> None:
        """Take in that a sender is gone: what was not begun of its messages is not sent (spec CD-6)."""
        if sender not in self._messages:
            return
        self._waiting[sender] -= sum(len(message) for _, message in self._messages[sender])
        self._messages[sender].clear()
        if not self._waiting[sender]:  # else one is being sent
            del self._messages[sender], self._waiting[sender]
        self._room.unpark_all()

    def point(self, state: agent.MouseState) -> None:
        """Leave a mouse state. It goes between the chunks of others, and replaces one with the same buttons."""
        if self._states and self._states[-1].buttons == state.buttons:
            self._states.pop()
        self._states.append(state)
        self._filled.set()

    async def send(self) -> NoReturn:
        """Send what waits.

        Cancellation: the stream is in the middle of something, and of no more use.

        Raises:
            BrokenResourceError: The agent's port was closed.
        """
        while True:
            while sender := next(iter(self._messages), None):
                port, message = self._messages[sender].popleft()
                for piece in pieces(message):
                    await self._send_states()
                    await self._stream.send_all(chunk(port, piece))
                self._done(sender, len(message))
            await self._send_states()
            if not (self._messages or self._states):
                self._filled = trio.Event()
                await self._filled.wait()

    def _done(self, sender: object, size: int) -> None:
        """Take in that a message of a sender was sent; the next turn is another's."""
        rest = self._messages.pop(sender)
        if rest:
            self._messages[sender] = rest
            self._waiting[sender] -= size
        else:
            del self._waiting[sender]
        self._room.unpark_all()

    async def _send_states(self) -> None:
        while self._states:
            state = frame(self._states.popleft(), Dialect())
            await self._stream.send_all(chunk(AgentPort.SERVER, state))

    async def receive(self) -> list[memoryview] | None:
        """Return what else the agent has for viewers, in parts of any size; None when its port is closed.

        Cancellation: nothing is lost.

        Raises:
            BrokenResourceError: The agent's port was closed.
        """
        data = await self._stream.receive_some(_RECEIVE_SIZE)
        if not data:
            return None
        return [part for port, part in self._chunks.receive_data(data) if port == AgentPort.CLIENT]
