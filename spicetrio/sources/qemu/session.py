"""A session: a virtual machine shown by a server's displays, and worked by its inputs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from typing import Final

import trio

import spicetrio
from spicetrio.sources.errors import SourceError
from spicetrio.sources.qemu.agent import AgentService
from spicetrio.sources.qemu.bus import Bus, BusError, Properties
from spicetrio.sources.qemu.chardev import AGENT, find_chardevs
from spicetrio.sources.qemu.console import CONSOLE, Console
from spicetrio.sources.qemu.input import Input
from spicetrio.sources.qemu.messages import MALFORMED
from spicetrio.sources.qemu.ports import open_ports, warn_of_unknown
from spicetrio.sources.qemu.sound import open_sound

ROOT: Final = "/org/qemu/Display1"
VM: Final = "org.qemu.Display1.VM"

_log = logging.getLogger(__name__)


async def show(
    server: spicetrio.Server,
    bus: Bus,
    started: Callable[[str], None],
    *,
    ports: Collection[str] | None,
    playback: bool,
    record: bool,
) -> None:
    """Show a virtual machine until cancelled, as happens when it is gone.

    Args:
        server: Who serves it.
        bus: Where it is.
        started: Called with its name once it is shown.
        ports: Names of the ports that viewers get; None for all but monitors.
        playback: Viewers hear it.
        record: It hears viewers.

    Raises:
        SourceError: It cannot be shown; also inside a group.
    """
    try:
        objects = await bus.objects()
    except BusError as error:
        raise SourceError(f"there is no D-Bus display: {error}; start QEMU with -display dbus") from error
    try:
        name = str(objects[f"{ROOT}/VM"][VM]["Name"])
        found = _consoles(objects)
        chardevs = find_chardevs(bus, objects)  # before anything is waited for: what changes from now on is noticed
    except MALFORMED as error:
        raise SourceError(f"the machine describes itself in a way that makes no sense: {error!r}") from error
    if not found:
        raise SourceError("the machine has no console: give it a graphics card, such as -device virtio-vga")
    warn_of_unknown(chardevs, ports)
    async with AsyncExitStack() as stack:
        consoles = []
        for path, properties in found:
            try:
                display = await stack.enter_async_context(
                    server.open_display(max(1, properties["Width"]), max(1, properties["Height"]))
                )
            except ValueError as error:
                raise SourceError(f"{properties['Label']} cannot be shown: {error}") from error
            consoles.append(Console(bus, path, properties, display))
        inputs = await stack.enter_async_context(server.open_inputs(absolute=False))
        await stack.enter_async_context(open_ports(server, chardevs, ports))
        await stack.enter_async_context(open_sound(server, bus, objects, playback=playback, record=record))
        nursery = await stack.enter_async_context(trio.open_nursery())
        for console in consoles:
            nursery.start_soon(console.run)
        port = next((chardev for chardev in chardevs if chardev.name == AGENT), None)
        nursery.start_soon(AgentService(server, consoles, port).run)
        nursery.start_soon(Input(bus, consoles, inputs).run)
        try:
            started(name)
            await trio.sleep_forever()
        finally:
            if bus.gone:
                # Without a bus these cannot be told apart.
                goodbye = "the virtual machine has ended" + ", or another program shows it now" * bus.straight
                _log.info("%s: %s", name, goodbye)
                for viewer in server.clients.value:
                    viewer.end(goodbye)


def _consoles(objects: Mapping[str, Mapping[str, Properties]]) -> list[tuple[str, Properties]]:
    """Return paths and properties of the consoles: those of graphics cards first, each in QEMU's order."""
    found = [(path, interfaces[CONSOLE]) for path, interfaces in objects.items() if CONSOLE in interfaces]
    return sorted(found, key=lambda one: (one[1]["Type"] != "Graphic", int(one[0].rpartition("_")[2])))
