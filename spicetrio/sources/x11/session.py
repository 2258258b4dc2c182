"""A session: an X server shown by a server's display, and worked by its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

import trio

import spicetrio
from spicetrio.sources.errors import SourceError
from spicetrio.sources.x11.capture import Capture, screen_size
from spicetrio.sources.x11.connection import open_connection
from spicetrio.sources.x11.cursor import Cursor
from spicetrio.sources.x11.input import Input
from spicetrio.sources.x11.selection import Selections
from spicetrio.sources.x11.xserver import XServer, open_xserver, run_command


async def attach(server: spicetrio.Server, display: str, task_status: trio.TaskStatus[str]) -> None:
    """Show an X server that runs already, until cancelled.

    Raises:
        SourceError: It cannot be shown, or went away; also inside a group.
    """
    await _show(server, display, None, (), task_status)


async def start(
    server: spicetrio.Server, command: Sequence[str], size: tuple[int, int], task_status: trio.TaskStatus[str]
) -> None:
    """Start an X server and a program on it, and show them until the program ends.

    Raises:
        SourceError: One of them cannot be started, or the X server went away; also inside a group.
    """
    async with open_xserver(*size) as xserver:
        await _show(server, xserver.display, xserver, command, task_status)


async def _show(
    server: spicetrio.Server,
    name: str,
    own: XServer | None,
    command: Sequence[str],
    task_status: trio.TaskStatus[str],
) -> None:
    async with open_connection(name, own.cookie if own else None) as connection:
        width, height = await screen_size(connection)
        async with AsyncExitStack() as stack:
            try:
                display = await stack.enter_async_context(server.open_display(width, height))
            except ValueError as error:
                raise SourceError(f"the screen at {name} cannot be shown: {error}") from error
            agent = await stack.enter_async_context(server.open_agent())
            inputs = await stack.enter_async_context(server.open_inputs())
            nursery = await stack.enter_async_context(trio.open_nursery())
            nursery.start_soon(Capture(connection, display).run)
            nursery.start_soon(Cursor(connection, display).run)
            nursery.start_soon(Input(connection, display, inputs).run)
            nursery.start_soon(Selections(connection, agent.clipboards).run)
            task_status.started(name)
            if own and command:
                await run_command(command, own)
                nursery.cancel_scope.cancel()
