"""The keyboard of a virtual machine, and its lock lights."""

from __future__ import annotations

import logging
from typing import Final

import spicetrio
from spicetrio.sources.qemu.bus import Bus, BusError, Properties

KEYBOARD: Final = "org.qemu.Display1.Keyboard"
PAUSE: Final = 0xE11D45

_QEMU_PAUSE: Final = 0xC6
_log = logging.getLogger(__name__)


def qemu_number(code: int) -> int | None:
    """Return what QEMU calls a key, by its scan code; None if it has no name for it.

    That is a byte: a code behind the prefix 0xE0 has its high bit set.
    """
    if code == PAUSE:
        return _QEMU_PAUSE
    if code >> 8 == 0xE0:
        return code & 0x7F | 0x80
    return code if code < 0x80 else None


class Keyboard:
    """The keys that viewers hold down on a console.

    Args:
        bus: Where the console is.
        path: Of its object.
        inputs: Is told of the lock lights.
    """

    def __init__(self, bus: Bus, path: str, inputs: spicetrio.Inputs) -> None:
        self._bus = bus
        self._path = path
        self._inputs = inputs
        self._held: set[int] = set()

    async def follow_lights(self) -> None:
        """Tell viewers of the lock lights, from now on."""
        self._bus.watch(self._path, KEYBOARD, self._tell_lights)
        self._tell_lights(await self._bus.properties(self._path, KEYBOARD))

    async def apply(self, event: spicetrio.KeyEvent) -> None:
        """Press or release a key."""
        number = qemu_number(event.code)
        if number is None:
            return
        if event.down:
            self._held.add(number)
            await self._call("Press", number)
        else:
            await self._call("Release", number)
            self._held.discard(number)  # afterwards: who is cancelled before may not have made the call

    async def release_all(self) -> None:
        """Leave no key down."""
        while self._held:
            await self._call("Release", self._held.pop())

    async def _call(self, member: str, number: int) -> None:
        try:
            await self._bus.call(self._path, KEYBOARD, member, "u", number)
        except BusError as error:
            _log.debug("key %#x: %s", number, error)

    def _tell_lights(self, changed: Properties) -> None:
        if "Modifiers" in changed:
            self._inputs.set_locks(spicetrio.Locks(changed["Modifiers"] & 7))
