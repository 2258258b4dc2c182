"""Real virtual machines: a QEMU without acceleration whose firmware finds nothing to boot, or a small guest."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio
from PIL import Image

from spicetrio.sources.qemu.qmp import ANSWER_SECONDS, Qmp
from tests.clients.processes import need, open_child

PROGRAM = "qemu-system-x86_64"
VIDEO = "video"
"""What its graphics card is called."""
VGA = ("-device", f"VGA,id={VIDEO}")
TWO_HEADS = ("-device", f"virtio-vga,id={VIDEO},max_outputs=2")
PEER_TO_PEER = "dbus,p2p=yes"
NOTHING = "No bootable device."


@dataclass
class Machine:
    """A running QEMU."""

    process: trio.Process
    folder: Path
    monitor: Qmp

    @property
    def qmp(self) -> str:
        """A monitor that is free."""
        return str(self.folder / "qmp")

    async def monitor_command(self, line: str) -> str:
        """What the monitor for humans says to a line."""
        return str(await self.monitor.execute("human-monitor-command", **{"command-line": line}))

    async def picture(self, head: int = 0) -> Image.Image:
        """What a head of it shows, as it says itself."""
        file = self.folder / "screendump"
        await self.monitor.execute("screendump", filename=str(file), device=VIDEO, head=head, format="png")
        with Image.open(file) as image:
            return image.convert("RGB")

    async def wait_said(self, text: str, *, file: str = "firmware") -> None:
        """Wait until the firmware has said that; it says everything on the screen as well."""
        log = trio.Path(self.folder / file)
        with trio.fail_after(60):
            while text.encode() not in await log.read_bytes():  # noqa: ASYNC110
                await trio.sleep(0.02)

    async def stop(self) -> Image.Image:
        """Stop the machine, in which a cursor blinks; what it shows then."""
        await self.monitor.execute("stop")
        return await self.picture()

    async def stop_booted(self) -> Image.Image:
        """Wait until the firmware has found nothing to boot, and stop it; what it shows then."""
        await self.wait_said(NOTHING)
        return await self.stop()

    async def is_running(self) -> bool:
        return (await self.monitor.execute("query-status"))["status"] == "running"

    def memory(self) -> int:
        """Bytes that it has in memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def command(folder: Path, *options: str, card: Sequence[str] = VGA, memory: int = 32) -> list[str]:
    """How to start one."""
    return [
        PROGRAM, "-name", "tested", "-nodefaults", "-m", str(memory), "-accel", "tcg,tb-size=16", "-vga", "none", *card,
        "-chardev", f"socket,id=tests,path={folder}/tests,server=on,wait=off", "-mon", "chardev=tests,mode=control",
        "-chardev", f"file,id=firmware,path={folder}/firmware", "-device", "isa-debugcon,iobase=0x402,chardev=firmware",
        *options,
    ]  # fmt: skip


@asynccontextmanager
async def open_machine(
    folder: Path, *options: str, display: str = PEER_TO_PEER, card: Sequence[str] = VGA, memory: int = 32
) -> AsyncIterator[Machine]:
    """Run one with a D-Bus display while the block runs."""
    need(PROGRAM, "qemu-system-x86")
    line = command(folder, *options, card=card, memory=memory)
    line += ["-display", display, "-qmp", f"unix:{folder}/qmp,server=on,wait=off"]
    async with (
        open_child(line, ending=signal.SIGTERM, stdin=subprocess.DEVNULL) as process,
        open_monitor(folder / "tests") as monitor,
    ):
        yield Machine(process, folder, monitor)


@asynccontextmanager
async def open_monitor(path: Path) -> AsyncIterator[Qmp]:
    with await connect(path) as sock:
        monitor = Qmp(sock, ANSWER_SECONDS)
        await monitor.greet()
        yield monitor


BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""


@asynccontextmanager
async def open_bus(folder: Path) -> AsyncIterator[str]:
    """Run a bus; its address."""
    need("dbus-daemon", "dbus")
    path = folder / "bus"
    configuration = folder / "bus.conf"
    configuration.write_text(BUS.format(path=path))
    async with open_child(["dbus-daemon", "--nofork", f"--config-file={configuration}"]):
        (await connect(path)).close()
        yield f"unix:path={path}"


async def connect(path: Path) -> trio.socket.SocketType:
    """Connect to a socket, once somebody listens there."""
    sock = trio.socket.socket(socket.AF_UNIX)
    with trio.fail_after(20):
        while True:
            try:
                await sock.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                await trio.sleep(0.02)
            else:
                return sock


ECHO = bytes.fromhex("BAFD03 EC A801 74FB BAF803 EC FEC0 EE EBEF")
"""A program: what comes at the first serial port goes back, each byte one higher."""
BEEP = bytes.fromhex("B0B6 E643 B0A9 E642 B004 E642 E461 0C03 E661 F4 EBFD")
"""A program: the speaker beeps, at 1000 Hz."""


def boot(folder: Path, program: bytes) -> list[str]:
    """The options to boot a program."""
    floppy = folder / "floppy"
    floppy.write_bytes((program.ljust(510, b"\0") + b"\x55\xaa").ljust(1440 * 1024, b"\0"))
    return ["-drive", f"file={floppy},format=raw,if=floppy"]
