"""With a real server: what its display shows is what the X server shows, and what viewers do arrives there."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import cast

import pytest
import trio
from PIL import Image

import spicetrio
from spicetrio.sources.errors import SourceError
from spicetrio.sources.x11 import serve_x11
from spicetrio.wire.enums import ChannelType
from tests.sources.x11.recording import viewers_offer
from tests.sources.x11.screen import Screen
from tests.sources.x11.selecting import SelectionClient


@asynccontextmanager
async def served(environment: dict[str, str]) -> AsyncIterator[tuple[spicetrio.Display, spicetrio.Inputs]]:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        trio.open_nursery() as nursery,
    ):
        with trio.fail_after(15):
            await nursery.start(
                partial(serve_x11, server, display=environment["DISPLAY"], start=None, size=(1, 1), resize=False)
            )
        display, inputs = (server._channels[kind, 0] for kind in (ChannelType.DISPLAY, ChannelType.INPUTS))
        yield cast(spicetrio.Display, display), cast(spicetrio.Inputs, inputs)
        nursery.cancel_scope.cancel()


async def same(display: spicetrio.Display, screen: Screen) -> None:
    wanted = screen.rgb()
    with trio.fail_after(10):
        while True:
            pixels = await display.read()
            if Image.frombytes("RGB", (display.width, display.height), pixels, "raw", "BGRX").tobytes() == wanted:
                return
            await trio.sleep(0.02)


async def test_the_picture_is_that_of_the_screen(xvfb: dict[str, str], screen: Screen) -> None:
    values = random.Random(6)
    screen.scribble(values, 100)
    screen.settle()
    async with served(xvfb) as (display, _):
        await same(display, screen)
        for count in (1, 30, 300):
            screen.scribble(values, count)
            await same(display, screen)
        for y in range(20):
            screen.fill(0, 20 * y, 640, 20, values.randrange(1 << 24))
            await trio.sleep(0.01)
        await same(display, screen)


async def test_a_screen_that_is_too_large() -> None:
    async with spicetrio.open_server(port=0, disable_ticketing=True) as server:
        with trio.fail_after(15), pytest.raises(SourceError, match=r"^the screen at :[0-9]+ cannot be shown: "):
            await serve_x11(server, display=None, start=[], size=(9000, 100), resize=False)


async def test_what_viewers_do_arrives(xvfb: dict[str, str], screen: Screen) -> None:
    screen.window()
    viewer = cast("spicetrio.Client", None)
    async with served(xvfb) as (_, inputs):
        inputs.put(spicetrio.PointerPosition(20, 20, 0, viewer))
        inputs.put(spicetrio.ButtonEvent(1, True, viewer))
        inputs.put(spicetrio.ButtonEvent(1, False, viewer))
        inputs.put(spicetrio.KeyEvent(0x3A, True, viewer))
        inputs.put(spicetrio.KeyEvent(0x3A, False, viewer))
        assert await screen.gather(5) == [
            ("MotionNotify", 0),
            ("ButtonPress", 1),
            ("ButtonRelease", 1),
            ("KeyPress", 66),
            ("KeyRelease", 66),
        ]
        with trio.fail_after(5):
            await inputs.locks.wait_value(spicetrio.Locks.CAPS)


@pytest.mark.parametrize("shares", [True, False])
async def test_files_can_be_pasted_where_viewers_share_folders(
    xvfb: dict[str, str], client: SelectionClient, shares: bool
) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(spicetrio.open_server(port=0, disable_ticketing=True))
        if shares:
            await stack.enter_async_context(server.open_webdav())
        nursery = await stack.enter_async_context(trio.open_nursery())
        with trio.fail_after(15):
            await nursery.start(partial(serve_x11, server, display=xvfb["DISPLAY"], start=None, size=(1, 1)))
        agent = server._main.relay._agent
        assert agent is not None
        viewers_offer(agent.clipboards[spicetrio.Selection.CLIPBOARD], FILE_LIST=b"copy\0/x\0", UTF8_TEXT=b"x")
        await client.until_owned("CLIPBOARD")
        window = client.window()
        client.ask(window, "CLIPBOARD", "TARGETS")
        assert await client.answer() == "PLACE"
        assert ("text/uri-list" in client.atoms(window)) is shares
        nursery.cancel_scope.cancel()
