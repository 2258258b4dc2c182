"""The agent in a guest, at its end of the stream."""

from __future__ import annotations

from typing import Any

import trio

from spicetrio.wire import agent
from spicetrio.wire.agent import Dialect
from spicetrio.wire.agentstream import ChunkReader, MessageReader, chunk, frame, pieces
from spicetrio.wire.buffer import Message, ReadBuffer
from spicetrio.wire.enums import AgentPort
from spicetrio.wire.link import Capabilities
from tests.agent.talk import ABLE


class Guest:
    """The guest's end of the stream."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.dialect = Dialect()
        self.arrived: list[tuple[int, Message]] = []
        """What came, and on which port."""
        self._chunks = ChunkReader()
        self._readers = {port: MessageReader(lambda kind, size: True) for port in AgentPort}

    async def announce(self, capabilities: frozenset[int] = ABLE) -> None:
        self.dialect = Dialect()
        await self.send(agent.AnnounceCapabilities(1, Capabilities(capabilities)))
        ours = await self.receive(agent.AnnounceCapabilities)
        self.dialect = Dialect.of(Capabilities(ours.capabilities & capabilities))

    async def send(self, *messages: Message) -> None:
        for message in messages:
            for piece in pieces(frame(message, self.dialect)):
                await self.stream.send_all(chunk(AgentPort.CLIENT, piece))

    async def receive(self, kind: Any, wanted: Any = lambda message: True) -> Any:
        """Return the next message of a kind; those before it are passed over."""
        while True:
            while self.arrived:
                _, message = self.arrived.pop(0)
                if isinstance(message, kind) and wanted(message):
                    return message
            await self._read()

    async def _read(self) -> None:
        data = await self.stream.receive_some(1000)
        if not data:
            raise EOFError("the server closed the port")
        for port, part in self._chunks.receive_data(data):
            reader = self._readers[AgentPort(port)]
            reader.receive_data(part)
            while came := reader.next_message():
                assert came.body is not None
                body = self.dialect.expand(came.type, came.body)
                self.arrived.append((port, agent.MESSAGES[came.type].pull(ReadBuffer(body))))

    async def answer(self, data: bytes) -> None:
        request = await self.receive(agent.ClipboardRequest)
        await self.send(agent.ClipboardMessage(request.selection, request.kind, data))
