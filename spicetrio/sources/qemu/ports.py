"""The machine's ports and USB redirection, each a channel that one viewer has at a time."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, NoReturn

import trio

import spicetrio
from spicetrio.sources.devices import connect_viewer
from spicetrio.sources.qemu.bus import BusError
from spicetrio.sources.qemu.chardev import AGENT, USBREDIR, Chardev

MONITOR_PREFIX: Final = "org.qemu.monitor."

_log = logging.getLogger(__name__)


def is_given(name: str, names: Collection[str] | None) -> bool:
    """Return whether viewers get the character device of a name.

    Args:
        name: Its name.
        names: The ports that they are to have; None for all but monitors, as who has a machine's monitor can do on this
            computer what QEMU may.
    """
    if name in (USBREDIR, AGENT):
        return name == USBREDIR
    if names is None:  # QEMU's parallel port has no name, and nobody could tell what it is
        return bool(name) and not name.startswith(MONITOR_PREFIX)
    return name in names


def warn_of_unknown(chardevs: Sequence[Chardev], names: Collection[str] | None) -> None:
    """Say which of the ports that viewers are to have the machine has not."""
    there = {chardev.name for chardev in chardevs}
    for name in names or ():
        if name not in there:
            known = ", ".join(sorted(name for name in there if name)) or "nothing"
            _log.warning("the machine has no character device called %s; to D-Bus it gives %s", name, known)


@asynccontextmanager
async def open_ports(
    server: spicetrio.Server, chardevs: Sequence[Chardev], names: Collection[str] | None
) -> AsyncIterator[None]:
    """Give viewers character devices while the block runs.

    Args:
        server: Whose viewers.
        chardevs: The machine's devices.
        names: Of the ports that viewers get, see `is_given`.
    """
    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        for chardev in chardevs:
            if not is_given(chardev.name, names):
                continue
            try:
                if chardev.name == USBREDIR:
                    nursery.start_soon(_serve, chardev, await stack.enter_async_context(server.open_usbredir()))
                    continue
                port = await stack.enter_async_context(server.open_port(chardev.name))
            except ValueError as error:
                _log.warning("%s is not shown: %s", chardev.name, error)
                continue
            nursery.start_soon(_serve, chardev, port)
            nursery.start_soon(_pass_breaks, chardev, port)
        try:
            yield
        finally:
            nursery.cancel_scope.cancel()  # before the ports are closed: who serves them would take that for an error


async def _serve(chardev: Chardev, device: spicetrio.Port | spicetrio.UsbRedir) -> NoReturn:
    """Connect a device and the viewer that has it, one viewer after the other.

    Each viewer finds the device just opened: a USB device that the one before it had plugged in is pulled out then.
    """
    while True:
        async with await device.accept() as viewer:
            try:
                stream = await chardev.connect()
            except BusError as error:
                _log.warning("%s cannot be opened: %s", chardev.name, error)
                await trio.sleep_forever()
            async with stream:
                await connect_viewer(viewer, stream)


async def _pass_breaks(chardev: Chardev, port: spicetrio.Port) -> None:
    async for _ in port.breaks.transitions():
        await chardev.send_break()
