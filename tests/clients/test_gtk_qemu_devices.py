"""What virtual machines have besides consoles, used through spice-gtk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trio

from spicetrio import Rect
from spicetrio.wire import agent
from spicetrio.wire.agent import Dialect
from spicetrio.wire.agentstream import chunk, frame
from spicetrio.wire.enums import AgentCapability, AgentPort
from spicetrio.wire.link import Capabilities
from tests.sources.qemu.guest import make_guest
from tests.sources.qemu.machine import BEEP, ECHO, TWO_HEADS, Machine, boot, command, open_bus, open_machine

from .command import Command, open_command
from .gtk import CLIENT_MOUSE, GtkClient, OpenGtk
from .test_gtk_qemu import open_served

SERIAL = ("-chardev", "dbus,id=serial,name=org.qemu.console.serial.0", "-serial", "chardev:serial")
MONITOR = ("-chardev", "dbus,id=monitor,name=org.qemu.monitor.hmp.0", "-mon", "chardev=monitor,mode=readline")
NAMED = ("--vt-chardev", "org.qemu.console.serial.0", "--vt-chardev", "org.qemu.monitor.hmp.0")
USB = (
    "-device", "usb-ehci",
    "-chardev", "dbus,id=usb0,name=org.qemu.usbredir", "-device", "usb-redir,chardev=usb0",
    "-chardev", "dbus,id=usb1,name=org.qemu.usbredir", "-device", "usb-redir,chardev=usb1",
)  # fmt: skip
AGENT = (
    "-device", "virtio-serial-pci", "-chardev", "dbus,id=agent,name=com.redhat.spice.0",
    "-device", "virtserialport,chardev=agent,name=com.redhat.spice.0",
)  # fmt: skip
AGENT_SCRIPT = """\
exec </dev/ttyS0 >/dev/ttyS0
echo ready
read line
exec 3<>/dev/vport1p1
printf '{}' >&3
head -c 8 <&3 | od -An -tx1
"""
"""Says that it is there, waits for a line, and then is an agent: says something, and shows how the answer begins."""
TABLET = ("-device", "virtio-tablet-pci")


async def wait_port(viewer: GtkClient, channel: str, expected: bytes) -> None:
    """Wait until that has come from a port."""
    said = b""
    while expected not in said:
        said = await viewer.port_data(channel, len(said) + 1)


async def test_serial_and_monitor_are_ports(gtk: OpenGtk, tmp_path: Path) -> None:
    async with (
        open_machine(tmp_path, *boot(tmp_path, ECHO), *MONITOR, *SERIAL) as machine,
        open_served(machine, *NAMED) as served,
    ):
        await machine.wait_said("Booting from 0000:7c00")
        for _ in range(2):  # each viewer finds them open
            async with gtk(served.address) as viewer:
                await viewer.wait_channels("port:0", "port:1")
                await viewer.port_write("port:1", b"HAL")
                assert await viewer.port_data("port:1", 3) == b"IBM"
                await viewer.port_write("port:0", b"info name\n")
                await wait_port(viewer, "port:0", b"tested")


async def test_a_usb_device_of_a_viewer_is_plugged_in_while_the_viewer_stays(gtk: OpenGtk, tmp_path: Path) -> None:
    disc = tmp_path / "disc.iso"
    disc.write_bytes(bytes(1024 * 1024))

    async def wait_plugged(plugged: bool) -> None:
        with trio.fail_after(10):
            while ("480 Mb/s" in await machine.monitor_command("info usb")) != plugged:  # noqa: ASYNC110
                await trio.sleep(0.05)

    async with open_machine(tmp_path, *USB) as machine, open_served(machine) as served:
        async with gtk(served.address, devices={"usbredir": True}) as viewer:
            await viewer.wait_event("channel-new", channel="usbredir:1")
            await viewer.share_cd(disc)
            assert "message" not in await viewer.wait_event("usb-connected")
            await wait_plugged(True)
        await wait_plugged(False)


async def test_the_beep_of_a_machine_is_heard(gtk: OpenGtk, tmp_path: Path) -> None:
    async with (
        open_bus(tmp_path) as address,
        open_machine(tmp_path, *beeping(tmp_path), display=f"dbus,addr={address},audiodev=sound"),
        open_command("qemu", "--port", "0", "--disable-ticketing", "--dbus-address", address, "--wait") as served,
        gtk(served.address, channels=["display", "playback"]) as viewer,
    ):
        await check_beep(viewer)


async def test_the_beep_of_a_machine_that_is_started_is_heard(gtk: OpenGtk, tmp_path: Path) -> None:
    line = command(tmp_path, *beeping(tmp_path))
    async with (
        open_command("qemu", "--port", "0", "--disable-ticketing", "--", *line) as served,
        gtk(served.address, channels=["display", "playback"]) as viewer,
    ):
        await check_beep(viewer)


def beeping(folder: Path) -> list[str]:
    """The options of a machine whose speaker beeps."""
    sound = ["-audiodev", "dbus,id=sound,out.frequency=48000", "-machine", "pcspk-audiodev=sound"]
    return [*boot(folder, BEEP), *sound]


async def check_beep(viewer: GtkClient) -> None:
    await viewer.wait_event("playback-start", frequency=48000)
    samples = np.frombuffer(await viewer.sound(0.5), "<i2").reshape(-1, 2)[:, 0]
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert abs(spectrum.argmax() * 48000 / len(samples) - 1000) < 10


async def test_a_guest_follows_a_viewers_monitors_and_takes_its_pointer(gtk: OpenGtk, tmp_path: Path) -> None:
    """Without an agent in it; and then one comes."""
    announcement = agent.AnnounceCapabilities(1, Capabilities({AgentCapability.CLIPBOARD_BY_DEMAND}))
    said = chunk(AgentPort.CLIENT, frame(announcement, Dialect()))
    guest = make_guest(tmp_path, AGENT_SCRIPT.format("".join(f"\\x{byte:02x}" for byte in said)))
    log = ("-chardev", f"dbus,id=serial,name=org.qemu.console.serial.0,logfile={tmp_path}/serial", *SERIAL[2:])
    options = [*guest.options("vt.global_cursor_default=0"), *AGENT, *TABLET, *log]
    async with (
        open_machine(tmp_path, *options, card=TWO_HEADS, memory=128) as machine,
        open_served(machine) as served,
    ):
        await machine.wait_said("ready", file="serial")
        await use_guest(gtk, machine, served)


async def use_guest(gtk: OpenGtk, machine: Machine, served: Command) -> None:
    async with gtk(served.address) as viewer:
        await viewer.wait_channels("main:0", "inputs:0", "port:0", "display:1")
        await viewer.wait_get("main:0", "mouse-mode", CLIENT_MOUSE)
        await viewer.ask_for_monitors(Rect(0, 0, 800, 600), Rect(800, 0, 1440, 480))
        with trio.fail_after(20):
            while (await machine.picture()).size != (800, 600):  # noqa: ASYNC110
                await trio.sleep(0.1)
        await viewer.wait_event("primary-create", width=800, height=600)
        mark = len(viewer.events)
        await viewer.port_write("port:0", b"go\n")
        await viewer.wait_event("agent", after=mark, connected=False)
        await viewer.wait_event("agent", after=mark, connected=True)
        await viewer.wait_capability(AgentCapability.CLIPBOARD_BY_DEMAND)
        await wait_port(viewer, "port:0", AgentPort.CLIENT.to_bytes(4, "little").hex(" ").encode())
