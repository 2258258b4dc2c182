"""A virtual machine as the source of pixels: a QEMU that runs already, or one of our own."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from spicetrio.sources.errors import SourceError, one_source_error

if TYPE_CHECKING:
    import spicetrio

__all__ = ["Place", "serve_qemu"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a QEMU that runs already is found; by default on the session's bus."""

    qmp: str | None = None
    """The socket of its monitor (`-qmp unix:PATH,server=on,wait=off`)."""
    dbus_address: str | None = None
    """The address of a bus that it is on."""
    dbus_p2p_fd: int | None = None
    """A descriptor, inherited, of a D-Bus connection straight to it."""
    bus_name: str | None = None
    """What it is called on the bus; by default `org.qemu`."""
    wait: bool = False
    """Wait until it is on the bus."""


async def serve_qemu(
    server: spicetrio.Server,
    *,
    place: Place,
    start: Sequence[str] | None = None,
    ports: Collection[str] | None = None,
    playback: bool = True,
    record: bool = True,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Show a virtual machine to the viewers of a server, and pass on what they do.

    It opens a display of the server for each console, inputs, an agent, and what else the machine gives to D-Bus:
    ports, USB redirection, sound.

    Args:
        server: Who serves it.
        place: Where to find it.
        start: The command that starts it, instead: it ends with this.
        ports: Names of the ports that viewers get; None for all but monitors.
        playback: Viewers hear the machine.
        record: The machine hears viewers' microphones.
        task_status: Started with the name of the machine, once it is shown.

    Returns when the machine has ended.

    Cancellation: leaves the machine running, with no key or button down; one that was started here is ended.

    Raises:
        SourceError: The machine cannot be shown, or ended with an error.
    """
    if importlib.util.find_spec("jeepney") is None:
        raise SourceError("jeepney is not installed, and QEMU is spoken to through it: pip install 'spicetrio[qemu]'")
    from spicetrio.sources.qemu import attach, session

    show = partial(session.show, server, ports=ports, playback=playback, record=record)
    with one_source_error():
        if start is not None:
            await attach.start(show, start, task_status)
        else:
            await attach.attach(show, place, os.environ, task_status)
