"""A machine that is started here: QEMU with a D-Bus display for us alone."""

from __future__ import annotations

import math
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import trio

from spicetrio.sources.errors import SourceError
from spicetrio.sources.processes import open_group
from spicetrio.sources.qemu.bus import Bus, open_bus, open_peer
from spicetrio.sources.qemu.qmp import open_display

BUS_SECONDS: Final = 5.0
"""How long a bus may take to start."""

_BUS_CONFIGURATION: Final = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
_STANDARD_ERROR: Final = 2


@dataclass(frozen=True, slots=True)
class Machine:
    """A QEMU that was started."""

    process: trio.Process
    """It."""
    monitor: trio.socket.SocketType
    """A connection to its monitor."""
    bus_address: str | None
    """The bus that it is on; None to speak with it without."""

    async def connect(self) -> AbstractAsyncContextManager[Bus]:
        """Return a block in which to speak with it, once it has started, which may take minutes.

        Raises:
            SourceError: It does not start.
        """
        if self.bus_address is not None:
            return open_bus(self.bus_address, None, wait=True)
        return open_peer(await open_display(self.monitor, math.inf))


@asynccontextmanager
async def open_machine(command: Sequence[str]) -> AsyncIterator[Machine]:
    """Run a QEMU while the block runs.

    If there is an `-audiodev dbus` in its command line, its sound goes to D-Bus as well, over a bus of its own: an old
    QEMU gives sound to nobody else.

    Args:
        command: Its command line, to which a display and a monitor are added.

    Raises:
        SourceError: It cannot be started.
    """
    if not {"-daemonize", "--daemonize"}.isdisjoint(command):
        raise SourceError("leave -daemonize away: the machine runs as long as spicetrio does")
    audio = _audio_device(command)
    async with AsyncExitStack() as stack:
        address = None
        if audio is not None and shutil.which("dbus-daemon") is not None:
            address = await stack.enter_async_context(_open_own_bus())
        display = "dbus,p2p=yes" if address is None else f"dbus,addr={address}"
        ours, theirs = socket.socketpair()
        monitor = stack.enter_context(trio.socket.from_stdlib_socket(ours))
        with theirs:
            # Standard output is for the line that says where viewers connect to.
            group = open_group(
                [
                    *command,
                    *("-display", display if audio is None else f"{display},audiodev={audio}"),
                    *("-chardev", f"socket,id=spicetrio-monitor,fd={theirs.fileno()}"),
                    *("-mon", "chardev=spicetrio-monitor,mode=control"),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=_STANDARD_ERROR,
                stderr=_STANDARD_ERROR,
            )
            process = await stack.enter_async_context(group)
        yield Machine(process, monitor, address)


def _audio_device(command: Sequence[str]) -> str | None:
    """Return the id of what plays to D-Bus, if something does."""
    for option, value in pairwise(command):
        driver, *settings = value.split(",")
        if option in ("-audiodev", "--audiodev") and driver.removeprefix("driver=") == "dbus":
            return next((text.removeprefix("id=") for text in settings if text.startswith("id=")), None)
    return None


@asynccontextmanager
async def _open_own_bus() -> AsyncIterator[str]:
    """Run a bus while the block runs that only this user can connect to; its address."""
    with tempfile.TemporaryDirectory(prefix="spicetrio-qemu-") as folder:
        path = Path(folder, "bus")
        configuration = trio.Path(folder, "bus.conf")
        await configuration.write_text(_BUS_CONFIGURATION.format(path=path))
        async with open_group(
            ["dbus-daemon", "--nofork", "--print-address=1", f"--config-file={configuration}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            async with process.stdout as said:
                ready = False
                with trio.move_on_after(BUS_SECONDS):
                    ready = bool(await said.receive_some(4096))
                if not ready:
                    raise SourceError("dbus-daemon does not start, and the machine's sound goes over a bus")
                yield f"unix:path={path}"
