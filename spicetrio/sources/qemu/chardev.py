"""The character devices that a machine gives to D-Bus: what is at their other end is known by their names."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from typing import Final

import trio
from trio_util import AsyncValue

from spicetrio.sources.qemu.bus import Bus, BusError, Properties

CHARDEV: Final = "org.qemu.Display1.Chardev"
AGENT: Final = "com.redhat.spice.0"
"""The name of the port of a guest's agent."""
USBREDIR: Final = "org.qemu.usbredir"
"""The name of the devices of `-device usb-redir`, of which there may be several."""

_log = logging.getLogger(__name__)


class Chardev:
    """A character device.

    Args:
        bus: Where it is.
        path: Of its object.
        properties: Of the object.
    """

    def __init__(self, bus: Bus, path: str, properties: Properties) -> None:
        self._bus = bus
        self._path = path
        self.name: Final[str] = properties["Name"]
        """What it is for, like a domain name the other way round."""
        self.opened: Final = AsyncValue(bool(properties["FEOpened"]))
        """What the guest has at its end is there; a value that can be waited on."""
        bus.watch(path, CHARDEV, self._note_change)

    async def connect(self) -> trio.SocketStream:
        """Open this end; whoever had it open before has lost it.

        Raises:
            BusError: QEMU refused.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                await self._bus.call(self._path, CHARDEV, "Register", "h", theirs.fileno())
            except BaseException:
                ours.close()
                raise
        return trio.SocketStream(trio.socket.from_stdlib_socket(ours))

    async def send_break(self) -> None:
        """Send a break to the guest."""
        try:
            await self._bus.call(self._path, CHARDEV, "SendBreak")
        except BusError as error:
            _log.info("%s takes no break: %s", self.name, error)

    def _note_change(self, changed: Properties) -> None:
        if "FEOpened" in changed:
            self.opened.value = changed["FEOpened"]


def find_chardevs(bus: Bus, objects: Mapping[str, Mapping[str, Properties]]) -> list[Chardev]:
    """Return the character devices, in the order of their paths."""
    found = [(path, interfaces[CHARDEV]) for path, interfaces in sorted(objects.items()) if CHARDEV in interfaces]
    return [Chardev(bus, path, properties) for path, properties in found]
