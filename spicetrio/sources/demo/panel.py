"""A panel: a titled part of the display that knows what it shows and answers to the mouse."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

import trio
from PIL import Image

from spicetrio.sources.demo import cursors, theme
from spicetrio.sources.demo.layout import Box

if TYPE_CHECKING:
    from spicetrio import Display
    from spicetrio.sources.demo.cursors import Shape
    from spicetrio.sources.demo.guests import Guest

PADDING = 14
TITLE = 38
"""Height of the strip with the title."""


class Panel:
    """The frame of a panel, and the ways of its content to the display.

    What is typed and done with the mouse arrives by plain calls that change the panel's state and wake it; its own
    task (`run`) then draws what has become different. So drawing never holds up the inputs.

    Args:
        display: Where it is drawn.
        box: Its place.
    """

    title = ""
    hints: tuple[str, ...] = ()
    """What one can do here; the first is shown for which there is room."""

    def __init__(self, display: Display, box: Box) -> None:
        self.display = display
        self.box = box
        self.body = box.inset(PADDING, TITLE, PADDING, PADDING)
        """Where the content is."""
        self._woken = trio.Event()
        self._drawn: dict[Box, Hashable] = {}

    # The way it looks

    def frame(self) -> Image.Image:
        """Return the empty panel."""
        box = Box(0, 0, self.box.width, self.box.height)
        image = theme.plain(box.width, box.height, theme.GROUND)
        theme.round_box(image, box, theme.RADIUS, theme.PANEL, theme.EDGE)
        theme.write(image, PADDING, TITLE / 2 + 1, self.title, 16, theme.TEXT)
        left = PADDING + theme.text_width(self.title, 16) + 14
        room = box.width - PADDING - self.title_room() - left
        hint = next((hint for hint in self.hints if theme.text_width(hint, 12) <= room), "")
        theme.write(image, left, TITLE / 2 + 2, hint, 12, theme.MUTED)
        return image

    def title_room(self) -> int:
        """Return how much of the title's strip is needed at its right end for other things."""
        return 0

    async def show(self) -> None:
        """Draw all of it for the first time."""
        await self.display.draw_image(self.box.x, self.box.y, self.frame())
        await self.update()

    async def update(self) -> None:
        """Draw what is not as it was drawn last."""
        await trio.lowlevel.checkpoint()

    async def run(self) -> None:
        """Draw whenever the panel is woken."""
        while True:
            await self.woken()
            await self.update()

    def wake(self) -> None:
        """Say that something is to be drawn."""
        self._woken.set()

    async def woken(self) -> None:
        """Wait until something is to be drawn."""
        await self._woken.wait()
        self._woken = trio.Event()

    async def draw_part(self, box: Box, state: Hashable, render: Callable[[], Image.Image]) -> None:
        """Draw a part of the panel, unless it was drawn last in the same state."""
        if box not in self._drawn or self._drawn[box] != state:
            await self.display.draw_image(box.x, box.y, render())
            self._drawn[box] = state

    # What is done to it

    def shape(self, guest: Guest) -> Shape:
        """Return how the pointer looks here."""
        return cursors.arrow()

    def press(self, guest: Guest, button: int) -> None:
        """Take in that a button went down here."""

    def move(self, guest: Guest) -> None:
        """Take in that the pointer moved here, or anywhere while a button is held that went down here."""

    def release(self, guest: Guest, button: int) -> None:
        """Take in that a button that went down here came up."""

    def wheel(self, guest: Guest, steps: int) -> None:
        """Take in that the wheel was turned here."""
