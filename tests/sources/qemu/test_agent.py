from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import trio
import trio.testing
from trio_util import AsyncValue

from spicetrio.sources.qemu.agent import AgentService
from spicetrio.sources.qemu.bus import BusError


class RefusedPort:
    """The port of an agent that is there, and that QEMU does not give."""

    def __init__(self) -> None:
        self.opened = AsyncValue(True)

    async def connect(self) -> None:
        raise BusError("org.qemu.Error", "no")


class Server:
    """Remembers whether there is an agent of its own."""

    stands_in = False

    @asynccontextmanager
    async def open_agent(self) -> Any:
        self.stands_in = True
        try:
            yield self
        finally:
            self.stands_in = False

    @property
    def monitors(self) -> AsyncValue[None]:
        return AsyncValue(None)


async def test_an_agent_that_cannot_be_reached_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    port, server = RefusedPort(), Server()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(AgentService(cast(Any, server), [], cast(Any, port)).run)
        await trio.testing.wait_all_tasks_blocked()
        assert "there is no agent: no" in caplog.text
        assert not server.stands_in
        port.opened.value = False
        await trio.testing.wait_all_tasks_blocked()
        assert server.stands_in
        nursery.cancel_scope.cancel()
