from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from spicetrio.sources.copiedfiles import CopiedFiles
from spicetrio.sources.x11 import serve_x11
from spicetrio.sources.x11.connection import open_connection
from spicetrio.sources.x11.selection import Selections
from tests.clients.processes import need, open_screen
from tests.sources.x11.recording import RecordingAgent, RecordingDisplay, RecordingServer
from tests.sources.x11.screen import Screen, open_screen_client
from tests.sources.x11.selecting import SelectionClient, open_selection_client


@pytest.fixture
async def xvfb() -> AsyncIterator[dict[str, str]]:
    """The environment of an X server that the source did not start."""
    need("Xvfb", "xvfb")
    async with open_screen(640, 480) as environment:
        yield environment


@pytest.fixture
def screen(xvfb: dict[str, str]) -> Iterator[Screen]:
    with open_screen_client(xvfb) as screen:
        yield screen


@pytest.fixture
async def attached(xvfb: dict[str, str]) -> AsyncIterator[RecordingServer]:
    """A server that shows it."""
    async with attach(xvfb) as server:
        yield server


@asynccontextmanager
async def attach(environment: dict[str, str], *, resize: bool = False) -> AsyncIterator[RecordingServer]:
    server = RecordingServer()
    async with trio.open_nursery() as nursery:
        serve = partial(
            serve_x11, server.server, display=environment["DISPLAY"], start=None, size=(1, 1), resize=resize
        )
        with trio.fail_after(15):
            await nursery.start(serve)
            await server.display.until(lambda: bool(server.display.frames))
        yield server
        nursery.cancel_scope.cancel()


@pytest.fixture
async def agent(xvfb: dict[str, str]) -> AsyncIterator[RecordingAgent]:
    """The clipboards that its selections are shared with."""
    async with share(xvfb) as agent:
        yield agent


@asynccontextmanager
async def share(
    environment: dict[str, str], clipboard_limit: int = 1 << 26, files: CopiedFiles | None = None
) -> AsyncIterator[RecordingAgent]:
    async with open_connection(environment["DISPLAY"]) as connection, trio.open_nursery() as nursery:
        agent = RecordingAgent(nursery, clipboard_limit)
        nursery.start_soon(Selections(connection, agent.clipboards, files).run)
        yield agent
        nursery.cancel_scope.cancel()


@pytest.fixture
def client(xvfb: dict[str, str]) -> Iterator[SelectionClient]:
    with open_selection_client(xvfb) as client:
        yield client


async def same(display: RecordingDisplay, screen: Screen) -> None:
    """The display comes to show the screen."""
    wanted = screen.rgb()
    with trio.move_on_after(10):
        await display.until(lambda: display.rgb() == wanted)
    assert display.rgb() == wanted
