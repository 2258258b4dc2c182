from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
import trio.testing
from PIL import Image

import spicetrio
from spicetrio.server.tickets import ANYBODY
from spicetrio.sources.demo.clock import ClockPanel
from spicetrio.sources.demo.desk import Desk
from spicetrio.sources.demo.keys import KEYS
from spicetrio.sources.demo.layout import Box, Layout
from spicetrio.sources.demo.motion import MotionPanel
from spicetrio.sources.demo.ticker import Ticker

OpenStage = Callable[..., AbstractAsyncContextManager["Stage"]]
CODES = {character: code for code, key in KEYS.items() for character in (key.plain,) if character and code < 0x47}


@dataclass
class Stage:
    """The demo on a real display of a server that nobody can connect to; viewers are made up."""

    server: spicetrio.Server
    display: spicetrio.Display
    inputs: spicetrio.Inputs
    agent: spicetrio.Agent
    layout: Layout
    desk: Desk
    nursery: trio.Nursery
    shapes: list[tuple[Image.Image, int, int]] = field(default_factory=list)
    """All that the pointer has looked like."""

    def join(self, peer: str = "127.0.0.1") -> spicetrio.Client:
        """Be a viewer more."""
        viewer = spicetrio.Client(len(self.server.clients.value) + 1, peer, ANYBODY, self.nursery)
        self.server.clients.value = (*self.server.clients.value, viewer)
        return viewer

    def leave(self, viewer: spicetrio.Client) -> None:
        self.server.clients.value = tuple(other for other in self.server.clients.value if other is not viewer)

    def key(self, code: int, viewer: spicetrio.Client, *downs: bool) -> None:
        for down in downs or (True, False):
            if down:
                self.inputs.toggle_lock(code)
            self.inputs.put(spicetrio.KeyEvent(code, down, viewer))

    def type(self, text: str, viewer: spicetrio.Client) -> None:
        for character in text:
            self.key(CODES[character], viewer)

    def point(self, x: int, y: int, viewer: spicetrio.Client) -> None:
        self.inputs.put(spicetrio.PointerPosition(x, y, self.display.id, viewer))

    def button(self, button: int, down: bool, viewer: spicetrio.Client) -> None:
        self.inputs.put(spicetrio.ButtonEvent(button, down, viewer))

    async def settle(self) -> None:
        """Wait until all inputs were taken and what they changed was drawn."""
        quiet = [panel for panel in self.desk.panels if not isinstance(panel, ClockPanel | MotionPanel | Ticker)]
        with trio.fail_after(10):
            while True:
                await trio.testing.wait_all_tasks_blocked()
                if not self.inputs._events and all(panel._woken.statistics().tasks_waiting for panel in quiet):
                    return
                await trio.sleep(0.005)

    async def picture(self, box: Box | None = None) -> Image.Image:
        """What viewers would see now."""
        data = await self.display.read()
        image = Image.frombytes("RGB", (self.display.width, self.display.height), data, "raw", "BGRX")
        return image if box is None else image.crop((box.x, box.y, box.right, box.bottom))


@asynccontextmanager
async def _open_stage(size: tuple[int, int] = (1024, 768)) -> AsyncIterator[Stage]:
    async with (
        spicetrio.open_server(disable_ticketing=True) as server,
        server.open_display(*size) as display,
        server.open_inputs() as inputs,
        server.open_agent() as agent,
        trio.open_nursery() as nursery,
    ):
        layout = Layout.of(*size)
        desk = Desk(server, display, inputs, agent, layout)
        stage = Stage(server, display, inputs, agent, layout, desk, nursery)
        set_shape = display.cursor.set

        def record(image: Image.Image, hot_x: int, hot_y: int, **options: Any) -> None:
            stage.shapes.append((image, hot_x, hot_y))
            set_shape(image, hot_x, hot_y, **options)

        display.cursor.set = record  # type: ignore[method-assign,assignment]
        await desk.show()
        for panel in desk.panels:
            nursery.start_soon(panel.run)
        nursery.start_soon(desk.follow_viewers)
        nursery.start_soon(desk.dispatch)
        nursery.start_soon(desk.exchange.run)
        yield stage
        nursery.cancel_scope.cancel()


@pytest.fixture
def open_stage() -> OpenStage:
    return _open_stage
