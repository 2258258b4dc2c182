"""A viewer that talks to the agent, from the other end: it speaks the protocol with the same structures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio

from spicetrio.wire import agent, main
from spicetrio.wire.agent import Dialect
from spicetrio.wire.agentstream import MessageReader, frame, pieces
from spicetrio.wire.buffer import Message, ReadBuffer
from spicetrio.wire.enums import AgentCapability, FileTransferStatus, MainCapability
from spicetrio.wire.link import Capabilities
from tests.channels.stage import Stage
from tests.peer import PeerChannel, Viewer

M = TypeVar("M", bound=Message)

ALL = Capabilities(AgentCapability)
ABLE = ALL - {AgentCapability.FILE_XFER_DISABLED}
PLAIN = ALL - {AgentCapability.CLIPBOARD_SELECTION, AgentCapability.CLIPBOARD_GRAB_SERIAL}
LIMITLESS = 0xFFFFFFFF


class Talker:
    """The agent's part of a viewer."""

    def __init__(self, channel: PeerChannel, tokens: int) -> None:
        self.channel = channel
        self.tokens = tokens
        self.dialect = Dialect()
        self.told: list[Message] = []
        """What came from the main channel itself."""
        self.agent_capabilities: frozenset[int] | None = None
        self._reader = MessageReader(lambda kind, size: True)

    async def start(self, tokens: int = LIMITLESS, capabilities: frozenset[int] = ALL) -> None:
        """Begin to talk, and learn what the agent can do."""
        await self.channel.send(main.AgentStart(tokens))
        self.dialect = Dialect.of(Capabilities(capabilities))
        await self.send(agent.AnnounceCapabilities(1, Capabilities(capabilities)))
        if tokens:
            self.agent_capabilities = (await self.receive(agent.AnnounceCapabilities)).capabilities

    async def send(self, *messages: Message) -> None:
        """Send messages, each as soon as there are tokens."""
        for message in messages:
            await self.send_raw(frame(message, self.dialect))

    async def send_raw(self, data: bytes) -> None:
        for piece in pieces(data):
            while not self.tokens:
                await self._next()
            self.tokens -= 1
            await self.channel.send(main.ClientAgentData(piece))

    async def receive(self, kind: type[M]) -> M:
        """Return the next message of a kind; those before it are passed over."""
        while not isinstance(message := await self.next_message(), kind):
            pass
        return message

    async def next_message(self) -> Any:
        """Return the next message of the agent."""
        while (came := self._reader.next_message()) is None:
            await self._next()
        assert came.body is not None
        return agent.MESSAGES[came.type].pull(ReadBuffer(self.dialect.expand(came.type, came.body)))

    async def _next(self) -> None:
        message = await self.channel.receive()
        if isinstance(message, main.AgentData):
            self._reader.receive_data(message.data)
        elif isinstance(message, main.AgentToken):
            self.tokens += message.num_tokens
        else:
            self.told.append(message)

    async def hear(self, kind: type[Message]) -> None:
        """Wait until the main channel says something of a kind, and forget what it said before."""
        while not any(isinstance(message, kind) for message in self.told):
            await self._next()
        self.told.clear()

    async def nothing(self) -> None:
        """Check that the agent has said nothing until now that was not received."""
        await self.send(agent.DisplayConfig(0, 0))  # it is replied to, in order
        message = await self.next_message()
        assert isinstance(message, agent.Reply), message

    async def send_file(self, number: int, name: str, data: bytes, *, size: int | None = None) -> FileTransferStatus:
        """Send a file; return how it ended."""
        if (status := await self.offer_file(number, name, len(data) if size is None else size)) is not None:
            return status
        for start in range(0, max(len(data), 1), 65536):
            await self.send(agent.FileXferData(number, data[start : start + 65536]))
        return await self.file_status(number)

    async def offer_file(self, number: int, name: str, size: int) -> FileTransferStatus | None:
        """Offer a file; return how it ended, or None if it may be sent."""
        await self.send(agent.FileXferStart(number, f"[vdagent-file-xfer]\nname={name}\nsize={size}\n"))
        status = await self.file_status(number)
        return None if status == FileTransferStatus.CAN_SEND_DATA else status

    async def file_status(self, number: int) -> FileTransferStatus:
        status = await self.receive(agent.FileXferStatus)
        assert status.id == number
        return FileTransferStatus(status.result)


CONNECTED_TOKENS = Capabilities({MainCapability.AGENT_CONNECTED_TOKENS})


@asynccontextmanager
async def open_talker(
    stage: Stage, *, renews: bool = True, start: bool = True, **arguments: Any
) -> AsyncIterator[Talker]:
    """Be a viewer that talks to the agent while the block runs."""
    capabilities = CONNECTED_TOKENS if renews else Capabilities()
    viewer: Viewer
    async with stage.viewer(capabilities=capabilities, password=arguments.pop("password", "")) as viewer:
        talker = Talker(viewer.main, viewer.init.agent_tokens)
        if start:
            await talker.start(**arguments)
        yield talker


async def quiet() -> None:
    """Wait until all that is under way has been handled."""
    await trio.testing.wait_all_tasks_blocked(0.002)
