from __future__ import annotations

import os
import random
import signal
from itertools import pairwise
from pathlib import Path

import pytest
import trio

import spicetrio
from spicetrio.sources.x11.capture import BAND_GAP, CAPTURE_INTERVAL, bands
from tests.clients.processes import need, open_child
from tests.sources.x11.conftest import attach, same
from tests.sources.x11.recording import RecordingServer
from tests.sources.x11.screen import Screen


async def test_the_first_picture_is_what_was_there(xvfb: dict[str, str], screen: Screen) -> None:
    screen.scribble(random.Random(1), 50)
    screen.settle()
    async with attach(xvfb) as server:
        assert (server.display.width, server.display.height) == (640, 480)
        await same(server.display, screen)


async def test_what_is_drawn_is_shown_to_the_pixel(attached: RecordingServer, screen: Screen) -> None:
    values = random.Random(2)
    for count in (1, 2, 5, 50, 500):
        screen.scribble(values, count)
        await same(attached.display, screen)
    assert None not in attached.display.frames[1:], "all of the screen was drawn anew"


async def test_a_window_of_a_real_program_is_shown(
    attached: RecordingServer, screen: Screen, xvfb: dict[str, str], tmp_path: Path
) -> None:
    need("xterm", "xterm")
    done = tmp_path / "done"
    script = f"seq 1 3000; touch {done}; exec sleep 60"
    async with open_child(["xterm", "-geometry", "80x24+10+10", "-e", "sh", "-c", script], env=xvfb):
        with trio.fail_after(15):
            while not done.exists():  # noqa: ASYNC110  (another process makes it)
                await trio.sleep(0.02)
        before, after = b"", screen.rgb()
        while before != after:
            await trio.sleep(0.5)
            before, after = after, screen.rgb()
        assert len(set(after)) > 1
        await same(attached.display, screen)
    await same(attached.display, screen)


@pytest.mark.parametrize("delay", [0.0, 0.03])
async def test_no_damage_is_lost_under_load(attached: RecordingServer, screen: Screen, delay: float) -> None:
    attached.display.delay = delay
    values = random.Random(3)
    ends = trio.current_time() + 1.5
    while trio.current_time() < ends:
        screen.scribble(values, 40)
        await trio.sleep(0.001)
    await same(attached.display, screen)


async def test_a_slow_display_is_given_fewer_frames(attached: RecordingServer, screen: Screen) -> None:
    attached.display.delay = 0.2
    first, start = len(attached.display.frames), trio.current_time()
    for color in range(100):
        screen.fill(10, 10, 50, 50, color)
        await trio.sleep(0.01)
    took = trio.current_time() - start
    assert len(attached.display.frames) - first <= took / attached.display.delay + 2
    await same(attached.display, screen)


async def test_captures_are_paced(attached: RecordingServer, screen: Screen) -> None:
    first = len(attached.display.times)
    for color in range(200):
        screen.fill(10, 10, 50, 50, color)
        await trio.sleep(0.002)
    times = attached.display.times[first:]
    assert len(times) > 5
    assert sum(after - before for before, after in pairwise(times)) / (len(times) - 1) > CAPTURE_INTERVAL * 0.9


async def test_a_single_change_is_given_alone_and_without_another_to_wake_it(
    attached: RecordingServer, screen: Screen
) -> None:
    for color in range(20):
        count = len(attached.display.frames)
        screen.fill(5, 5, 4, 4, color + 1)
        await attached.display.until(lambda count=count: len(attached.display.frames) > count)  # type: ignore[misc]
        assert attached.display.frames[-1] == [spicetrio.Rect(5, 5, 9, 9)]


async def test_very_many_small_changes_are_taken_as_one(attached: RecordingServer, screen: Screen) -> None:
    attached.display.delay = 0.3
    screen.fill(0, 0, 1, 1, 1)
    await attached.display.until(lambda: len(attached.display.frames) > 1)
    for x in range(0, 640, 16):
        for y in range(0, 480, 16):
            screen.fill(x, y, 2, 2, x * y + 1)
    await same(attached.display, screen)
    assert max(len(areas or ()) for areas in attached.display.frames) <= 256


async def test_the_display_gets_the_size_of_the_screen(
    attached: RecordingServer, screen: Screen, xvfb: dict[str, str]
) -> None:
    need("xrandr", "x11-xserver-utils")
    screen.scribble(random.Random(4), 50)
    timings = ("31.5", "400", "432", "464", "500", "300", "301", "304", "320")
    await trio.run_process(["xrandr", "--newmode", "small", *timings], env=xvfb)
    await trio.run_process(["xrandr", "--addmode", "screen", "small"], env=xvfb)
    display = attached.display
    for mode, size in (("small", (400, 300)), ("640x480", (640, 480)), ("small", (400, 300))):
        await trio.run_process(["xrandr", "--output", "screen", "--mode", mode], env=xvfb)
        assert screen.size() == size
        await display.until(lambda size=size: (display.width, display.height) == size)  # type: ignore[misc]
        screen.scribble(random.Random(5), 50)
        await same(display, screen)


async def test_a_stopped_x_server_holds_up_nobody(xvfb: dict[str, str], screen: Screen) -> None:
    pid = screen.server_pid()
    async with attach(xvfb) as server:
        screen.fill(1, 1, 10, 10, 0x123456)
        os.kill(pid, signal.SIGSTOP)
        try:
            for x in range(480):
                server.inputs.place(x, x)
            longest = 0.0
            for _ in range(100):
                start = trio.current_time()
                await trio.sleep(0.005)
                longest = max(longest, trio.current_time() - start - 0.005)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert longest < 0.25
        with trio.fail_after(5):
            while screen.pointer()[:2] != (479, 479):  # noqa: ASYNC110  (it is the X server that moves it)
                await trio.sleep(0.02)


def test_bands_join_what_is_near() -> None:
    near = spicetrio.Rect(50, 10 + BAND_GAP - 1, 60, 80)
    far = spicetrio.Rect(0, 80 + BAND_GAP, 5, 80 + BAND_GAP + 1)
    assert bands([far, near, spicetrio.Rect(10, 0, 20, 10)]) == [spicetrio.Rect(10, 0, 60, 80), far]
    assert bands([]) == []
