"""A session: an X server shown by a server's display, and worked by its inputs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

import trio

import spicetrio
from spicetrio.sources.copiedfiles import open_copied_files
from spicetrio.sources.errors import SourceError
from spicetrio.sources.x11.capture import Capture, screen_size
from spicetrio.sources.x11.connection import XConnection, open_connection
from spicetrio.sources.x11.cursor import Cursor
from spicetrio.sources.x11.input import Input
from spicetrio.sources.x11.monitors import MOST_MONITORS, Monitors
from spicetrio.sources.x11.selection import Selections
from spicetrio.sources.x11.sound import open_sound
from spicetrio.sources.x11.xserver import open_xserver, run_command

ROOM: Final = (7680, 4320)
"""Width and height up to which a screen that is started can be resized. An Xvfb takes the memory for it at once."""

_log = logging.getLogger(__name__)


async def attach(
    server: spicetrio.Server,
    display: str,
    *,
    playback: bool,
    record: bool,
    resize: bool,
    copied_files_limit: int,
    task_status: trio.TaskStatus[str],
) -> None:
    """Show an X server that runs already, until cancelled, and carry the sound of its user's sound server.

    Raises:
        SourceError: It cannot be shown, or went away; also inside a group.
    """
    async with (
        open_connection(display) as connection,
        open_sound(server, own=False, playback=playback, record=record),
        _showing(server, connection, resize, copied_files_limit),
    ):
        task_status.started(display)
        await trio.sleep_forever()


async def start(
    server: spicetrio.Server,
    command: Sequence[str],
    size: tuple[int, int],
    *,
    playback: bool,
    record: bool,
    resize: bool,
    copied_files_limit: int,
    task_status: trio.TaskStatus[str],
) -> None:
    """Start an X server, a sound server and a program, and show them until the program ends.

    Raises:
        SourceError: One of them cannot be started, or the X server went away; also inside a group.
    """
    width, height = size
    room = (max(width, ROOM[0]), max(height, ROOM[1])) if resize else size
    async with (
        open_xserver(*room) as xserver,
        open_sound(server, own=True, playback=playback, record=record) as environment,
        open_connection(xserver.display, xserver.cookie) as connection,
    ):
        if resize:
            await Monitors(connection).change([spicetrio.Rect(0, 0, width, height)])
        async with _showing(server, connection, resize, copied_files_limit):
            started = partial(task_status.started, xserver.display)
            if command:
                await run_command(command, xserver, environment, started)
            else:
                started()
                await trio.sleep_forever()


@asynccontextmanager
async def _showing(
    server: spicetrio.Server, connection: XConnection, resize: bool, copied_files_limit: int
) -> AsyncIterator[None]:
    """Show an X server while the block runs."""
    width, height = await screen_size(connection)
    async with AsyncExitStack() as stack:
        try:
            display = await stack.enter_async_context(server.open_display(width, height))
        except ValueError as error:
            raise SourceError(f"the screen at {connection.display} cannot be shown: {error}") from error
        inputs = await stack.enter_async_context(server.open_inputs())
        agent = await stack.enter_async_context(server.open_agent())
        files = None
        if server.shared_folder is not None:
            files = await stack.enter_async_context(open_copied_files(server.shared_folder, copied_files_limit))
        nursery = await stack.enter_async_context(trio.open_nursery())
        if resize and connection.randr is None:
            _log.warning("the X server at %s has no RANDR extension, and keeps its size", connection.display)
            resize = False
        nursery.start_soon(Capture(connection, display, MOST_MONITORS if resize else 0).run)
        nursery.start_soon(Cursor(connection, display).run)
        nursery.start_soon(Input(connection, display, inputs).run)
        nursery.start_soon(Selections(connection, agent.clipboards, files).run)
        if resize:
            nursery.start_soon(Monitors(connection).follow, agent.monitors)
        yield
        nursery.cancel_scope.cancel()
