"""A desktop served by the command `spicetrio x11 --start`, seen and worked with through spice-gtk."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from .command import open_command
from .desktop import Desktop, open_desktop, type_text, wait_file
from .gtk import CLIENT_MOUSE, SERVER_MOUSE, GtkClient, OpenGtk
from .processes import need, screenshot

NUM = 2
CAPS = 4
CAPS_LOCK_KEY = 0x3A
CAPS_STATE = 2
"""The bit for caps lock in the state of X events."""
FIRST_BUTTON_STATE = 1 << 8
A, CONTROL_RIGHT, LEFT = 0x61, 0xFFE4, 0xFF51
"""X key symbols."""

compressions = pytest.mark.parametrize("compression", ["off", "lz", "lz4"])


@pytest.fixture
async def desktop(tmp_path: Path) -> AsyncIterator[Desktop]:
    need("Xvfb", "xvfb")
    async with open_desktop(tmp_path) as desktop:
        yield desktop


@pytest.fixture
def xterm() -> None:
    need("xterm", "xterm")


@pytest.fixture
def xdotool() -> None:
    need("xdotool", "xdotool")


@compressions
async def test_the_first_picture_is_the_desktop(gtk: OpenGtk, desktop: Desktop, xterm: None, compression: str) -> None:
    async with (
        desktop.window(300, 200, 20, 30),
        desktop.program("xterm", "-geometry", "40x10+200+100", "-e", "sh", "-c", "seq 1 8; exec sleep 60"),
        desktop.window(64, 64, 500, 300),
    ):
        picture = await desktop.picture()
        async with gtk(desktop.address, compression=compression) as viewer:
            await viewer.wait_equal(picture)


@compressions
async def test_a_viewer_follows_a_scrolling_terminal(
    gtk: OpenGtk, desktop: Desktop, xterm: None, tmp_path: Path, compression: str
) -> None:
    done = tmp_path / "done"
    script = f"seq 1 2000; touch '{done}'; exec sleep 60"
    async with (
        gtk(desktop.address, compression=compression) as viewer,
        desktop.window(200, 150, 300, 200),
        desktop.program("xterm", "-geometry", "80x24+10+10", "-e", "sh", "-c", script),
    ):
        await wait_file(done)
        await viewer.wait_equal(await desktop.picture())


@compressions
async def test_a_viewer_follows_windows_that_move_and_close(
    gtk: OpenGtk, desktop: Desktop, xdotool: None, compression: str
) -> None:
    async with (
        gtk(desktop.address, compression=compression) as viewer,
        desktop.window(300, 200, 100, 100, seed=2),
    ):
        async with desktop.window(200, 150, 0, 0, seed=3) as window:
            for x in range(0, 300, 7):
                await desktop.run("xdotool", "windowmove", str(window.number), str(x), str(x // 2))
            await viewer.wait_equal(await desktop.picture())
            await desktop.run("xdotool", "windowsize", str(window.number), "120", "90")
            await viewer.wait_equal(await desktop.picture())
        await viewer.wait_equal(await desktop.picture())


@compressions
async def test_a_viewer_follows_wild_drawing(gtk: OpenGtk, desktop: Desktop, compression: str) -> None:
    async with gtk(desktop.address, compression=compression) as viewer:
        for seed in range(3):
            await trio.to_thread.run_sync(desktop.scribble, 300, seed)
            await viewer.wait_equal(await desktop.picture())


async def test_a_viewer_follows_the_size_of_the_screen(gtk: OpenGtk, desktop: Desktop) -> None:
    async with gtk(desktop.address) as viewer, desktop.window(300, 200):
        for size in ((640, 480), (801, 333)):
            desktop.resize(*size)
            picture = await desktop.picture()
            assert (picture.width, picture.height) == size
            await viewer.wait_equal(picture)
            await trio.to_thread.run_sync(desktop.scribble, 50, 1)
            await viewer.wait_equal(await desktop.picture())


async def test_a_frozen_viewer_of_a_busy_desktop_catches_up(gtk: OpenGtk, desktop: Desktop) -> None:
    async with gtk(desktop.address) as frozen, gtk(desktop.address) as other:
        frozen.stop()
        await trio.to_thread.run_sync(desktop.scribble, 1000, 4)
        picture = await desktop.picture()
        await other.wait_equal(picture)
        frozen.resume()
        await frozen.wait_equal(picture)


async def test_two_viewers_of_one_desktop(gtk: OpenGtk, desktop: Desktop) -> None:
    async with gtk(desktop.address) as first, desktop.window(300, 200), gtk(desktop.address) as second:
        picture = await desktop.picture()
        await first.wait_equal(picture)
        await second.wait_equal(picture)


async def test_what_is_typed_reaches_the_shell(gtk: OpenGtk, desktop: Desktop, xterm: None, tmp_path: Path) -> None:
    ready, result = tmp_path / "ready", tmp_path / "typed"
    script = f"cd '{tmp_path}'; touch ready; exec sh"
    async with (
        gtk(desktop.address) as viewer,
        desktop.program("xterm", "-geometry", "80x24+0+0", "-e", "sh", "-c", script),
    ):
        await wait_file(ready)
        await viewer.wait_channels("inputs:0")
        await move_to(viewer, 100, 100)
        await type_text(viewer, "echo typed: a1 > part; mv part typed\n")
        await wait_file(result)
        assert result.read_text() == "typed: a1\n"


async def test_fast_typing_keeps_its_order(gtk: OpenGtk, desktop: Desktop, xterm: None, tmp_path: Path) -> None:
    ready, result = tmp_path / "ready", tmp_path / "typed"
    text = "the quick brown fox jumps over the lazy dog; 1234567890\n" * 5
    script = f"cd '{tmp_path}'; touch ready; head -n 5 > part; mv part typed"
    async with (
        gtk(desktop.address) as viewer,
        desktop.program("xterm", "-geometry", "80x24+0+0", "-e", "sh", "-c", script),
    ):
        await wait_file(ready)
        await viewer.wait_channels("inputs:0")
        await move_to(viewer, 100, 100)
        await type_text(viewer, text)
        await wait_file(result)
        assert result.read_text() == text


async def test_clicks_drags_and_the_wheel_arrive(gtk: OpenGtk, desktop: Desktop) -> None:
    async with gtk(desktop.address) as viewer, desktop.window(300, 200, 10, 20) as window:
        await viewer.wait_channels("inputs:0")
        await move_to(viewer, 50, 60)
        await window.wait({"event": "motion", "x": 50, "y": 60})
        for button in (1, 2, 3, 4, 5):
            await viewer.click(button)
        await window.wait(
            *(
                {"event": event, "button": button, "x": 50, "y": 60}
                for button in (1, 2, 3, 4, 5)
                for event in ("button-press", "button-release")
            )
        )
        window.events.clear()
        await viewer.click(6)  # the side button: X numbers it behind the four of its wheels
        await window.wait({"event": "button-press", "button": 8}, {"event": "button-release", "button": 8})
        await viewer.button(1, down=True)
        for x in range(51, 120):
            await viewer.position(x, 70, mask=1)
        await viewer.button(1, down=False)
        await window.wait(
            {"event": "button-press", "button": 1},
            {"event": "motion", "x": 119, "y": 70, "state": FIRST_BUTTON_STATE},
            {"event": "button-release", "button": 1, "x": 119, "y": 70},
        )


async def test_relative_motion_in_server_mouse_mode(gtk: OpenGtk, desktop: Desktop) -> None:
    async with gtk(desktop.address) as viewer, desktop.window(300, 200, 0, 0) as window:
        await viewer.wait_channels("inputs:0", "cursor:0")
        await move_to(viewer, 50, 60)
        await window.wait({"event": "motion", "x": 50, "y": 60})
        await viewer.request_mouse_mode(SERVER_MOUSE)
        await viewer.wait_get("main:0", "mouse-mode", SERVER_MOUSE)
        await viewer.motion(5, -4)
        await window.wait({"event": "motion", "x": 55, "y": 56})
        await viewer.wait_event("cursor-move", x=55, y=56)


async def test_keys_arrive(gtk: OpenGtk, desktop: Desktop) -> None:
    async with gtk(desktop.address) as viewer, desktop.window(300, 200) as window:
        await viewer.wait_channels("inputs:0")
        await move_to(viewer, 50, 50)
        await viewer.tap(30, 0x11D, 0x14B)
        await window.wait(
            *(
                {"event": event, "keysym": keysym}
                for keysym in (A, CONTROL_RIGHT, LEFT)
                for event in ("key-press", "key-release")
            )
        )


async def test_every_key_arrives_as_itself(gtk: OpenGtk, desktop: Desktop) -> None:
    plain = {code: code for code in range(1, 0x54)} | {0x56: 86, 0x57: 87, 0x58: 88}
    for lock in (CAPS_LOCK_KEY, 0x45, 0x46):
        del plain[lock]
    extended = {
        0x1C: 96,
        0x1D: 97,
        0x35: 98,
        0x37: 99,
        0x38: 100,
        0x47: 102,
        0x48: 103,
        0x49: 104,
        0x4B: 105,
        0x4D: 106,
    }
    extended |= {0x4F: 107, 0x50: 108, 0x51: 109, 0x52: 110, 0x53: 111, 0x5B: 125, 0x5C: 126, 0x5D: 127}
    linux = plain | {0x100 | code: key for code, key in extended.items()}
    async with gtk(desktop.address) as viewer, desktop.window(300, 200) as window:
        await viewer.wait_channels("inputs:0")
        await move_to(viewer, 50, 50)
        for code, key in linux.items():
            await viewer.tap(code)
            keycode = key + 8
            await window.wait(*({"event": event, "keycode": keycode} for event in ("key-press", "key-release")))
            window.events.clear()


async def test_keys_are_released_when_the_viewer_goes(gtk: OpenGtk, desktop: Desktop) -> None:
    async with desktop.window(300, 200) as window:
        async with gtk(desktop.address) as viewer:
            await viewer.wait_channels("inputs:0")
            await move_to(viewer, 50, 50)
            await viewer.key(30, down=True)
            await window.wait({"event": "key-press", "keysym": A})
        await window.wait({"event": "key-release", "keysym": A})


async def test_lock_keys_are_in_step(gtk: OpenGtk, desktop: Desktop, xdotool: None) -> None:
    async with gtk(desktop.address) as viewer, desktop.window(300, 200) as window:
        await viewer.wait_channels("inputs:0")
        await move_to(viewer, 50, 50)

        await viewer.tap(CAPS_LOCK_KEY)
        await viewer.wait_get("inputs:0", "key-modifiers", CAPS)
        await viewer.tap(30)
        await window.wait({"event": "key-press", "keysym": A, "state": CAPS_STATE})

        await viewer.set_locks(NUM)  # as a viewer does whose own caps lock was released elsewhere
        await viewer.wait_get("inputs:0", "key-modifiers", NUM)

        await desktop.run("xdotool", "key", "Num_Lock")
        await viewer.wait_get("inputs:0", "key-modifiers", 0)


async def test_the_cursor_takes_the_shape_of_what_is_under_it(gtk: OpenGtk, desktop: Desktop, xterm: None) -> None:
    async with (
        gtk(desktop.address) as viewer,
        desktop.window(300, 200, 500, 300) as window,
        desktop.program("xterm", "-geometry", "60x20+0+0", "-e", "sleep", "60"),
    ):
        await viewer.wait_channels("inputs:0", "cursor:0")
        await move_to(viewer, 520, 320)
        await window.wait({"event": "motion", "x": 520, "y": 320})
        await desktop.picture()
        mark = len(viewer.events)
        await move_to(viewer, 100, 100)
        bar = await viewer.wait_event("cursor-set", after=mark)
        width, height, hot_x, hot_y, pixels = desktop.cursor()
        assert any(pixels), "a cursor of which nothing shows"
        shape = {"width": width, "height": height, "hot_x": hot_x, "hot_y": hot_y}
        assert shape.items() <= bar.items()
        assert bytes.fromhex(bar["rgba"]) == pixels


async def test_a_screen_that_runs_already(gtk: OpenGtk, screen: dict[str, str]) -> None:
    address = ["--disable-ticketing", "--port", "0"]
    async with open_command("x11", "--display", screen["DISPLAY"], *address, environment=screen) as command:
        desktop = Desktop(command, screen, session=0)
        async with gtk(desktop.address) as viewer, desktop.window(300, 200, 20, 30) as window:
            await viewer.wait_equal(await desktop.picture())
            await viewer.wait_channels("inputs:0")
            await move_to(viewer, 50, 50)
            await viewer.key(30, down=True)
            await window.wait({"event": "key-press", "keysym": A})
            assert await command.interrupt() == 0
            await window.wait({"event": "key-release", "keysym": A})
    await screenshot(screen)  # it is still there


async def test_the_session_ends_with_the_command(desktop: Desktop) -> None:
    async with desktop.window(100, 100) as window:
        assert await desktop.command.interrupt() == 0
        with trio.fail_after(5):
            assert await window.process.wait() != 0, "its X server is still there"


async def test_the_command_ends_with_its_session(desktop: Desktop) -> None:
    os.kill(desktop.session, signal.SIGTERM)
    with trio.fail_after(5):
        assert await desktop.command.process.wait() == 0


async def move_to(viewer: GtkClient, x: int, y: int) -> None:
    """Put the pointer there, by its position."""
    await viewer.request_mouse_mode(CLIENT_MOUSE)
    await viewer.wait_get("main:0", "mouse-mode", CLIENT_MOUSE)
    await viewer.position(x, y)
