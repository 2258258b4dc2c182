"""`spicetrio x11 --start` with a session of our own, and windows on it."""

from __future__ import annotations

import json
import random
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio
import xcffib
import xcffib.randr
import xcffib.xfixes
from xcffib import xproto

from .command import Command, open_command
from .gtk import GtkClient, Picture
from .processes import open_child, screenshot, x_connection

X_WINDOW = Path(__file__).with_name("x_window.py")

KEYS = dict(zip("1234567890", range(2, 12), strict=True))
for row, first in (("qwertyuiop", 16), ("asdfghjkl;'", 30), ("zxcvbnm,./", 44)):
    KEYS |= {key: first + i for i, key in enumerate(row)}
KEYS |= {" ": 57, "\n": 28, "-": 12, "=": 13}
"""Scan codes of a US keyboard."""
SHIFTED = {">": ".", "_": "-", ":": ";", "$": "4"}
LEFT_SHIFT = 42


@dataclass
class Window:
    """A window of `x_window.py`."""

    process: trio.Process
    number: int = 0
    """Its id at the X server."""
    events: list[dict[str, Any]] = field(default_factory=list)
    _changed: trio.Event = field(default_factory=trio.Event)

    async def wait(self, *expected: dict[str, Any]) -> None:
        """Wait for these events among those it gets, in this order; each may have more fields than are named."""

        def found() -> bool:
            events = iter(self.events)
            return all(any(wanted.items() <= seen.items() for seen in events) for wanted in expected)

        with trio.move_on_after(10):
            while not found():
                await self._changed.wait()
        assert found(), f"wanted {expected}, got {self.events}"

    async def _read(self, ready: trio.Event) -> None:
        buffer = b""
        assert self.process.stdout is not None
        async for data in self.process.stdout:
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "window" in message:
                    self.number = message["window"]
                    ready.set()
                else:
                    self.events.append(message)
            self._changed.set()
            self._changed = trio.Event()


