"""Brings viewers and the agent together: there may be one agent, which comes and goes, as viewers do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NoReturn

import trio

from spicetrio.agent.host import AgentHost
from spicetrio.agent.transport import AgentTransport
from spicetrio.server.client import Client


class AgentRelay:
    """The viewers of a server, and its agent."""

    def __init__(self) -> None:
        self._agent: AgentHost | None = None
        self._transports: list[AgentTransport] = []
        self._served: set[trio.CancelScope] = set()
        self._idle = trio.Event()
        self._idle.set()

    @property
    def connected(self) -> bool:
        """There is an agent."""
        return self._agent is not None

    @property
    def pointer(self) -> AgentHost | None:
        """The agent, if it moves the pointer."""
        return self._agent if self._agent is not None and self._agent.moves_pointer else None

    def check_vacant(self) -> None:
        """Check that there is no agent, nor one that still ends.

        Raises:
            ValueError: There is one.
        """
        if self._agent is not None or self._served:
            raise ValueError("there is an agent already: a server has one at a time")

    @asynccontextmanager
    async def attached(self, agent: AgentHost) -> AsyncIterator[None]:
        """Let viewers have an agent while the block runs; at its end wait until it serves nobody.

        Cancellation: ends the block in the same way. Serving ends at once when it is cancelled.

        Raises:
            ValueError: There is an agent already.
        """
        self.check_vacant()
        self._agent = agent
        for transport in self._transports:
            transport.tell_connected()
        try:
            yield
        finally:
            self._agent = None
            for transport in self._transports:
                transport.tell_disconnected()
            for scope in self._served:
                scope.cancel()
            with trio.CancelScope(shield=True):
                await self._idle.wait()

    @contextmanager
    def joined(self, transport: AgentTransport) -> Iterator[None]:
        """Tell a viewer of agents that come and go while the block runs."""
        self._transports.append(transport)
        try:
            yield
        finally:
            self._transports.remove(transport)
            transport.drop()

    async def serve(self, client: Client, transport: AgentTransport) -> NoReturn:
        """Have a viewer answered by the agents that come, one after another.

        Cancellation: what is under way is dropped.

        Raises:
            RemoteProtocolError: The viewer breaks the protocol.
        """
        while True:
            await transport.started.wait_value(True)
            agent = self._agent
            if agent is None:
                continue
            with trio.CancelScope() as scope:
                self._served.add(scope)
                self._idle = trio.Event() if self._idle.is_set() else self._idle
                try:
                    await agent.serve(client, transport)
                finally:
                    self._served.remove(scope)
                    if not self._served:
                        self._idle.set()
