from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import xcffib.randr

from spicetrio import Rect
from spicetrio.sources.x11.connection import XConnection, open_connection
from spicetrio.sources.x11.monitors import MOST_MONITORS, SMALLEST, Monitors, arrange, read_monitors
from tests.clients.processes import need
from tests.sources.x11.conftest import attach, same
from tests.sources.x11.recording import RecordingServer
from tests.sources.x11.screen import Screen

HALVES = (Rect(0, 0, 320, 480), Rect(320, 0, 640, 480))


@pytest.fixture
async def resized(xvfb: dict[str, str]) -> AsyncIterator[RecordingServer]:
    """A server that shows it, and resizes it to what viewers want."""
    async with attach(xvfb, resize=True) as server:
        yield server


async def until_heads(server: RecordingServer, *areas: Rect) -> None:
    size = max(area.right for area in areas), max(area.bottom for area in areas)
    display = server.display
    await display.until(lambda: (display.width, display.height) == size and display.heads == list(areas))


async def test_the_screen_gets_the_size_that_a_viewer_wants(resized: RecordingServer, screen: Screen) -> None:
    for size in ((400, 300), (639, 200), (333, 477), (640, 480)):
        resized.agent.monitors.value = (Rect(0, 0, *size),)
        await until_heads(resized, Rect(0, 0, *size))
        assert screen.size() == size
        screen.scribble(random.Random(6), 50)
        await same(resized.display, screen)
        resized.inputs.place(9999, 9999)
        with trio.fail_after(5):
            while screen.pointer()[:2] != (size[0] - 1, size[1] - 1):  # noqa: ASYNC110
                await trio.sleep(0.01)


async def test_a_viewer_may_not_have_too_small_a_screen(resized: RecordingServer) -> None:
    resized.agent.monitors.value = (Rect(0, 0, 1, 9999),)
    await until_heads(resized, Rect(0, 0, SMALLEST[0], 480))


async def test_several_monitors_are_heads_of_the_display(resized: RecordingServer, screen: Screen) -> None:
    resized.agent.monitors.value = HALVES
    await until_heads(resized, *HALVES)
    assert resized.display.most_heads == MOST_MONITORS
    other = (Rect(0, 0, 320, 200), Rect(0, 200, 500, 480), Rect(320, 0, 640, 200))
    resized.agent.monitors.value = other
    await until_heads(resized, *other)
    resized.agent.monitors.value = (Rect(0, 0, 500, 400),)
    await until_heads(resized, Rect(0, 0, 500, 400))
    screen.scribble(random.Random(7), 50)
    await same(resized.display, screen)


async def test_while_a_window_is_dragged_nothing_is_resized(resized: RecordingServer, screen: Screen) -> None:
    for width in range(400, 500):
        resized.agent.monitors.value = (Rect(0, 0, width, 300),)
        await trio.sleep(0.005)
    await until_heads(resized, Rect(0, 0, 499, 300))
    modes = screen.connection(xcffib.randr.key).GetScreenResourcesCurrent(screen.root).reply().modes
    assert {(mode.width, mode.height) for mode in modes} == {(640, 480), (499, 300)}


async def test_a_screen_that_is_resized_by_hand_is_followed(
    resized: RecordingServer, screen: Screen, xvfb: dict[str, str]
) -> None:
    need("xrandr", "x11-xserver-utils")
    xrandr = partial(trio.run_process, env=xvfb)
    resized.agent.monitors.value = (Rect(0, 0, 400, 300),)
    await until_heads(resized, Rect(0, 0, 400, 300))
    await xrandr(["xrandr", "--output", "screen", "--mode", "640x480"])
    await until_heads(resized, Rect(0, 0, 640, 480))
    await xrandr(["xrandr", "--setmonitor", "left", "320/80x480/120+0+0", "screen"])
    await xrandr(["xrandr", "--setmonitor", "right", "320/80x480/120+320+0", "none"])
    await until_heads(resized, *HALVES)
    screen.scribble(random.Random(8), 50)
    await same(resized.display, screen)
    resized.agent.monitors.value = (Rect(0, 0, 400, 301),)
    await resized.display.until(lambda: resized.display.height == 301)


async def test_a_running_screen_is_left_as_it_is_by_default(attached: RecordingServer, screen: Screen) -> None:
    attached.agent.monitors.value = (Rect(0, 0, 400, 300),)
    await trio.sleep(0.5)
    assert screen.size() == (640, 480)
    assert attached.display.most_heads == 0


@asynccontextmanager
async def connected(environment: dict[str, str]) -> AsyncIterator[XConnection]:
    async with open_connection(environment["DISPLAY"]) as connection:
        yield connection


async def test_a_screen_without_a_monitor_is_not_resized(
    xvfb: dict[str, str], screen: Screen, caplog: pytest.LogCaptureFixture
) -> None:
    need("xrandr", "x11-xserver-utils")
    await trio.run_process(["xrandr", "--fb", "640x480", "--output", "screen", "--off"], env=xvfb)
    async with connected(xvfb) as connection:
        assert await read_monitors(connection, *screen.size()) == [Rect(0, 0, *screen.size())]
        with caplog.at_level(logging.WARNING):
            await Monitors(connection).change([Rect(0, 0, 400, 300)])
    assert "is not resized: it has 0 real monitors" in caplog.text


async def test_a_mode_that_is_there_is_used(xvfb: dict[str, str], screen: Screen) -> None:
    async with connected(xvfb) as connection:
        for _ in range(2):  # the second one finds what the first one has left
            monitors = Monitors(connection)
            await monitors.change([Rect(0, 0, 400, 300)])
            assert screen.size() == (400, 300)
            await monitors.change([Rect(10, 20, 650, 500)])
            assert screen.size() == (640, 480)
            await monitors.change([Rect(0, 0, 100, 50)])
            assert screen.size() == (100, 50)
            await Monitors(connection).change([Rect(0, 0, 500, 300)])


async def test_without_randr_one_monitor_shows_all(xvfb: dict[str, str]) -> None:
    async with connected(xvfb) as connection:
        connection.randr = None
        assert await read_monitors(connection, 640, 480) == [Rect(0, 0, 640, 480)]


def test_monitors_are_arranged_within_a_screen() -> None:
    assert arrange([Rect(0, 0, 800, 600)], 1000, 1000) == [Rect(0, 0, 800, 600)]
    assert arrange([Rect(-100, 50, 700, 650)], 1000, 1000) == [Rect(0, 0, 800, 600)]
    assert arrange([Rect(0, 0, 10, 9000)], 1000, 1000) == [Rect(0, 0, 10, 1000)]
    side_by_side = [Rect(0, 0, 600, 600), Rect(600, 0, 1200, 600)]
    assert arrange(side_by_side, 1000, 1000) == [Rect(0, 0, 600, 600), Rect(600, 0, 1000, 600)]
    assert arrange(side_by_side, 900, 1000) == [Rect(0, 0, 600, 600)]
    assert arrange(side_by_side, 300, 300) == [Rect(0, 0, 300, 300)]
    row = [Rect(x, 0, x + 400, 300) for x in range(0, 400 * MOST_MONITORS, 400)]
    assert arrange([*row, Rect(0, 300, 400, 600)], 8192, 8192) == row
