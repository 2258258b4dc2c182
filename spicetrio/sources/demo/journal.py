"""The panel that tells what has happened."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio
from PIL import Image

from spicetrio.sources.demo import theme
from spicetrio.sources.demo.layout import Box
from spicetrio.sources.demo.panel import Panel

if TYPE_CHECKING:
    from spicetrio import Display, Server

ROW: Final = 20
STEP: Final = 4
"""Pixels scrolled at a time."""
INTERVAL: Final = 1 / 40
_WAITING: Final = 64
"""Lines that may wait to be shown; the oldest of more are never seen."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line."""

    time: str
    text: str
    color: int


class Journal(Panel):
    """Lines that scroll up: what is there already is moved by `copy_area`, only what is new is sent."""

    title = "Journal"
    hints: tuple[str, ...] = ("scrolled by copying",)

    def __init__(self, display: Display, box: Box, server: Server, now: Callable[[], float] = time.time) -> None:
        super().__init__(display, box)
        self._viewers = server.clients
        self._now = now
        rows = max(self.body.height // ROW, 1)
        self._area = Box(self.body.x, self.body.bottom - rows * ROW, self.body.width, rows * ROW)
        self._waiting: deque[Entry] = deque(maxlen=_WAITING)

    def add(self, text: str, color: int = theme.MUTED) -> None:
        """Tell what has happened.

        Args:
            text: One line.
            color: Of the mark before it: whose doing it was.
        """
        self._waiting.append(Entry(time.strftime("%H:%M:%S", time.localtime(self._now())), text, color))
        self.wake()

    async def update(self) -> None:
        """Scroll in the lines that wait, one after the other."""
        while self._waiting:
            entry = self._waiting.popleft()
            image = self._line(entry)
            hurried = len(self._waiting) > 2 or not self._viewers.value
            shown = 0
            while shown < ROW:
                step = min(ROW if hurried else STEP, ROW - shown)
                await self._scroll(image, shown, step)
                shown += step
                if not hurried:
                    await trio.sleep(INTERVAL)

    async def _scroll(self, image: Image.Image, shown: int, step: int) -> None:
        area = self._area
        if area.height > step:
            await self.display.copy_area(area.x, area.y, area.width, area.height - step, area.x, area.y + step)
        part = image.crop((0, shown, image.width, shown + step))
        await self.display.draw_image(area.x, area.bottom - step, part)

    def _line(self, entry: Entry) -> Image.Image:
        image = theme.plain(self._area.width, ROW, theme.PANEL)
        middle = ROW / 2
        theme.write(image, 0, middle, entry.time, 12, theme.FAINT)
        left = theme.text_width("00:00:00", 12) + 14
        theme.disc(image, left, middle, 3, entry.color)
        theme.write(image, left + 11, middle, theme.shorten(entry.text, 13, image.width - left - 11), 13, theme.SOFT)
        return image
