"""The screen of an X server, drawn on a display as it changes.

The DAMAGE extension gathers on the server what changed, and sends one event when there is something (level NonEmpty).
The region is taken out (Subtract) before the pixels are read: what is drawn in between is read twice, but never missed.
However much is drawn, it costs one event and one region for each capture, and nothing piles up while the display is not
ready for more.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from contextlib import closing
from typing import Final

import trio

import spicetrio
from spicetrio.sources.errors import SourceError
from spicetrio.sources.x11.connection import Signal, XConnection, XError, reply_bytes
from spicetrio.sources.x11.monitors import read_monitors
from spicetrio.sources.x11.segment import Segment

CAPTURE_INTERVAL: Final = 1 / 60
"""Seconds between the starts of two captures. A change after a pause is captured at once."""
BAND_GAP: Final = 32
"""Rows between two damaged areas that are read along with them: a further request costs no less."""
MOST_RECTANGLES: Final = 256
"""Damage of more pieces than this is taken as one: the display finds out what really differs."""

_REPORT_NON_EMPTY: Final = 3
_STRUCTURE_NOTIFY: Final = 1 << 17
_CW_EVENT_MASK: Final = 1 << 11
_CONFIGURE_NOTIFY: Final = 22
_RECTANGLE: Final = struct.Struct("=hhHH")


class Capture:
    """Keeps a display showing what the screen shows.

    Args:
        connection: To the X server.
        display: Of the server.
        most_heads: How many monitors viewers may ask for.
    """

    def __init__(self, connection: XConnection, display: spicetrio.Display, most_heads: int) -> None:
        self._connection = connection
        self._display = display
        self._most_heads = most_heads
        self._changed = Signal()
        self._resized = True
        self._damage = connection.new_id()
        self._region = connection.new_id()

    async def run(self) -> None:
        """Draw until cancelled.

        Raises:
            SourceError: The X server does not let its screen be read.
        """
        connection = self._connection
        connection.on_event(connection.first_event(connection.damage), self._changed.set)
        connection.on_event(_CONFIGURE_NOTIFY, self._note_resize)
        connection.core.ChangeWindowAttributes(connection.root, _CW_EVENT_MASK, [_STRUCTURE_NOTIFY])
        connection.damage.Create(self._damage, connection.root, _REPORT_NON_EMPTY)
        connection.xfixes.CreateRegion(self._region, 0, [])
        while True:
            self._resized = False
            width, height = await screen_size(connection)
            if (width, height) != (self._display.width, self._display.height):
                try:
                    await self._display.resize(width, height)
                except ValueError as error:
                    raise SourceError(f"the screen at {connection.display} cannot be shown: {error}") from error
            await self._display.set_heads(await read_monitors(connection, width, height), most=self._most_heads)
            with closing(Segment(connection, width, height)) as segment:
                await self._follow(segment)

    async def _follow(self, segment: Segment) -> None:
        """Draw for as long as the screen keeps its size."""
        # All of it is read now. What is not taken out of the region would keep it from ever being reported again.
        self._connection.damage.Subtract(self._damage, 0, 0)
        damage: list[spicetrio.Rect] | None = None
        while True:
            next_capture = trio.current_time() + CAPTURE_INTERVAL
            if damage is None or damage:
                if not await self._read(segment, damage):
                    return
                await self._display.draw_frame(segment.pixels, damage)
            await self._changed.wait()
            await trio.sleep_until(next_capture)
            if self._resized:
                return
            damage = await self._take_damage(segment)

    async def _read(self, segment: Segment, damage: list[spicetrio.Rect] | None) -> bool:
        """Read the damaged rows; False if the screen has another size by now."""
        rows = [(0, segment.height)] if damage is None else [(top, bottom) for _, top, _, bottom in bands(damage)]
        try:
            await self._connection.ask_all([segment.request(top, bottom) for top, bottom in rows])
        except XError as error:
            # The server refuses to read beyond the screen's edge.
            if self._resized:
                return False
            raise SourceError(
                f"the X server at {self._connection.display} refuses to share its screen through memory ({error}): "
                "run spicetrio on the machine, in the container and as the user that the X server belongs to"
            ) from error
        return True

    async def _take_damage(self, segment: Segment) -> list[spicetrio.Rect]:
        """What changed since the last time."""
        connection = self._connection
        connection.damage.Subtract(self._damage, 0, self._region)
        fetch = connection.xfixes.FetchRegion(self._region)
        fetch.reply_type = reply_bytes
        reply: bytes = await connection.ask(fetch)
        # The region's extents lie in the fixed part of the reply, its rectangles after it.
        rectangles = reply[32:] if len(reply) - 32 <= MOST_RECTANGLES * _RECTANGLE.size else reply[8:16]
        whole = [
            spicetrio.Rect(max(x, 0), max(y, 0), min(x + width, segment.width), min(y + height, segment.height))
            for x, y, width, height in _RECTANGLE.iter_unpack(rectangles)
        ]
        return [
            rectangle for rectangle in whole if rectangle.left < rectangle.right and rectangle.top < rectangle.bottom
        ]

    def _note_resize(self) -> None:
        self._resized = True
        self._changed.set()


def bands(rectangles: Iterable[spicetrio.Rect]) -> list[spicetrio.Rect]:
    """The rectangles joined where fewer than `BAND_GAP` rows lie between them, from top to bottom."""
    joined: list[spicetrio.Rect] = []
    for rectangle in sorted(rectangles, key=lambda rectangle: rectangle.top):
        if joined and rectangle.top - joined[-1].bottom < BAND_GAP:
            left, top, right, bottom = joined[-1]
            joined[-1] = spicetrio.Rect(
                min(left, rectangle.left), top, max(right, rectangle.right), max(bottom, rectangle.bottom)
            )
        else:
            joined.append(rectangle)
    return joined


async def screen_size(connection: XConnection) -> tuple[int, int]:
    """Width and height of the screen now, in pixels."""
    geometry = await connection.ask(connection.core.GetGeometry(connection.root))
    return geometry.width, geometry.height
