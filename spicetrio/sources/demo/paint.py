"""The panel to paint in with the mouse."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from PIL import Image

from spicetrio.sources.demo import cursors, theme
from spicetrio.sources.demo.guests import BRUSHES
from spicetrio.sources.demo.layout import Box
from spicetrio.sources.demo.painting import Paper, welcome
from spicetrio.sources.demo.panel import Panel

if TYPE_CHECKING:
    from spicetrio import Display
    from spicetrio.sources.demo.cursors import Shape
    from spicetrio.sources.demo.guests import Guest
    from spicetrio.sources.demo.journal import Journal

SWATCHES: Final = (
    theme.TEAL,
    theme.BLUE,
    theme.VIOLET,
    theme.ROSE,
    theme.AMBER,
    theme.GREEN,
    0x8A5A44,
    theme.INK,
)
LEFT: Final = 1
MIDDLE: Final = 2
RIGHT: Final = 3

_TOOLS: Final = 34
_SWATCH: Final = 28
_PREVIEW: Final = 44
_CLEAR: Final = 58
_MOST_BOXES: Final = 24
"""Changed parts that are drawn one by one; more of them are drawn as one."""


class PaintPanel(Panel):
    """Paper for everybody who is connected, each with a brush of their own."""

    title = "Paint"
    hints: tuple[str, ...] = (
        "left paints · right erases · middle picks a colour · wheel sets the size",
        "left paints · right erases · wheel sets the size",
        "left paints · right erases",
    )

    def __init__(self, display: Display, box: Box, journal: Journal) -> None:
        super().__init__(display, box)
        self._journal = journal
        self.sheet = Box(self.body.x, self.body.y, self.body.width, self.body.height - _TOOLS - 6)
        """Where the paper is."""
        self.paper = Paper(self.sheet.width, self.sheet.height)
        welcome(self.paper)
        self._changed: list[Box] = [self.paper.box]
        row = Box(self.body.x, self.body.bottom - _TOOLS, self.body.width, _TOOLS)
        self._swatches = [Box(row.x + n * _SWATCH, row.y, _SWATCH, _TOOLS) for n in range(len(SWATCHES))]
        self._preview = Box(self._swatches[-1].right + 6, row.y, _PREVIEW, _TOOLS)
        self._clear = Box(row.right - _CLEAR, row.y + 4, _CLEAR, _TOOLS - 4)
        self._shown: tuple[int, int] = SWATCHES[0], BRUSHES[2]
        """Colour and diameter of the brush used last."""

    # Input

    def shape(self, guest: Guest) -> Shape:
        """Return a ring as large as the brush over the paper, a hand over the tools."""
        if self.sheet.holds(guest.x, guest.y) or (guest.grab is self and guest.last is not None):
            return cursors.ring(guest.diameter, theme.INK if RIGHT in guest.buttons else guest.paint)
        if self._swatch(guest) is not None or self._clear.holds(guest.x, guest.y):
            return cursors.hand()
        return cursors.arrow()

    def press(self, guest: Guest, button: int) -> None:
        """Begin a stroke, pick a colour, or use a tool."""
        swatch = self._swatch(guest)
        if self.sheet.holds(guest.x, guest.y):
            if button in (LEFT, RIGHT):
                guest.last = self._place(guest)
                self._draw(guest, button)
            elif button == MIDDLE:
                guest.paint = self.paper.color_at(*self._place(guest))
                self._journal.add(f"colour #{guest.paint:06x} picked", guest.color)
        elif button == LEFT and swatch is not None:
            guest.paint = swatch
        elif button == LEFT and self._clear.holds(guest.x, guest.y):
            self.paper.clear()
            self._note(self.paper.box)
            self._journal.add("a new sheet of paper", guest.color)
        self._show(guest)

    def move(self, guest: Guest) -> None:
        """Go on with a stroke."""
        if guest.last is not None and guest.grab is self:
            self._draw(guest, RIGHT if RIGHT in guest.buttons else LEFT)
        self._show(guest)

    def release(self, guest: Guest, button: int) -> None:
        """End a stroke."""
        if not guest.buttons & {LEFT, RIGHT}:
            guest.last = None

    def wheel(self, guest: Guest, steps: int) -> None:
        """Make the brush larger or smaller; over the colours take the next one."""
        if self._swatch(guest) is not None:
            place = SWATCHES.index(guest.paint) if guest.paint in SWATCHES else -1
            guest.paint = SWATCHES[(place + steps) % len(SWATCHES)]
        else:
            guest.brush = min(max(guest.brush - steps, 0), len(BRUSHES) - 1)
        self._show(guest)

    def _swatch(self, guest: Guest) -> int | None:
        for box, color in zip(self._swatches, SWATCHES, strict=True):
            if box.holds(guest.x, guest.y):
                return color
        return None

    def _place(self, guest: Guest) -> tuple[int, int]:
        return guest.x - self.sheet.x, guest.y - self.sheet.y

    def _draw(self, guest: Guest, button: int) -> None:
        here = self._place(guest)
        for box in self.paper.stroke(guest.last or here, here, guest.diameter, guest.paint if button == LEFT else None):
            self._note(box)
        guest.last = here

    def _note(self, box: Box) -> None:
        """Have a part of the paper drawn again."""
        for number, other in enumerate(self._changed):
            if other.touches(box):
                self._changed[number] = other.union(box)
                break
        else:
            self._changed.append(box)
        if len(self._changed) > _MOST_BOXES:
            together = self._changed[0]
            for other in self._changed:
                together = together.union(other)
            self._changed = [together]
        self.wake()

    def _show(self, guest: Guest) -> None:
        """Show somebody's brush among the tools."""
        if self._shown != (guest.paint, guest.diameter):
            self._shown = guest.paint, guest.diameter
            self.wake()

    # Output

    async def update(self) -> None:
        """Draw what was painted, and the tools."""
        changed, self._changed = self._changed, []
        for box in changed:
            await self.display.draw_image(self.sheet.x + box.x, self.sheet.y + box.y, self.paper.crop(box))
        color, diameter = self._shown
        for box, swatch in zip(self._swatches, SWATCHES, strict=True):
            await self.draw_part(box, swatch == color, partial(self._paint_swatch, swatch, swatch == color))
        await self.draw_part(self._preview, self._shown, partial(self._paint_preview, color, diameter))
        await self.draw_part(self._clear, None, self._paint_clear)

    def _paint_swatch(self, color: int, chosen: bool) -> Image.Image:
        image = theme.plain(_SWATCH, _TOOLS, theme.PANEL)
        x, y = _SWATCH / 2, _TOOLS / 2 + 2
        if chosen:
            theme.disc(image, x, y, 13, theme.TEXT)
            theme.disc(image, x, y, 11, theme.PANEL)
        theme.disc(image, x, y, 9, theme.mix(color, theme.TEXT, 0.35) if color == theme.INK else color)
        if color == theme.INK:
            theme.disc(image, x, y, 8, color)
        return image

    def _paint_preview(self, color: int, diameter: int) -> Image.Image:
        image = theme.plain(_PREVIEW, _TOOLS, theme.PANEL)
        theme.round_box(image, Box(2, 4, _PREVIEW - 4, _TOOLS - 4), 8, theme.PAPER)
        theme.disc(image, _PREVIEW / 2, _TOOLS / 2 + 2, min(diameter, _TOOLS - 8) / 2, color)
        return image

    def _paint_clear(self) -> Image.Image:
        image = theme.plain(self._clear.width, self._clear.height, theme.PANEL)
        theme.round_box(image, Box(0, 0, image.width, image.height), 8, 0x2A3442, theme.FAINT)
        theme.write(image, image.width / 2, image.height / 2, "Clear", 13, theme.TEXT, "middle")
        return image
