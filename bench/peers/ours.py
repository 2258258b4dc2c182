"""spicetrio as a peer of bench.display: `python -m bench.peers.ours`, which understands the lines of libspice.c."""

from __future__ import annotations

import mmap
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import trio

import spicetrio
from bench import pictures
from bench.pictures import GLYPH_HEIGHT, GLYPH_WIDTH, HEIGHT, LINE_WIDTH, SCROLLED, WIDTH

LATEST = 1.0
"""Seconds that a drawing may be late; what is later still is not drawn."""


class Player:
    """Draws the pictures in a file.

    Args:
        display: Where.
        file: What `bench.pictures.write` wrote.
    """

    def __init__(self, display: spicetrio.Display, file: Path) -> None:
        self._display = display
        with file.open("rb") as opened:
            mapped = mmap.mmap(opened.fileno(), 0, mmap.MAP_SHARED | mmap.MAP_POPULATE, mmap.PROT_READ)
        self._frames, self._glyphs, self._lines = pictures.cut(memoryview(mapped))
        self._scope = trio.CancelScope()
        self.done = 0
        """How often `repeat` has drawn."""

    async def draw_frame(self, number: int) -> None:
        """Draw a frame."""
        frame = self._frames[number % len(self._frames)]
        await self._display.draw_image(0, 0, frame, width=WIDTH, height=HEIGHT)

    async def typing(self, number: int) -> None:
        """Draw a glyph, each at another place."""
        row, column = divmod(number, WIDTH // GLYPH_WIDTH)
        x, y = GLYPH_WIDTH * column, GLYPH_HEIGHT * (row % (HEIGHT // GLYPH_HEIGHT))
        glyph = self._glyphs[number % len(self._glyphs)]
        await self._display.draw_image(x, y, glyph, width=GLYPH_WIDTH, height=GLYPH_HEIGHT)

    async def scroll(self, number: int) -> None:
        """Move text up by one line, and draw the new one."""
        await self._display.copy_area(0, 0, LINE_WIDTH, SCROLLED, 0, GLYPH_HEIGHT)
        line = self._lines[number % len(self._lines)]
        await self._display.draw_image(0, SCROLLED, line, width=LINE_WIDTH, height=GLYPH_HEIGHT)

    async def repeat(self, work: Callable[[int], Awaitable[None]], rate: int) -> None:
        """Draw at an even pace until stopped."""
        self.done, due = 0, trio.current_time()
        with trio.CancelScope() as self._scope:
            while True:
                await work(self.done)
                self.done += 1
                due = max(due + 1 / rate, trio.current_time() - LATEST)
                await trio.sleep_until(due)

    def stop(self) -> None:
        """Stop `repeat`."""
        self._scope.cancel()


async def read_lines(stream: trio.abc.ReceiveStream) -> AsyncIterator[str]:
    """Iterate over the lines of a stream."""
    rest = b""
    async for data in stream:
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line.decode()


async def main() -> None:
    """Serve, and obey what is read, until there is no more."""
    commands = read_lines(trio.lowlevel.FdStream(os.dup(0)))
    _, port, file = (await anext(commands)).split()
    async with (
        spicetrio.open_server(port=int(port), disable_ticketing=True) as server,
        server.open_display(WIDTH, HEIGHT) as display,
        trio.open_nursery() as nursery,
    ):
        player = Player(display, Path(file))
        print("opened", flush=True)
        async for command in commands:
            name, *numbers = command.split()
            if name == "frame":
                await player.draw_frame(int(numbers[0]))
            elif name == "stop":
                player.stop()
                print(player.done, flush=True)
            else:
                nursery.start_soon(player.repeat, getattr(player, name), int(numbers[0]))
                print("begun", flush=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
