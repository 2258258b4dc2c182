"""The panel with a clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageDraw

from spicetrio.sources.demo import theme
from spicetrio.sources.demo.layout import Box
from spicetrio.sources.demo.panel import Panel
from spicetrio.sources.demo.pulse import Pulse

if TYPE_CHECKING:
    from spicetrio import Display, Server

INTERVAL: Final = 1 / 20
_SMOOTH: Final = 3


class ClockPanel(Panel):
    """A dial whose second hand sweeps, and the time in digits."""

    def __init__(self, display: Display, box: Box, server: Server, now: Callable[[], float] = time.time) -> None:
        super().__init__(display, box)
        self._now = now
        self._pulse = Pulse(server, INTERVAL)
        side = min(box.height - 24, box.width // 2 - 20)
        self._dial = Box(box.x + 16, box.y + (box.height - side) // 2, side, side)
        self._face = _face(side)
        left = self._dial.right + 16
        self._digits = Box(left, box.y + box.height // 2 - 30, box.right - 12 - left, 40)
        self._date = Box(left, self._digits.bottom, self._digits.width, 22)

    async def run(self) -> None:
        """Let it go."""
        while True:
            await self._pulse.beat()
            await self.update()

    async def update(self) -> None:
        """Draw the hands, and the digits when they change."""
        now = self._now()
        local = time.localtime(now)
        await self.display.draw_image(self._dial.x, self._dial.y, self._hands(local, now % 1))
        for box, form, largest, color in (
            (self._digits, "%H:%M:%S", 40, theme.TEXT),
            (self._date, "%A, %d %B", 15, theme.MUTED),
        ):
            text = time.strftime(form, local)
            await self.draw_part(box, text, partial(_label, box, text, largest, color))

    def _hands(self, local: time.struct_time, fraction: float) -> Image.Image:
        image = self._face.copy()
        draw = ImageDraw.Draw(image)
        middle = image.width / 2
        second = local.tm_sec + fraction
        minute = local.tm_min + second / 60
        hour = local.tm_hour % 12 + minute / 60
        for turn, length, tail, width, color in (
            (hour / 12, 0.50, 0.0, 0.050, theme.TEXT),
            (minute / 60, 0.72, 0.0, 0.036, theme.TEXT),
            (second / 60, 0.78, 0.16, 0.016, theme.AMBER),
        ):
            dx, dy = math.sin(2 * math.pi * turn) * middle, -math.cos(2 * math.pi * turn) * middle
            ends = [(middle - dx * tail, middle - dy * tail), (middle + dx * length, middle + dy * length)]
            radius = width * middle
            draw.line(ends, fill=theme.rgb(color), width=round(2 * radius))
            for x, y in ends:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=theme.rgb(color))
        for radius, color in ((0.07, theme.AMBER), (0.03, theme.PANEL)):
            edges = [middle * (1 - radius)] * 2 + [middle * (1 + radius)] * 2
            draw.ellipse(edges, fill=theme.rgb(color))
        return image.reduce(_SMOOTH)


def _face(side: int) -> Image.Image:
    """Return the dial without hands, not yet reduced."""
    large = side * _SMOOTH
    middle = large / 2
    image = theme.plain(large, large, theme.PANEL)
    draw = ImageDraw.Draw(image)
    draw.ellipse((0, 0, large - 1, large - 1), fill=theme.rgb(theme.EDGE))
    draw.ellipse([_SMOOTH * 2] * 2 + [large - 1 - _SMOOTH * 2] * 2, fill=theme.rgb(theme.WELL))
    for mark in range(60):
        angle = mark / 60 * 2 * math.pi
        hour = mark % 5 == 0
        radius = middle * (0.025 if hour else 0.010)
        x, y = middle + math.sin(angle) * middle * 0.87, middle - math.cos(angle) * middle * 0.87
        color = theme.rgb(theme.TEAL if mark % 15 == 0 else theme.MUTED if hour else theme.FAINT)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
    return image


def _label(box: Box, text: str, largest: int, color: int) -> Image.Image:
    """Return a line of text, as large as the box allows."""
    image = theme.plain(box.width, box.height, theme.PANEL)
    size = largest
    while size > 8 and theme.text_width(text, size) > box.width - 4:
        size -= 1
    theme.write(image, 0, box.height / 2, text, size, color)
    return image
