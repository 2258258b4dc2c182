"""A console of a virtual machine, shown by a display of its own."""

from __future__ import annotations

import logging
from typing import Final

import trio

import spicetrio
from spicetrio.channels.display import MAX_SIZE
from spicetrio.sources.errors import SourceError
from spicetrio.sources.qemu.bus import Bus, BusError, Properties
from spicetrio.sources.qemu.listener import Listener
from spicetrio.sources.qemu.screen import Screen

CONSOLE: Final = "org.qemu.Display1.Console"
DRAW_INTERVAL: Final = 1 / 60
"""Seconds between two draws, at least. A change after a pause is drawn at once."""
GATHER_SECONDS: Final = 0.001
"""A little later, in truth: QEMU tells what has changed piece by piece."""
SETTLE_SECONDS: Final = 0.05
"""After a change of size, how long a picture of that size may take before it is asked for."""

END_SECONDS: Final = 1.0
"""After QEMU hung up on a listener, how long it may take to be gone altogether."""

_log = logging.getLogger(__name__)


class Console:
    """Keeps a display showing what a console shows.

    Args:
        bus: Where the console is.
        path: Of its object.
        properties: Of the object.
        display: Shows it.
    """

    def __init__(self, bus: Bus, path: str, properties: Properties, display: spicetrio.Display) -> None:
        self._bus = bus
        self._label = label = properties["Label"]
        self._screen = Screen(label)
        self._listener = Listener(bus, path, self._screen, display.cursor)
        self._size = (display.width, display.height)
        self._resized = trio.Event()
        self.path: Final = path
        """Of its object."""
        self.display: Final = display
        """What shows it."""
        self.graphics_device: Final = spicetrio.GraphicsDevice(
            display.id, 0, properties["Head"], properties["DeviceAddress"]
        )
        """Which of the guest's devices it is."""

    async def run(self) -> None:
        """Show it until cancelled, as happens when QEMU is gone.

        Raises:
            SourceError: It cannot be shown, or not any more.
        """
        self._bus.watch(self.path, CONSOLE, self._note_change)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._draw)
            nursery.start_soon(self._follow_size)
            try:
                await self._listener.run()
            except BusError as error:
                raise SourceError(f"{self._label} cannot be shown: {error}") from error
            await trio.sleep(END_SECONDS)
            raise SourceError(f"{self._label} is not shown any more: another program listens to it now")

    async def resize(self, area: spicetrio.Rect) -> None:
        """Tell the guest that its monitor has another size, or place. Not every graphics card can do that.

        Args:
            area: Of the monitor, in pixels.
        """
        width, height = min(area.width, MAX_SIZE), min(area.height, MAX_SIZE)
        try:
            await self._bus.call(self.path, CONSOLE, "SetUIInfo", "qqiiuu", 0, 0, area.left, area.top, width, height)
        except BusError as error:
            _log.info("%s keeps its size: %s", self._label, error)

    async def _draw(self) -> None:
        """Draw what changes, when the display is ready for more."""
        due = 0.0
        while True:
            await self._screen.changed()
            await trio.sleep_until(max(due, trio.current_time() + GATHER_SECONDS))
            due = trio.current_time() + DRAW_INTERVAL
            scanout, damage = self._screen.take()
            size = (scanout.width, scanout.height)
            try:
                if size != (self.display.width, self.display.height):
                    await self.display.resize(*size)
                await self.display.draw_frame(scanout.pixels, damage, format=scanout.format, stride=scanout.stride)
            except ValueError as error:
                raise SourceError(f"{self._label} cannot be shown: {error}") from error

    def _note_change(self, changed: Properties) -> None:
        self._size = (changed.get("Width", self._size[0]), changed.get("Height", self._size[1]))
        self._resized.set()

    async def _follow_size(self) -> None:
        """Have QEMU tell a whole picture of the new size if it does not do so by itself."""
        while True:
            await self._resized.wait()
            self._resized = trio.Event()
            await trio.sleep(SETTLE_SECONDS)
            scanout = self._screen.scanout
            if scanout is not None and (scanout.width, scanout.height) != self._size:
                self._listener.renew()
