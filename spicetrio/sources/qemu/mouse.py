"""The mouse of a virtual machine: relative, or absolute once the guest drives a tablet."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import spicetrio
from spicetrio.sources.qemu.bus import Bus, BusError, Properties
from spicetrio.sources.qemu.console import Console

MOUSE: Final = "org.qemu.Display1.Mouse"
MOST_STEPS: Final = 32
"""Steps of the wheel passed on for one event."""

_WHEEL_UP: Final = 3
_WHEEL_DOWN: Final = 4
_BUTTONS: Final[Mapping[int, int]] = {1: 0, 2: 1, 3: 2, 6: 5, 7: 6}
"""SPICE's buttons and QEMU's; it has no more."""
_log = logging.getLogger(__name__)


class Mouse:
    """The pointer on the consoles, and the buttons that viewers hold down.

    Args:
        bus: Where the consoles are.
        consoles: Those that have a mouse.
        inputs: Is told whether positions are taken.
    """

    def __init__(self, bus: Bus, consoles: Sequence[Console], inputs: spicetrio.Inputs) -> None:
        self._bus = bus
        self._inputs = inputs
        self._consoles = {console.display.id: console for console in consoles}
        self._current = consoles[0]
        self._held: set[int] = set()

    async def follow_mode(self) -> None:
        """Tell viewers whether the guest takes positions, from now on."""
        path = self._current.path
        self._bus.watch(path, MOUSE, self._tell_mode)
        self._tell_mode(await self._bus.properties(path, MOUSE))

    async def place(self, event: spicetrio.PointerPosition) -> None:
        """Put the pointer to a place of a display."""
        console = self._consoles.get(event.display_id)
        if console is not None and event.x < console.display.width and event.y < console.display.height:
            self._current = console
            await self._call("SetAbsPosition", "uu", event.x, event.y)

    async def move(self, event: spicetrio.PointerMotion) -> None:
        """Move the pointer."""
        await self._call("RelMotion", "ii", event.dx, event.dy)

    async def press(self, event: spicetrio.ButtonEvent) -> None:
        """Press or release a button."""
        button = _BUTTONS.get(event.button)
        if button is None:
            return
        if event.down:
            self._held.add(button)
            await self._call("Press", "u", button)
        else:
            await self._call("Release", "u", button)
            self._held.discard(button)  # afterwards, as in `Keyboard.apply`

    async def turn(self, event: spicetrio.WheelEvent) -> None:
        """Turn the wheel."""
        button = _WHEEL_UP if event.steps < 0 else _WHEEL_DOWN
        for _ in range(min(abs(event.steps), MOST_STEPS)):
            await self._call("Press", "u", button)
            await self._call("Release", "u", button)

    async def release_all(self) -> None:
        """Leave no button down."""
        while self._held:
            await self._call("Release", "u", self._held.pop())

    async def _call(self, member: str, signature: str, *arguments: Any) -> None:
        try:
            await self._bus.call(self._current.path, MOUSE, member, signature, *arguments)
        except BusError as error:
            # The guest changed its mind about positions, and the viewer does not know it yet.
            _log.debug("%s%r: %s", member, arguments, error)

    def _tell_mode(self, changed: Properties) -> None:
        if "IsAbsolute" in changed:
            self._inputs.absolute = changed["IsAbsolute"]
