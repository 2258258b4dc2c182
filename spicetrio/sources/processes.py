"""Programs that end with the block that started them, whatever they think of it."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import trio

from spicetrio.sources.errors import SourceError

TERMINATION_SECONDS: Final = 3.0
"""How long a program may take to end when it is asked to."""
_POLL_SECONDS: Final = 0.02


@asynccontextmanager
async def open_group(command: Sequence[str], **options: Any) -> AsyncIterator[trio.Process]:
    """Run a program in a session, and so a process group, of its own, which is ended with the block.

    The user's Ctrl-C reaches only the group of the terminal: this program decides itself what ends, and in what order.

    Raises:
        SourceError: It cannot be started.
    """
    try:
        process = await trio.lowlevel.open_process(command, start_new_session=True, **options)
    except OSError as error:
        raise SourceError(f"{command[0]} cannot be started: {error.strerror}") from error
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            await _end_group(process)


async def _end_group(process: trio.Process) -> None:
    """Ask the group to end, wait a little, and kill what is left of it."""
    with trio.move_on_after(TERMINATION_SECONDS):
        _signal_group(process, signal.SIGTERM)
        _signal_group(process, signal.SIGCONT)
        await process.wait()
        # What the program has started is nobody's child here, so that it cannot be waited for.
        while _signal_group(process, 0):  # noqa: ASYNC110
            await trio.sleep(_POLL_SECONDS)
    _signal_group(process, signal.SIGKILL)
    await process.wait()


def _signal_group(process: trio.Process, number: int) -> bool:
    """Send a signal; False if nobody is left to get it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
        return True
    return False
