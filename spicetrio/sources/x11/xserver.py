"""An X server without a screen (Xvfb), and a program run on it."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from spicetrio.sources.errors import SourceError
from spicetrio.sources.processes import open_group
from spicetrio.sources.x11.connection import COOKIE_PROTOCOL

START_SECONDS: Final = 20.0
"""How long an Xvfb may take to be ready."""
MOST_LINE_BYTES: Final = 4096

_FAMILY_WILD: Final = 0xFFFF
_STANDARD_ERROR: Final = 2
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class XServer:
    """A running X server."""

    display: str
    """As in $DISPLAY."""
    authority: Path
    """As in $XAUTHORITY."""
    cookie: bytes
    """What a client shows to be let in."""


@asynccontextmanager
async def open_xserver(width: int, height: int) -> AsyncIterator[XServer]:
    """Run an Xvfb while the block runs. Only who can read its Xauthority file can connect to it.

    Raises:
        SourceError: It is not installed, or does not start.
    """
    if shutil.which("Xvfb") is None:
        raise SourceError(
            "Xvfb was not found: install it (Debian: apt-get install xvfb) "
            "or attach to a running display with --display :0"
        )
    with tempfile.TemporaryDirectory(prefix="spicetrio-x11-") as folder:
        authority = Path(folder, "Xauthority")
        cookie = secrets.token_bytes(16)
        await trio.Path(authority).write_bytes(authority_entry(cookie))  # in a folder that is the user's alone
        async with _open_xvfb(width, height, authority) as display:
            yield XServer(display, authority, cookie)


@asynccontextmanager
async def _open_xvfb(width: int, height: int, authority: Path) -> AsyncIterator[str]:
    reading, writing = os.pipe()
    command = [
        "Xvfb",
        "-displayfd",
        str(writing),
        "-screen",
        "0",
        f"{width}x{height}x24",
        "-auth",
        str(authority),
    ]
    # No TCP; no reset when the last program leaves; no screen saver.
    command += ["-nolisten", "tcp", "-noreset", "-s", "0"]
    async with trio.lowlevel.FdStream(reading) as numbers, AsyncExitStack() as stack:
        leftovers = stack.enter_context(ExitStack())
        try:
            group = open_group(
                command,
                pass_fds=[writing],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            process = await stack.enter_async_context(group)
        finally:
            os.close(writing)
        words = _Words(process)
        nursery = await stack.enter_async_context(trio.open_nursery())
        nursery.start_soon(words.read)
        number = b""
        with trio.move_on_after(START_SECONDS) as waiting:
            while not number.endswith(b"\n") and (data := await numbers.receive_some(16)):
                number += data
        if waiting.cancelled_caught:
            raise SourceError(f"Xvfb was not ready after {START_SECONDS:.0f} s")
        if not number.endswith(b"\n"):
            with trio.move_on_after(1):
                await words.ended.wait()
            raise SourceError(f"Xvfb does not start: {words.last}")
        leftovers.callback(_remove_leftovers, int(number), process)
        yield f":{int(number)}"
        nursery.cancel_scope.cancel()


class _Words:
    """What an X server says on standard error: of interest only if it does not start."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self.last = "it gives no reason"
        """The last line that says something."""
        self.ended = trio.Event()

    async def read(self) -> None:
        """Read until it ends."""
        assert self._process.stderr is not None
        async with self._process.stderr as stream:
            rest = b""
            async for data in stream:
                *lines, rest = (rest + data).split(b"\n")
                rest = rest[-MOST_LINE_BYTES:]
                for line in lines:
                    self._take(line.decode(errors="replace").replace("(EE)", "").strip())
        self.ended.set()

    def _take(self, line: str) -> None:
        if line:
            self.last = line
            _log.debug("Xvfb: %s", line)


def _remove_leftovers(number: int, process: trio.Process) -> None:
    """Remove the socket and the lock file of an X server that had to be killed, unless another has them by now."""
    if process.returncode != -signal.SIGKILL:
        return
    address = Path(f"/tmp/.X11-unix/X{number}")
    with socket.socket(socket.AF_UNIX) as client:
        if client.connect_ex(str(address)) == errno.ECONNREFUSED:
            address.unlink(missing_ok=True)
    lock = Path(f"/tmp/.X{number}-lock")
    with suppress(OSError, ValueError):
        if int(lock.read_text()) == process.pid:
            lock.unlink()


def authority_entry(cookie: bytes) -> bytes:
    """An Xauthority file with one cookie, for any display: the number is not known before the server runs."""
    fields = (b"", b"", COOKIE_PROTOCOL, cookie)
    return struct.pack(">H", _FAMILY_WILD) + b"".join(struct.pack(">H", len(data)) + data for data in fields)


async def run_command(
    command: Sequence[str], xserver: XServer, changes: Mapping[str, str], started: Callable[[], None]
) -> None:
    """Run a program on an X server until it ends; cancelling it ends the program and what it has started.

    Args:
        command: The program and its arguments.
        xserver: Where its windows are.
        changes: What else differs in its environment from ours.
        started: Called once it runs.

    Raises:
        SourceError: It cannot be started.
    """
    environment = {**os.environ, "DISPLAY": xserver.display, "XAUTHORITY": str(xserver.authority), **changes}
    # A toolkit that finds a Wayland session prefers it; the user's sound card is none of the session's.
    for name in ("WAYLAND_DISPLAY", "PULSE_SINK", "PULSE_SOURCE"):
        environment.pop(name, None)
    # Standard output is for the line that says where viewers connect to.
    async with open_group(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=_STANDARD_ERROR, stderr=_STANDARD_ERROR
    ) as process:
        started()
        status = await process.wait()
    if status > 0:
        _log.warning("%s ended with exit status %d", command[0], status)
    elif status < 0:
        _log.warning("%s ended by signal %d", command[0], -status)
    else:
        _log.info("%s ended", command[0])
