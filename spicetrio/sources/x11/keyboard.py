"""Keys pressed on an X server through XTEST, and its lock lights."""

from __future__ import annotations

import logging
from typing import Final

import spicetrio
from spicetrio.sources.x11.connection import Signal, XConnection, reply_bytes
from spicetrio.sources.x11.scancodes import x_keycode

KEY_PRESS: Final = 2
KEY_RELEASE: Final = 3

LOCK_KEYS: Final = frozenset({0x3A, 0x45, 0x46})
"""Scan codes of Caps Lock, Num Lock and Scroll Lock."""

_USE_CORE_KEYBOARD: Final = 0x100
_DEFAULT_LIGHTS: Final = (0x300, 0x400)
_INDICATOR_STATE_NOTIFY: Final = 1 << 4
_KEY_NAMES: Final = 1 << 9
_UP_KEYCODE: Final = 111
_LIGHTS: Final = {"Scroll Lock": "SCROLL", "Num Lock": "NUM", "Caps Lock": "CAPS"}

_log = logging.getLogger(__name__)


class Keyboard:
    """The keys that viewers hold down on the X server."""

    def __init__(self, connection: XConnection) -> None:
        self._connection = connection
        self._held: set[int] = set()

    def apply(self, event: spicetrio.KeyEvent) -> int:
        """Press or release a key; returns the number of requests made."""
        keycode = x_keycode(event.code)
        if keycode is None:
            return 0
        if event.down:
            # A viewer repeats a key that is held. The X server does so too, at the rate its user has set.
            if keycode in self._held:
                return 0
            self._held.add(keycode)
        else:
            self._held.discard(keycode)
        self._fake(keycode, event.down)
        return 1

    def release_all(self) -> None:
        """Leave no key down."""
        for keycode in self._held:
            self._fake(keycode, down=False)
        self._held.clear()

    def _fake(self, keycode: int, down: bool) -> None:
        self._connection.xtest.FakeInput(KEY_PRESS if down else KEY_RELEASE, keycode, 0, 0, 0, 0, 0)


class LockLights:
    """Tells viewers which lock lights are on.

    XKB's indicators are the truth on an Xvfb too, whose keyboard has no lamps: the server computes them from the locked
    modifiers.
    """

    def __init__(self, connection: XConnection, inputs: spicetrio.Inputs) -> None:
        self._connection = connection
        self._inputs = inputs
        self._changed = Signal()

    def check(self) -> None:
        """Tell viewers again, once all that was requested up to now is done."""
        self._changed.set()

    async def run(self) -> None:
        """Follow the lights until cancelled."""
        connection = self._connection
        connection.on_event(connection.first_event(connection.xkb), self._changed.set)
        connection.xkb.SelectEvents(_USE_CORE_KEYBOARD, _INDICATOR_STATE_NOTIFY, 0, _INDICATOR_STATE_NOTIFY, 0, 0, [])
        atoms = (await connection.atoms(_LIGHTS)).values()
        while True:
            # By name each time: another keymap may number them otherwise.
            lights = await connection.ask_all(
                [connection.xkb.GetNamedIndicator(_USE_CORE_KEYBOARD, *_DEFAULT_LIGHTS, atom) for atom in atoms]
            )
            locks = spicetrio.Locks(0)
            for light, lock in zip(lights, _LIGHTS.values(), strict=True):
                if light.found and light.on:
                    locks |= spicetrio.Locks[lock]
            self._inputs.set_locks(locks)
            await self._changed.wait()


async def warn_of_other_keycodes(connection: XConnection) -> None:
    """Say so if the X server does not number its keys after evdev, as all servers on Linux do unless told otherwise."""
    cookie = connection.xkb.GetNames(_USE_CORE_KEYBOARD, _KEY_NAMES)
    cookie.reply_type = reply_bytes
    reply: bytes = await connection.ask(cookie)
    first_keycode = reply[18]
    name = reply[32 + 4 * (_UP_KEYCODE - first_keycode) :][:4].rstrip(b"\0")
    if name != b"UP":
        _log.warning(
            "the X server at %s does not number its keys as evdev does, so keys of viewers will arrive as others: "
            "`setxkbmap -display %s -rules evdev -model pc105 -layout us` puts that right",
            connection.display,
            connection.display,
        )