@dataclass
class Desktop:
    """The desktop that a running command serves."""

    command: Command
    environment: dict[str, str]
    """What its session runs in: its X server and the right to use it."""
    session: int
    """The process of its session."""

    @property
    def address(self) -> str:
        return self.command.address

    async def picture(self) -> Picture:
        """What the X server itself says is on the screen, once that does not change any more."""
        before = await screenshot(self.environment)
        with trio.fail_after(10):
            while True:
                await trio.sleep(0.1)
                after = await screenshot(self.environment)
                if after.tobytes() == before.tobytes():
                    return Picture.of_image(after)
                before = after

    async def run(self, *command: str) -> str:
        """Run a short program on the desktop; what it printed."""
        with trio.fail_after(10):
            done = await trio.run_process(command, env=self.environment, capture_stdout=True)
        return done.stdout.decode()

    async def copy(self, data: bytes, target: str = "UTF8_STRING", *, selection: str = "clipboard") -> None:
        """Have a program copy something."""
        # It goes on by itself as the owner, until it is not that any more.
        command = ["xclip", "-selection", selection, "-in", "-target", target]
        with trio.fail_after(10):
            await trio.run_process(command, stdin=data, stdout=subprocess.DEVNULL, env=self.environment)

    async def paste(self, target: str = "UTF8_STRING", *, selection: str = "clipboard") -> bytes | None:
        """What a program gets that pastes; None if nothing."""
        command = ["xclip", "-selection", selection, "-out", "-target", target]
        with trio.fail_after(20):
            done = await trio.run_process(
                command, capture_stdout=True, stderr=subprocess.DEVNULL, check=False, env=self.environment
            )
        return None if done.returncode else done.stdout

    async def wait_paste(self, expected: bytes, target: str = "UTF8_STRING", *, selection: str = "clipboard") -> None:
        """Wait until a program that pastes gets this."""
        got = None
        with trio.move_on_after(20):
            while (got := await self.paste(target, selection=selection)) != expected:  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert got == expected, f"{len(got or b'')} bytes, not the {len(expected)} expected"

    async def wait_size(self, width: int, height: int) -> None:
        """Wait until the screen is of this size."""
        size = (0, 0)
        with trio.move_on_after(10):
            while (size := self.size()) != (width, height):  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert size == (width, height)

    def size(self) -> tuple[int, int]:
        """Width and height of the screen."""
        with x_connection(self.environment) as connection:
            shape = connection.core.GetGeometry(connection.get_setup().roots[0].root).reply()
            return shape.width, shape.height

    def resize(self, width: int, height: int) -> None:
        """Make the X screen smaller, as a session does that changes the resolution."""
        with x_connection(self.environment) as connection:
            extension = connection(xcffib.randr.key)
            extension.QueryVersion(1, 2).reply()
            root = connection.get_setup().roots[0].root
            resources = extension.GetScreenResources(root).reply()
            at, rotation = (0, 0), xcffib.randr.Rotation.Rotate_0
            off = extension.SetCrtcConfig(resources.crtcs[0], 0, resources.config_timestamp, *at, 0, rotation, 0, [])
            off.reply()
            extension.SetScreenSizeChecked(root, width, height, width // 4, height // 4).check()

    def cursor(self) -> tuple[int, int, int, int, bytes]:
        """Width, height, hot spot and pixels (R, G, B, A, not premultiplied) of the X server's cursor."""
        with x_connection(self.environment) as connection:
            extension = connection(xcffib.xfixes.key)
            extension.QueryVersion(2, 0).reply()
            cursor = extension.GetCursorImage().reply()
            pixels = b"".join(_straight(pixel) for pixel in cursor.cursor_image)
            return cursor.width, cursor.height, cursor.xhot, cursor.yhot, pixels

    def scribble(self, operations: int, seed: int) -> None:
        """Draw over everything: fill, copy areas around, put images, faster than anyone could look."""
        values = random.Random(seed)
        with x_connection(self.environment) as connection:
            screen = connection.get_setup().roots[0]
            context = connection.generate_id()
            over_windows = xproto.SubwindowMode.IncludeInferiors
            connection.core.CreateGC(context, screen.root, xproto.GC.SubwindowMode, [over_windows])
            for _ in range(operations):
                width, height = values.randint(1, 400), values.randint(1, 300)
                x, y, to_x, to_y = (values.randint(-50, 1000) for _ in range(4))
                match values.randrange(3):
                    case 0:
                        connection.core.ChangeGC(context, xproto.GC.Foreground, [values.randrange(1 << 24)])
                        area = xproto.RECTANGLE.synthetic(x, y, width, height)
                        connection.core.PolyFillRectangle(screen.root, context, 1, [area])
                    case 1:
                        connection.core.CopyArea(screen.root, screen.root, context, x, y, to_x, to_y, width, height)
                    case 2:
                        width, height = min(width, 100), min(height, 100)
                        pixels = values.randbytes(width * height * 4)
                        form, depth = xproto.ImageFormat.ZPixmap, screen.root_depth
                        place = (width, height, x, y, 0, depth)
                        connection.core.PutImage(form, screen.root, context, *place, len(pixels), pixels)
            connection.core.GetInputFocus().reply()

    @asynccontextmanager
    async def program(self, *command: str) -> AsyncIterator[trio.Process]:
        """Run a program on the desktop for as long as the block."""
        async with open_child(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            yield process

    @asynccontextmanager
    async def window(self, width: int, height: int, x: int = 0, y: int = 0, *, seed: int = 1) -> AsyncIterator[Window]:
        """A window full of coloured rectangles, that records its events."""
        arguments = [str(number) for number in (width, height, x, y, seed)]
        async with (
            open_child(
                [sys.executable, str(X_WINDOW), *arguments], env=self.environment, stdout=subprocess.PIPE
            ) as process,
            trio.open_nursery() as nursery,
        ):
            window = Window(process)
            ready = trio.Event()
            nursery.start_soon(window._read, ready)
            with trio.fail_after(10):
                await ready.wait()
            yield window
            nursery.cancel_scope.cancel()


def _straight(pixel: int) -> bytes:
    alpha = pixel >> 24
    colours = (pixel >> 16 & 255, pixel >> 8 & 255, pixel & 255)
    return bytes([*(min(255, (c * 255 + alpha // 2) // alpha) if alpha else 0 for c in colours), alpha])


@asynccontextmanager
async def open_desktop(folder: Path, *options: str) -> AsyncIterator[Desktop]:
    """Run `spicetrio x11` with a session that shows nothing, and learn where its X server is."""
    # The session's own words tell which X server it got, and with what cookie.
    told = folder / "environment"
    session = folder / "session"
    session.write_text(f"#!/bin/sh\nSESSION=$$ env -0 > '{told}.part' && mv '{told}.part' '{told}'\nexec sleep 600\n")
    session.chmod(0o755)
    arguments = ["--disable-ticketing", "--port", "0", *options, "--start", shlex.quote(str(session))]
    async with open_command("x11", *arguments) as command:
        await wait_file(told)
        variables = told.read_text().split("\0")
        environment = dict(variable.split("=", 1) for variable in variables if variable)
        yield Desktop(command, environment, int(environment.pop("SESSION")))


async def wait_file(file: Path) -> None:
    """Wait until another process has made it."""
    with trio.fail_after(15):
        while not await trio.Path(file).exists():  # noqa: ASYNC110  (another process makes it)
            await trio.sleep(0.02)


async def type_text(viewer: GtkClient, text: str) -> None:
    """Press the keys of a US keyboard that give this text."""
    for letter in text:
        key = SHIFTED.get(letter, letter)
        if key != letter:
            await viewer.key(LEFT_SHIFT, down=True)
        await viewer.tap(KEYS[key])
        if key != letter:
            await viewer.key(LEFT_SHIFT, down=False)
