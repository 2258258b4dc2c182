"""The panel that lists who is connected."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import trio
from PIL import Image

from spicetrio.sources.demo import theme
from spicetrio.sources.demo.layout import Box
from spicetrio.sources.demo.panel import TITLE, Panel
from spicetrio.sources.demo.pulse import Pulse

if TYPE_CHECKING:
    from spicetrio import Display, Server
    from spicetrio.sources.demo.guests import Guest, Guests

ROW: Final = 24
INTERVAL: Final = 1.0
_COUNT: Final = 120

Entry = tuple[int, str, str]
"""Colour, address, and what else is known of a viewer."""


class ViewersPanel(Panel):
    """One row for each viewer, kept up to date."""

    title = "Viewers"

    def __init__(self, display: Display, box: Box, server: Server, guests: Guests) -> None:
        super().__init__(display, box)
        self._guests = guests
        self._pulse = Pulse(server, INTERVAL)
        self._rows = max(self.body.height // ROW, 1)

    async def run(self) -> None:
        """Draw who comes and goes, and how long they have been here."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(super().run)
            while True:
                await self._pulse.beat()
                self.wake()

    def title_room(self) -> int:
        """Return the room of the number of viewers."""
        return _COUNT

    async def update(self) -> None:
        """Draw the rows that have changed."""
        guests = list(self._guests)
        count = "nobody yet" if not guests else f"{len(guests)} connected"
        box = Box(self.body.right - _COUNT, self.box.y + 8, _COUNT, TITLE - 12)
        await self.draw_part(box, count, partial(_count, box, count))
        now = trio.current_time()
        entries: list[Entry] = [_entry(guest, now) for guest in guests]
        if len(entries) > self._rows:
            left_out = len(entries) - self._rows + 1
            entries[self._rows - 1 :] = [(theme.FAINT, f"and {left_out} more", "")]
        for row in range(self._rows):
            entry = entries[row] if row < len(entries) else None
            box = Box(self.body.x, self.body.y + row * ROW, self.body.width, ROW)
            await self.draw_part(box, entry, partial(_row, box, entry))


def duration(seconds: float) -> str:
    """Return a time span, in the two units that matter."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _entry(guest: Guest, now: float) -> Entry:
    facts = [duration(now - guest.since)]
    if guest.viewer.latency is not None:
        facts.insert(0, f"{guest.viewer.latency * 1000:.1f} ms")
    return guest.color, guest.viewer.peer, " · ".join(facts)


def _count(box: Box, count: str) -> Image.Image:
    image = theme.plain(box.width, box.height, theme.PANEL)
    theme.write(image, box.width, box.height / 2, count, 12, theme.MUTED, "right")
    return image


def _row(box: Box, entry: Entry | None) -> Image.Image:
    image = theme.plain(box.width, box.height, theme.PANEL)
    if entry is not None:
        color, peer, facts = entry
        theme.disc(image, 6, ROW / 2, 5, color)
        theme.write(image, box.width, ROW / 2, facts, 13, theme.MUTED, "right")
        room = box.width - 20 - theme.text_width(facts, 13) - 12
        theme.write(image, 20, ROW / 2, theme.shorten(peer, 14, room), 14, theme.TEXT)
    return image
