"""The listener on a console: QEMU calls it with all that the console shows.

QEMU makes some of these calls in its main loop and waits for the answer, and keeps in its memory what is not read. So
the task that reads does nothing but take in what it is told: it never waits for a display, an encoder or a viewer.
"""

from __future__ import annotations

import logging
import mmap
import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Final

import spicetrio
from spicetrio.sources.errors import SourceError
from spicetrio.sources.qemu.bus import Bus
from spicetrio.sources.qemu.messages import Call, ListenerConnection
from spicetrio.sources.qemu.screen import UNUSED_FIRST, Screen

LISTENER: Final = "org.qemu.Display1.Listener"
MAP: Final = "org.qemu.Display1.Listener.Unix.Map"
"""Pictures in memory that QEMU shares. It uses it (since 9.2) if the listener says that it knows it."""
MAX_CURSOR: Final = 1024
"""Pixels of the widest and highest pointer that a display takes."""

_CONSOLE: Final = "org.qemu.Display1.Console"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
_PEER: Final = "org.freedesktop.DBus.Peer"
_log = logging.getLogger(__name__)


class Listener:
    """Takes in what one console shows.

    Args:
        bus: Where the console is.
        path: Of the console's object.
        screen: Is told of pixels.
        cursor: Is told of the pointer.
    """

    def __init__(self, bus: Bus, path: str, screen: Screen, cursor: spicetrio.Cursor) -> None:
        self._bus = bus
        self._path = path
        self._screen = screen
        self._cursor = cursor
        self._corner: tuple[int, int] | None = None
        self._hot_spot = (0, 0)
        self._connection: ListenerConnection | None = None

    async def run(self) -> None:
        """Listen until QEMU hangs up, or cancelled.

        Raises:
            BusError: There is no such console, or it has another listener already.
        """
        while await self._listen():
            pass

    def renew(self) -> None:
        """Register anew, since QEMU begins with a whole picture then."""
        if self._connection is not None:
            self._connection.leave()

    async def _listen(self) -> bool:
        """Listen while registered; return whether it was this end that left."""
        ours, theirs = socket.socketpair()
        with closing(ListenerConnection(ours)) as connection:
            with theirs:
                await connection.greet()
                await self._bus.call(self._path, _CONSOLE, "RegisterListener", "h", theirs.fileno())
            await connection.read_answer()
            self._connection = connection
            try:
                # In bus mode QEMU takes no second listener, and without a bus the second one's place is taken by
                # whatever becomes of the first: so this one is read until QEMU has let go of it.
                while (call := await connection.receive()) is not None:
                    await self._take(connection, call)
            finally:
                self._connection = None
            return connection.leaving

    async def _take(self, connection: ListenerConnection, call: Call) -> None:
        if call.interface == _PROPERTIES and call.member == "GetAll":
            known = {"Interfaces": ("as", [MAP])} if bytes(call.body[4:]).startswith(LISTENER.encode() + b"\0") else {}
            await connection.reply(call, "a{sv}", known)
            return
        handle = self._HANDLERS.get((call.interface, call.member))
        done = handle is not None and handle(self, call)
        if done or (call.interface, call.member) == (_PEER, "Ping"):
            await connection.reply(call)
        else:
            await connection.refuse(call)

    # Each returns whether it is done; QEMU goes on without what is refused.

    def _scanout(self, call: Call) -> bool:
        width, height, stride, pixman_format = call.numbers("IIII")
        self._screen.replace(width, height, stride, pixman_format, call.data("IIII"))
        return True

    def _update(self, call: Call) -> bool:
        x, y, width, height, stride, pixman_format = call.numbers("iiiiII")
        if not self._screen.update(x, y, width, height, stride, pixman_format, call.data("iiiiII")):
            self.renew()
        return True

    def _scanout_map(self, call: Call) -> bool:
        handle, offset, width, height, stride, pixman_format = call.numbers("IIIIII")
        if pixman_format in UNUSED_FIRST:
            return False  # its pixels have to be moved, and in messages they can be
        try:
            memory = mmap.mmap(call.descriptors[handle], offset + stride * height, prot=mmap.PROT_READ)
        except (OSError, ValueError, IndexError, OverflowError) as error:
            _log.warning("QEMU shares memory that cannot be used: %s", error)
            return False
        # It is unmapped when nobody draws from it any more.
        self._screen.replace(width, height, stride, pixman_format, memoryview(memory)[offset:], shared=True)
        return True

    def _update_map(self, call: Call) -> bool:
        x, y, width, height = call.numbers("iiii")
        self._screen.touch(x, y, width, height)
        return True

    def _disable(self, call: Call) -> bool:
        self._screen.blank()
        return True

    def _scanout_dmabuf(self, call: Call) -> bool:
        raise SourceError("this QEMU draws with OpenGL, in memory that cannot be read: start it without gl=on")

    def _mouse_set(self, call: Call) -> bool:
        x, y, on = call.numbers("iii")
        self._corner = (x, y) if on else None
        if on:
            self._move_cursor()
        else:
            self._cursor.hide()
        return True

    def _cursor_define(self, call: Call) -> bool:
        width, height, hot_x, hot_y = call.numbers("iiii")
        pixels = call.data("iiii")
        if 0 < width <= MAX_CURSOR and 0 < height <= MAX_CURSOR and len(pixels) == 4 * width * height:
            self._hot_spot = _clamp(hot_x, 0, width - 1), _clamp(hot_y, 0, height - 1)
            self._cursor.set(pixels, *self._hot_spot, width=width, height=height)
            self._move_cursor()
        else:
            self._cursor.hide()
        return True

    def _move_cursor(self) -> None:
        """Have it point at the right place: QEMU tells where the corner of its shape is."""
        if self._corner is not None:
            x, y = (place + hot for place, hot in zip(self._corner, self._hot_spot, strict=True))
            self._cursor.move(_clamp(x, -0x8000, 0x7FFF), _clamp(y, -0x8000, 0x7FFF))

    _HANDLERS: Final[Mapping[tuple[str, str], Callable[[Listener, Call], bool]]] = {
        (LISTENER, "Scanout"): _scanout,
        (LISTENER, "Update"): _update,
        (LISTENER, "ScanoutDMABUF"): _scanout_dmabuf,
        (LISTENER, "Disable"): _disable,
        (LISTENER, "MouseSet"): _mouse_set,
        (LISTENER, "CursorDefine"): _cursor_define,
        (MAP, "ScanoutMap"): _scanout_map,
        (MAP, "UpdateMap"): _update_map,
    }


def _clamp(value: int, least: int, most: int) -> int:
    return max(least, min(value, most))
