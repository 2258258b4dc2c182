"""An X server as the source of pixels: one that runs already, or an Xvfb of our own."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import trio

from spicetrio.sources.errors import SourceError, one_source_error

if TYPE_CHECKING:
    import spicetrio

__all__ = ["COPIED_FILES_LIMIT", "serve_x11"]

COPIED_FILES_LIMIT: Final = 1024 * 1024 * 1024
"""Bytes of copied files that are kept, if nobody says otherwise."""
_NEEDED: Final = {"xcffib": "an X server", "h11": "the folder of a viewer"}


async def serve_x11(
    server: spicetrio.Server,
    *,
    display: str | None,
    start: Sequence[str] | None,
    size: tuple[int, int],
    playback: bool = False,
    record: bool = False,
    resize: bool = False,
    copied_files_limit: int = COPIED_FILES_LIMIT,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Show an X server to the viewers of a server, pass on what they do, and share its clipboards with them.

    It opens a display, inputs and an agent of the server, and playback and record if there is a sound server for them.
    If the server takes viewers' folders (`Server.open_webdav`), files that are copied at a viewer can be pasted, too.

    Args:
        server: Who serves it.
        display: The X server to attach to, as in $DISPLAY; without it and `start`, the one that $DISPLAY names.
        start: The command to run on an Xvfb of its own, which ends with it; empty for an Xvfb without one.
        size: Width and height of that Xvfb's screen in pixels.
        playback: Let viewers hear the desktop.
        record: Let the desktop hear the viewers' microphones.
        resize: Let the screen follow the size of a viewer's window.
        copied_files_limit: The most bytes of files that were copied at viewers, and are kept here for pasting.
        task_status: Started with the name of the X server, once it is shown.

    Returns when the command started has ended; a display that was attached to is shown until cancelled.

    Cancellation: ends the command and the Xvfb, and leaves no key or button down.

    Raises:
        SourceError: The X server cannot be shown, or went away.
        ValueError: Both `display` and `start` are given.
    """
    if display is not None and start is not None:
        raise ValueError("either a display or a command to start, not both")
    for library, what in _NEEDED.items():
        if importlib.util.find_spec(library) is None:
            raise SourceError(
                f"{library} is not installed, and {what} is spoken to through it: pip install 'spicetrio[x11]'"
            )
    from spicetrio.sources.x11 import session

    with one_source_error():
        if start is not None:
            await session.start(
                server,
                start,
                size,
                playback=playback,
                record=record,
                resize=resize,
                copied_files_limit=copied_files_limit,
                task_status=task_status,
            )
            return
        name = display or os.environ.get("DISPLAY")
        if not name:
            raise SourceError(
                "DISPLAY is not set: name a running display with --display :0, or run a program with --start"
            )
        await session.attach(
            server,
            name,
            playback=playback,
            record=record,
            resize=resize,
            copied_files_limit=copied_files_limit,
            task_status=task_status,
        )
