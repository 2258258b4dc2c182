"""The panel that echoes what is typed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import trio
from PIL import Image, ImageDraw

from spicetrio import Locks
from spicetrio.sources.demo import cursors, keys, theme
from spicetrio.sources.demo.layout import Box
from spicetrio.sources.demo.panel import TITLE, Panel
from spicetrio.sources.demo.pulse import Pulse
from spicetrio.sources.demo.textfield import TextField

if TYPE_CHECKING:
    from spicetrio import Display, Inputs, Server
    from spicetrio.sources.demo.cursors import Shape
    from spicetrio.sources.demo.guests import Guest
    from spicetrio.sources.demo.journal import Journal

SIZE: Final = 18
ROW: Final = 25
CHIPS: Final = 26
"""Height of the keys shown below the text."""
BLINK: Final = 0.53
GREETING: Final = "Hello! Type here.\n"
LAMPS: Final = ((Locks.NUM, "Num"), (Locks.CAPS, "Caps"), (Locks.SCROLL, "Scroll"))
_LAMP: Final = 62
_HISTORY: Final = 24


@dataclass(slots=True)
class _Chip:
    """A key that was pressed."""

    guest: Guest
    code: int
    down: bool = True

    @property
    def state(self) -> tuple[str, bool, int]:
        """How it looks: the name, whether it is still down, the colour of whose key it is."""
        return keys.name(self.code), self.down, self.guest.color


class KeyboardPanel(Panel):
    """A text field, the last keys by name, and the lights of the keyboard."""

    title = "Keyboard"
    hints: tuple[str, ...] = ("type anything; Esc clears", "Esc clears")

    def __init__(self, display: Display, box: Box, server: Server, inputs: Inputs, journal: Journal) -> None:
        super().__init__(display, box)
        self._inputs = inputs
        self._journal = journal
        self._pulse = Pulse(server, BLINK)
        self.locks: Locks = inputs.locks.value
        self._chips: deque[_Chip] = deque(maxlen=_HISTORY)
        well = Box(self.body.x, self.body.y, self.body.width, self.body.height - CHIPS - 10)
        self._rows = max((well.height - 16) // ROW, 1)
        spare = well.height - self._rows * ROW
        self._text = Box(well.x + 12, well.y + spare // 2, well.width - 24, self._rows * ROW)
        self._well = well
        self._strip = Box(self.body.x, self.body.bottom - CHIPS, self.body.width, CHIPS)
        self.field = TextField(lambda text: theme.text_width(text, SIZE), self._text.width - 4)
        self.field.insert(GREETING)
        self._first = 0
        self._lit = True

    # Input

    def key(self, guest: Guest, code: int, down: bool) -> None:
        """Take in that a key went down, is repeated, or came up."""
        self._lit = True
        self.wake()
        if not down:
            guest.keys.discard(code)
            for chip in self._chips:
                if chip.guest is guest and chip.code == code:
                    chip.down = False
            return
        repeated = code in guest.keys
        guest.keys.add(code)
        if not repeated:
            self._chips.append(_Chip(guest, code))
            if code in keys.LOCKS:
                self._switch(keys.LOCKS[code], keys.name(code), guest)
        text, action = keys.meaning(code, guest.keys, self.locks)
        if text:
            self.field.insert(text)
        elif action:
            self.field.act(action)

    def type(self, text: str) -> None:
        """Take in a text that was pasted."""
        self.field.insert(text)
        self._lit = True
        self.wake()

    def leave(self, guest: Guest) -> None:
        """Take in that somebody has gone."""
        for chip in self._chips:
            if chip.guest is guest:
                chip.down = False
        self.wake()

    def _switch(self, lock: Locks, name: str, guest: Guest) -> None:
        self.locks ^= lock
        self._inputs.set_locks(self.locks)
        self._journal.add(f"{name} {'on' if lock in self.locks else 'off'}", guest.color)

    def shape(self, guest: Guest) -> Shape:
        """Return the beam over the text."""
        return cursors.beam() if self._well.holds(guest.x, guest.y) else cursors.arrow()

    def press(self, guest: Guest, button: int) -> None:
        """Put the caret where the left button goes down."""
        self.move(guest)

    def move(self, guest: Guest) -> None:
        """Drag the caret along with the left button."""
        if 1 in guest.buttons and self._well.holds(guest.x, guest.y):
            self.field.place(self._first + (guest.y - self._text.y) // ROW, guest.x - self._text.x)
            self._lit = True
            self.wake()

    # Output

    async def run(self) -> None:
        """Draw what is typed, and let the caret blink."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(super().run)
            nursery.start_soon(self._blink)

    async def _blink(self) -> None:
        while True:
            await self._pulse.beat()
            self._lit = not self._lit
            self.wake()

    def title_room(self) -> int:
        """Return the room of the lamps."""
        return len(LAMPS) * _LAMP + 10

    def frame(self) -> Image.Image:
        """Return the empty panel with the text's background."""
        image = super().frame()
        theme.round_box(image, self._well.moved(-self.box.x, -self.box.y), 8, theme.WELL, theme.EDGE)
        return image

    async def update(self) -> None:
        """Draw the lines, keys and lights that have changed."""
        for place, (lock, name) in enumerate(LAMPS):
            box = Box(self.body.right - (len(LAMPS) - place) * _LAMP, self.box.y + 8, _LAMP, TITLE - 12)
            on = lock in self.locks
            await self.draw_part(box, on, partial(self._lamp, box, name, on))
        chips = tuple(chip.state for chip in self._chips)
        await self.draw_part(self._strip, chips, partial(self._keys, chips))
        lines = self.field.lines()
        current = self.field.row_of_caret(lines)
        self._first = min(max(self._first, current - self._rows + 1), current, max(len(lines) - self._rows, 0))
        for row in range(self._rows):
            number = self._first + row
            text, caret = "", None
            if number < len(lines):
                line = lines[number]
                text = self.field.text[line.start : line.end]
                if number == current and self._lit:
                    caret = self.field.caret - line.start
            box = Box(self._text.x, self._text.y + row * ROW, self._text.width, ROW)
            await self.draw_part(box, (text, caret), partial(self._line, box, text, caret))

    def _line(self, box: Box, text: str, caret: int | None) -> Image.Image:
        image = theme.plain(box.width, box.height, theme.WELL)
        theme.write(image, 0, ROW / 2, text, SIZE, theme.TEXT)
        if caret is not None:
            x = round(theme.text_width(text[:caret], SIZE))
            ImageDraw.Draw(image).rectangle((x, 2, x + 1, ROW - 4), fill=theme.rgb(theme.TEAL))
        return image

    def _lamp(self, box: Box, name: str, on: bool) -> Image.Image:
        image = theme.plain(box.width, box.height, theme.PANEL)
        if on:
            theme.disc(image, 10, box.height / 2, 7, theme.mix(theme.PANEL, theme.GREEN, 0.3))
        theme.disc(image, 10, box.height / 2, 4, theme.GREEN if on else theme.EDGE)
        theme.write(image, 20, box.height / 2, name, 12, theme.TEXT if on else theme.MUTED)
        return image

    def _keys(self, chips: tuple[tuple[str, bool, int], ...]) -> Image.Image:
        """Return the row of keys, the newest at the left."""
        image = theme.plain(self._strip.width, self._strip.height, theme.PANEL)
        x = 0
        for number, (name, down, color) in enumerate(reversed(chips)):
            width = max(round(theme.text_width(name, 13)) + 18, CHIPS)
            if x + width > image.width:
                break
            box = Box(x, 0, width, CHIPS)
            if down:
                theme.round_box(image, box, 6, color)
                theme.write(image, x + width / 2, CHIPS / 2, name, 13, theme.GROUND, "middle")
            else:
                fade = min(number / 12, 0.75)
                theme.round_box(
                    image, box, 6, theme.mix(0x2A3442, theme.PANEL, fade), theme.mix(theme.FAINT, theme.PANEL, fade)
                )
                ink = theme.mix(theme.SOFT, theme.PANEL, fade * 0.8)
                theme.write(image, x + width / 2, CHIPS / 2, name, 13, ink, "middle")
            x += width + 6
        if not chips:
            theme.write(image, 0, CHIPS / 2, "The keys you press appear here.", 13, theme.MUTED)
        return image
