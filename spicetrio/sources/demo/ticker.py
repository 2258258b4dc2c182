"""The line of text that runs along the bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PIL import Image

from spicetrio.sources.demo import theme
from spicetrio.sources.demo.layout import Box
from spicetrio.sources.demo.panel import Panel
from spicetrio.sources.demo.pulse import Pulse

if TYPE_CHECKING:
    from spicetrio import Display, Server

INTERVAL: Final = 1 / 30
STEP: Final = 2
SENTENCES: Final = (
    "This desktop is drawn by a Python program of Trio tasks",
    "Connect a second viewer: both see the same, and each has a brush of their own",
    "This line moves by copying the screen; two columns of pixels are sent for each step",
    "A slow viewer sees fewer, newer pictures and holds up nobody",
    "Caps Lock, Num Lock and Scroll Lock follow your keyboard",
    "When nobody watches, nothing moves",
)


class Ticker(Panel):
    """A text that runs to the left for ever."""

    def __init__(self, display: Display, box: Box, server: Server) -> None:
        super().__init__(display, box)
        self._pulse = Pulse(server, INTERVAL)
        self._text = _render(box.height)
        self._next = 0
        """Column of the text that comes in next."""

    async def show(self) -> None:
        """Draw the beginning of the text."""
        await self.display.draw_image(self.box.x, self.box.y, self._columns(self.box.width))

    async def run(self) -> None:
        """Let it run."""
        while True:
            await self._pulse.beat()
            box = self.box
            await self.display.copy_area(box.x, box.y, box.width - STEP, box.height, box.x + STEP, box.y)
            await self.display.draw_image(box.right - STEP, box.y, self._columns(STEP))

    def _columns(self, count: int) -> Image.Image:
        """Return the next columns of the text, which begins again where it ends."""
        image = Image.new("RGB", (count, self.box.height))
        x = 0
        while x < count:
            step = min(count - x, self._text.width - self._next)
            image.paste(self._text.crop((self._next, 0, self._next + step, image.height)), (x, 0))
            self._next = (self._next + step) % self._text.width
            x += step
        return image


def _render(height: int) -> Image.Image:
    """Return all sentences in one line."""
    gap = 36
    widths = [round(theme.text_width(sentence, 13)) for sentence in SENTENCES]
    image = theme.plain(sum(widths) + 2 * gap * len(widths), height, theme.WELL)
    image.paste(theme.rgb(theme.EDGE), (0, 0, image.width, 1))
    x = 0
    for number, (sentence, width) in enumerate(zip(SENTENCES, widths, strict=True)):
        theme.disc(image, x + gap, height / 2 + 0.5, 3, (theme.TEAL, theme.AMBER, theme.ROSE)[number % 3])
        theme.write(image, x + gap + 14, height / 2 + 0.5, sentence, 13, theme.SOFT)
        x += width + 2 * gap
    return image
