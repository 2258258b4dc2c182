"""The panel with things that move."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageDraw, ImageFilter

from spicetrio.sources.demo import cursors, theme
from spicetrio.sources.demo.balls import Ball, Balls
from spicetrio.sources.demo.layout import Box
from spicetrio.sources.demo.panel import Panel
from spicetrio.sources.demo.pulse import Pulse

if TYPE_CHECKING:
    from spicetrio import Display, Server
    from spicetrio.sources.demo.cursors import Shape
    from spicetrio.sources.demo.guests import Guest
    from spicetrio.sources.demo.journal import Journal

INTERVAL: Final = 1 / 30
COLORS: Final = (theme.TEAL, theme.AMBER, theme.ROSE, theme.BLUE, theme.VIOLET)
_SIZES: Final = (1.0, 0.78, 0.62, 0.5, 0.4)
_SMOOTH: Final = 4


class MotionPanel(Panel):
    """Balls that can be kicked; each picture of them draws only where balls are and were."""

    title = "Motion"
    hints: tuple[str, ...] = ("30 pictures a second; click to kick", "click to kick")

    def __init__(self, display: Display, box: Box, server: Server, journal: Journal) -> None:
        super().__init__(display, box)
        self._journal = journal
        self._pulse = Pulse(server, INTERVAL)
        self._well = self.body.inset(-2, -2)
        self._place = self._well.inset(2)
        self._empty = _empty(self._place.width, self._place.height)
        largest = max(min(self._place.height / 5, 26.0), 8.0)
        radii = [round(largest * size) for size in _SIZES]
        self._balls = Balls(
            self._place.width,
            self._place.height,
            [
                Ball(self._place.width * (n + 0.7) / (len(radii) + 0.4), radius + 6 * n, radius, 150 - 70 * n, 30 * n)
                for n, radius in enumerate(radii)
            ],
        )
        self._looks = [_look(radius, color) for radius, color in zip(radii, COLORS, strict=True)]
        self._were: list[Box] = []
        self._balls.advance(0.1)

    async def run(self) -> None:
        """Let them bounce."""
        while True:
            self._balls.advance(await self._pulse.beat())
            await self.update()

    async def show(self) -> None:
        """Draw all of it for the first time."""
        await self.display.draw_image(self.box.x, self.box.y, self.frame())
        await self.display.draw_image(self._place.x, self._place.y, self._empty)
        await self.update()

    def frame(self) -> Image.Image:
        """Return the empty panel with the box of the balls."""
        image = super().frame()
        theme.round_box(image, self._well.moved(-self.box.x, -self.box.y), 4, theme.WELL, theme.EDGE)
        return image

    async def update(self) -> None:
        """Draw where balls are and where they were."""
        whole = Box(0, 0, self._place.width, self._place.height)
        now = [
            Box(round(ball.x) - look.width // 2, round(ball.y) - look.height // 2, look.width, look.height)
            for ball, look in zip(self._balls.balls, self._looks, strict=True)
        ]
        damage = _join([box.clip(whole) for box in (*now, *self._were)])
        self._were = now
        for part in damage:
            image = self._empty.crop((part.x, part.y, part.right, part.bottom))
            for box, look in zip(now, self._looks, strict=True):
                if box.touches(part):
                    image.paste(look, (box.x - part.x, box.y - part.y), look)
            await self.display.draw_image(self._place.x + part.x, self._place.y + part.y, image)

    def shape(self, guest: Guest) -> Shape:
        """Return a hand over the balls."""
        return cursors.hand() if self._place.holds(guest.x, guest.y) else cursors.arrow()

    def press(self, guest: Guest, button: int) -> None:
        """Kick."""
        if self._place.holds(guest.x, guest.y):
            near = self._balls.kick(guest.x - self._place.x, guest.y - self._place.y)
            self._journal.add(f"{near} ball{'' if near == 1 else 's'} kicked", guest.color)


def _join(boxes: list[Box]) -> list[Box]:
    """Return boxes that do not overlap and hold these."""
    joined: list[Box] = []
    for box in boxes:
        if not (box.width and box.height):
            continue
        while (other := next((other for other in joined if other.touches(box)), None)) is not None:
            joined.remove(other)
            box = box.union(other)
        joined.append(box)
    return joined


def _empty(width: int, height: int) -> Image.Image:
    """Return the box without balls: a faint grid."""
    image = theme.plain(width, height, theme.WELL)
    draw = ImageDraw.Draw(image)
    line = theme.rgb(theme.mix(theme.WELL, theme.EDGE, 0.45))
    for x in range(width % 24 // 2, width, 24):
        draw.line((x, 0, x, height), fill=line)
    for y in range(height % 24 // 2, height, 24):
        draw.line((0, y, width, y), fill=line)
    return image


def _look(radius: int, color: int) -> Image.Image:
    """Return the RGBA image of a ball, lit from above."""
    side = 2 * radius + 2
    large = side * _SMOOTH
    middle, far = large / 2, radius * _SMOOTH
    mask = Image.new("L", (large, large))
    ImageDraw.Draw(mask).ellipse((middle - far, middle - far, middle + far, middle + far), fill=255)
    image = Image.new("RGB", (large, large), theme.rgb(theme.mix(color, theme.GROUND, 0.42)))
    draw = ImageDraw.Draw(image)
    rings = max(radius, 8)
    for ring in range(rings):
        share = ring / rings
        reach = far * 1.06 * math.cos(share * math.pi / 2)
        x = middle - far * 0.34 * share
        y = middle - far * 0.40 * share
        tone = theme.mix(theme.mix(color, theme.GROUND, 0.38), theme.mix(color, 0xFFFFFF, 0.45), share**1.4)
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=theme.rgb(tone))
    image = image.filter(ImageFilter.BoxBlur(_SMOOTH))
    image.putalpha(mask)
    return image.reduce(_SMOOTH)
