"""QEMU's machine protocol, QMP, as far as it is needed to be handed a D-Bus connection."""

from __future__ import annotations

import array
import json
import socket
from typing import Any, Final

import trio

from spicetrio.sources.errors import SourceError

ANSWER_SECONDS: Final = 5.0
"""How long the monitor of a QEMU that runs may take to answer."""
MOST_LINE_BYTES: Final = 1024 * 1024

_DESCRIPTOR_NAME: Final = "spicetrio"


class Qmp:
    """A monitor of a QEMU.

    Args:
        sock: A connection to it.
        seconds: How long it may take to answer.
    """

    def __init__(self, sock: trio.socket.SocketType, seconds: float) -> None:
        self._socket = sock
        self._seconds = seconds
        self._buffer = b""

    async def greet(self) -> None:
        """Wait for QEMU's greeting, and enter the mode in which it takes commands.

        Raises:
            SourceError: It is no QEMU, or somebody else is using this monitor.
        """
        if "QMP" not in await self._read():
            raise SourceError("the monitor does not greet as QMP does: give the socket of -qmp, not of -monitor")
        await self.execute("qmp_capabilities")

    async def execute(self, command: str, *, fd: int | None = None, **arguments: Any) -> Any:
        """Execute a command; return its result.

        Args:
            command: Its name.
            fd: A descriptor to pass along.
            **arguments: Its arguments.

        Raises:
            SourceError: QEMU refused it, does not answer, or went away.
        """
        data = json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"
        passed = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        try:
            await self._socket.sendmsg([data], passed)  # so few bytes go in one piece
        except OSError as error:
            raise SourceError(f"the monitor hung up: {error.strerror}") from error
        while True:
            answer = await self._read()
            if "error" in answer:
                raise SourceError(f"QEMU refuses {command}: {answer['error'].get('desc')}")
            if "return" in answer:
                return answer["return"]
            # Others are events.

    async def _read(self) -> dict[str, Any]:
        with trio.move_on_after(self._seconds):
            while b"\n" not in self._buffer:
                data = await self._receive()
                self._buffer += data
                if not data or len(self._buffer) > MOST_LINE_BYTES:
                    raise SourceError("the monitor hung up, or does not speak QMP")
            line, self._buffer = self._buffer.split(b"\n", 1)
            try:
                answer = json.loads(line)
            except ValueError:
                answer = None
            if isinstance(answer, dict):
                return answer
            raise SourceError("the monitor does not speak QMP: give the socket of -qmp, not of -monitor")
        raise SourceError(
            "the monitor does not answer; it has time for one client only: "
            "give QEMU a further -qmp unix:PATH,server=on,wait=off for spicetrio alone"
        )

    async def _receive(self) -> bytes:
        try:
            return await self._socket.recv(4096)
        except OSError:
            return b""


async def open_display(sock: trio.socket.SocketType, seconds: float) -> socket.socket:
    """Have a QEMU give out a D-Bus connection to its display; return our end.

    Args:
        sock: A connection to its monitor, which is free again afterwards.
        seconds: How long that may take to answer.

    Raises:
        SourceError: It has no D-Bus display that is meant for this.
    """
    qmp = Qmp(sock, seconds)
    await qmp.greet()
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            await qmp.execute("getfd", fdname=_DESCRIPTOR_NAME, fd=theirs.fileno())
        try:
            await qmp.execute("add_client", protocol="@dbus-display", fdname=_DESCRIPTOR_NAME)
        except SourceError as error:
            raise SourceError(f"{error}; start QEMU with -display dbus,p2p=yes") from error
    except BaseException:
        ours.close()
        raise
    return ours


async def open_display_at(path: str) -> socket.socket:
    """Do so with the monitor at a path.

    Raises:
        SourceError: Nobody listens there, or as above.
    """
    with trio.socket.socket(socket.AF_UNIX) as sock:
        try:
            await sock.connect(path)
        except OSError as error:
            raise SourceError(
                f"cannot connect to the monitor at {path}: {error.strerror or error}; "
                "it is where QEMU was told to have it, by -qmp unix:PATH,server=on,wait=off"
            ) from error
        return await open_display(sock, ANSWER_SECONDS)
