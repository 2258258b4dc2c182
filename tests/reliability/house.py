"""A server on a real port, somebody healthy who watches it, and what must be as before when a fault is over."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio

import spicetrio
from spicetrio.api import Server
from spicetrio.wire.enums import ChannelType
from spicetrio.wire.main import Init
from tests.peer import MODERN, PeerChannel, Viewer, link, open_viewer
from tests.server.rig import StockedKeys, descriptors, until

WIDTH, HEIGHT = 320, 240
FOUR = (ChannelType.DISPLAY, ChannelType.CURSOR, ChannelType.INPUTS)
"""The channels of a viewer beside main."""


class Keys(StockedKeys):
    """Keys that come at once: hundreds of links would be seconds of making them."""

    async def run(self) -> None:
        await trio.sleep_forever()


@dataclass(frozen=True)
class Belongings:
    """What a server has."""

    descriptors: int
    threads: int
    tasks: int
    viewers: int
    half_open: int
    attached: int


@dataclass
class House:
    server: Server
    display: spicetrio.Display
    viewer: Viewer = field(init=False)
    channel: PeerChannel = field(init=False)
    before: Belongings = field(init=False)
    color: int = 0

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", int(self.server.addresses[0].rpartition(":")[2]))

    def belongings(self) -> Belongings:
        return Belongings(
            descriptors(),
            sum(thread.name.startswith("spicetrio") for thread in threading.enumerate()),
            trio.lowlevel.current_statistics().tasks_living,
            len(self.server.clients.value),
            self.server.statistics().half_open,
            len(self.display.worker._picture._viewers),
        )

    async def others_go_on(self) -> None:
        """The healthy viewer is shown what is drawn now."""
        self.color += 1
        await self.display.fill(0, 0, WIDTH, HEIGHT, self.color)
        wanted = bytes([self.color & 255, self.color >> 8, 0, 0]) * (WIDTH * HEIGHT)
        await self.viewer.watch(self.channel, lambda screen: screen.pixels() == wanted)

    async def all_released(self) -> None:
        """The server has what it had before the fault, and nothing more."""
        await until(lambda: self.belongings() == self.before)

    async def enter(self, *, init: bool = True, kinds: tuple[int, ...] = FOUR) -> Guest:
        """Come as another viewer, and read nothing for now."""
        viewer = Viewer(self.connect, "", MODERN)
        viewer.main = await link(await self.connect(), ChannelType.MAIN)
        first = await viewer.main.receive()
        assert isinstance(first, Init)
        viewer.init = first
        guest = Guest(viewer, [viewer.main])
        for kind in kinds:
            opening = guest.viewer.open_display() if kind == ChannelType.DISPLAY and init else guest.viewer.open(kind)
            guest.channels.append(await opening)
        return guest


@dataclass
class Guest:
    """A viewer that a fault is made of."""

    viewer: Viewer
    channels: list[PeerChannel]

    def drop(self) -> None:
        """Be gone, with all connections at once: the event loop does not run meanwhile."""
        for channel in self.channels:
            assert isinstance(channel.stream, trio.SocketStream)
            channel.stream.socket.close()


@asynccontextmanager
async def open_house(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[House]:
    """Open a server with a display and inputs, which a healthy viewer watches; in the end it still does."""
    monkeypatch.setattr("spicetrio.server.server.KeyPool", Keys)
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True, **settings) as server,
        server.open_display(WIDTH, HEIGHT) as display,
        server.open_inputs(),
    ):
        house = House(server, display)
        async with open_viewer(house.connect) as house.viewer:
            house.channel = await house.viewer.open_display()
            async with house.channel.stream:
                await house.others_go_on()
                house.before = house.belongings()
                yield house
                await house.others_go_on()
                await house.all_released()
