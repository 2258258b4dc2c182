"""The cursor of an X server, shown by a display."""

from __future__ import annotations

from typing import Final

import trio
from PIL import Image

import spicetrio
from spicetrio.sources.x11.connection import Signal, XConnection, XError

SHAPE_INTERVAL: Final = 1 / 30
"""Seconds between two shapes; an animated cursor loses some."""
MOST_PIXELS: Final = 1024
"""Width and height of the largest cursor that a display takes; a larger one is not shown."""

_DISPLAY_CURSOR_NOTIFY: Final = 1


class Cursor:
    """Keeps a display's cursor of the shape that the X server's has."""

    def __init__(self, connection: XConnection, display: spicetrio.Display) -> None:
        self._connection = connection
        self._display = display
        self._changed = Signal()
        self._hidden = False

    async def run(self) -> None:
        """Follow the cursor until cancelled."""
        connection = self._connection
        connection.on_event(connection.first_event(connection.xfixes) + 1, self._changed.set)
        connection.xfixes.SelectCursorInput(connection.root, _DISPLAY_CURSOR_NOTIFY)
        while True:
            await self._show()
            await trio.sleep(SHAPE_INTERVAL)
            await self._changed.wait()

    async def _show(self) -> None:
        try:
            shape = await self._connection.ask(self._connection.xfixes.GetCursorImage())
        except XError:
            shape = None  # no device has a pointer
        if shape is None or not (0 < shape.width <= MOST_PIXELS and 0 < shape.height <= MOST_PIXELS):
            self._display.cursor.hide()
            self._hidden = True
            return
        # X multiplies the colours by alpha, which Pillow calls BGRa, and undoes.
        image = Image.frombytes("RGBA", (shape.width, shape.height), shape.cursor_image.raw, "raw", "BGRa")
        self._display.cursor.set(image, min(shape.xhot, shape.width - 1), min(shape.yhot, shape.height - 1))
        if self._hidden:
            self._display.cursor.show()
            self._hidden = False
