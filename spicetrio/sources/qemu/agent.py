"""The agent: that of the guest while it is there, and this process for what can be done without."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import trio

import spicetrio
from spicetrio.sources.qemu.bus import BusError
from spicetrio.sources.qemu.chardev import Chardev
from spicetrio.sources.qemu.console import Console

_log = logging.getLogger(__name__)


class AgentService:
    """Gives viewers an agent.

    Args:
        server: Whose viewers.
        consoles: What viewers see.
        chardev: The port of the guest's agent; None if the machine has none.
    """

    def __init__(self, server: spicetrio.Server, consoles: Sequence[Console], chardev: Chardev | None) -> None:
        self._server = server
        self._consoles = consoles
        self._chardev = chardev

    async def run(self) -> None:
        """Do so until cancelled."""
        if self._chardev is None:
            await self._stand_in()
            return
        while True:
            await self._while_opened(False, self._stand_in)
            await self._while_opened(True, self._serve_guest)

    async def _while_opened(self, opened: bool, serve: Callable[[], Awaitable[None]]) -> None:
        """Serve while the guest's end of the port is open, or is not."""
        assert self._chardev is not None
        async with trio.open_nursery() as nursery:
            if self._chardev.opened.value == opened:
                nursery.start_soon(serve)
                await self._chardev.opened.wait_value(not opened)
            nursery.cancel_scope.cancel()

    async def _serve_guest(self) -> None:
        assert self._chardev is not None
        devices = [console.graphics_device for console in self._consoles]
        try:
            stream = await self._chardev.connect()
        except BusError as error:
            _log.warning("there is no agent: %s", error)
        else:
            await self._server.serve_guest_agent(stream, devices=devices)
        await trio.sleep_forever()  # its port was closed, or it made no sense; it is the guest's to open it again

    async def _stand_in(self) -> None:
        """Be the agent as far as a graphics card can do what one does: it tells the guest of other monitors."""
        async with self._server.open_agent() as agent:
            async for monitors in agent.monitors.eventual_values():
                for console, area in zip(self._consoles, monitors or (), strict=False):
                    await console.resize(area)
