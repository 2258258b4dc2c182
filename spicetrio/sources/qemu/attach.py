"""The ways to a virtual machine: the descriptor, its monitor, a bus, or starting it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

import trio

from spicetrio.sources.errors import SourceError
from spicetrio.sources.qemu import Place
from spicetrio.sources.qemu.bus import Bus, open_bus, open_peer
from spicetrio.sources.qemu.machine import open_machine
from spicetrio.sources.qemu.qmp import open_display_at

END_SECONDS: Final = 1.0
"""How long a QEMU that hung up may take to end, and the other way around."""
DELAY_SECONDS: Final = 5.0
"""After so long it is said that nothing is shown yet: a QEMU may take minutes to start, or something else is there."""

_log = logging.getLogger(__name__)


Show = Callable[[Bus, Callable[[str], None]], Awaitable[None]]
"""`session.show` for a server."""


async def attach(show: Show, place: Place, environment: Mapping[str, str], task_status: trio.TaskStatus[str]) -> None:
    """Show a machine that runs already, until it ends.

    Raises:
        SourceError: It cannot be shown; also inside a group.
    """
    await _show(show, partial(_find, place, environment), task_status.started)


async def start(show: Show, command: Sequence[str], task_status: trio.TaskStatus[str]) -> None:
    """Start a machine and show it until it ends.

    Raises:
        SourceError: It cannot be started or shown, or ended with an error; also inside a group.
    """
    async with open_machine(command) as machine:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_follow_end, machine.process)
                await _show(show, machine.connect, task_status.started)
                nursery.cancel_scope.cancel()
        except* SourceError:
            await _check_end(command[0], machine.process)
            raise
        await _check_end(command[0], machine.process)


async def _follow_end(process: trio.Process) -> None:
    """Raise when a machine has ended that did not get so far that it shows on its connection."""
    await process.wait()
    await trio.sleep(END_SECONDS)
    raise SourceError("the machine ended before it could be shown")


async def _check_end(name: str, process: trio.Process) -> None:
    """Raise if a machine ended with an error, of which it has said itself what it is."""
    with trio.move_on_after(END_SECONDS):
        await process.wait()
    if process.returncode is not None and process.returncode > 0:
        raise SourceError(f"{name} ended with exit status {process.returncode}")
    if process.returncode is not None and process.returncode < 0:
        raise SourceError(f"{name} ended by signal {-process.returncode}")


async def _show(
    show: Show, connect: Callable[[], Awaitable[AbstractAsyncContextManager[Bus]]], started: Callable[[str], None]
) -> None:
    shown = trio.Event()

    def note(name: str) -> None:
        shown.set()
        started(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_tell_of_delay, shown)
        async with await connect() as bus:
            await show(bus, note)
        nursery.cancel_scope.cancel()
    if not shown.is_set():
        raise SourceError("the machine ended before it could be shown")


async def _tell_of_delay(shown: trio.Event) -> None:
    with trio.move_on_after(DELAY_SECONDS):
        await shown.wait()
        return
    _log.info("no machine is shown yet: it is waited for")


async def _find(place: Place, environment: Mapping[str, str]) -> AbstractAsyncContextManager[Bus]:
    if place.qmp is not None:
        return open_peer(await open_display_at(place.qmp))
    if place.dbus_p2p_fd is not None:
        return open_peer(_inherited(place.dbus_p2p_fd))
    address = place.dbus_address or environment.get("DBUS_SESSION_BUS_ADDRESS")
    if not address:
        raise SourceError("DBUS_SESSION_BUS_ADDRESS is not set: find the machine by --qmp or --dbus-address")
    return open_bus(address, place.bus_name, wait=place.wait)


def _inherited(descriptor: int) -> socket.socket:
    try:
        return socket.socket(fileno=descriptor)
    except OSError as error:
        text = f"descriptor {descriptor} is no socket: pass one end of a D-Bus connection to QEMU along"
        raise SourceError(text) from error
