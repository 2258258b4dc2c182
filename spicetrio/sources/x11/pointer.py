"""The pointer of an X server, moved through XTEST."""

from __future__ import annotations

from typing import Final

import spicetrio
from spicetrio.sources.x11.connection import Signal, XConnection

BUTTONS: Final = {1: 1, 2: 2, 3: 3, **{button: button + 2 for button in range(6, 17)}}
"""SPICE's buttons and X's: 6 and 7, at the thumb, are X's 8 and 9 (4 to 7 are its wheels)."""
WHEEL_UP: Final = 4
WHEEL_DOWN: Final = 5
MOST_STEPS: Final = 32
"""Steps of the wheel passed on for one event."""

_BUTTON_PRESS: Final = 4
_BUTTON_RELEASE: Final = 5
_MOTION_NOTIFY: Final = 6
_ABSOLUTE: Final = 0
_RELATIVE: Final = 1


class Pointer:
    """The pointer, and the buttons that viewers hold down."""

    def __init__(self, connection: XConnection, display: spicetrio.Display) -> None:
        self._connection = connection
        self._display = display
        self._held: set[int] = set()
        self._moved = Signal()
        self._buttons = 0

    async def count_buttons(self) -> None:
        """Ask how many buttons the X server's pointer has: it refuses others (an Xvfb's has 10)."""
        mapping = await self._connection.ask(self._connection.core.GetPointerMapping())
        self._buttons = len(mapping.map)

    def place(self, event: spicetrio.PointerPosition) -> int:
        """Put the pointer to a place of the screen; returns the number of requests made."""
        self._fake(_MOTION_NOTIFY, _ABSOLUTE, event.x, event.y)
        return 1

    def move(self, event: spicetrio.PointerMotion) -> int:
        """Move the pointer by some pixels; returns the number of requests made."""
        self._fake(_MOTION_NOTIFY, _RELATIVE, event.dx, event.dy)
        self._moved.set()
        return 1

    def press(self, event: spicetrio.ButtonEvent) -> int:
        """Press or release a button; returns the number of requests made."""
        button = BUTTONS.get(event.button, 0)
        if not 0 < button <= self._buttons or event.down == (button in self._held):
            return 0
        if event.down:
            self._held.add(button)
        else:
            self._held.remove(button)
        self._fake(_BUTTON_PRESS if event.down else _BUTTON_RELEASE, button)
        return 1

    def turn(self, event: spicetrio.WheelEvent) -> int:
        """Turn the wheel; returns the number of requests made."""
        steps = min(abs(event.steps), MOST_STEPS)
        for _ in range(steps):
            button = WHEEL_UP if event.steps < 0 else WHEEL_DOWN
            self._fake(_BUTTON_PRESS, button)
            self._fake(_BUTTON_RELEASE, button)
        return 2 * steps

    def release_all(self) -> None:
        """Leave no button down."""
        for button in self._held:
            self._fake(_BUTTON_RELEASE, button)
        self._held.clear()

    async def follow(self) -> None:
        """Tell viewers where the pointer is, until cancelled.

        Those that put it to a place themselves know; those that move it need to be told, as the X server accelerates
        motion and stops it at the edges.
        """
        while True:
            place = await self._connection.ask(self._connection.core.QueryPointer(self._connection.root))
            self._display.cursor.move(place.root_x, place.root_y)
            await self._moved.wait()

    def _fake(self, kind: int, detail: int, x: int = 0, y: int = 0) -> None:
        root = self._connection.root if kind == _MOTION_NOTIFY else 0
        self._connection.xtest.FakeInput(kind, detail, 0, root, _clamp(x), _clamp(y), 0)


def _clamp(value: int) -> int:
    """A coordinate within what X can say (16 bits)."""
    return max(-0x8000, min(value, 0x7FFF))
