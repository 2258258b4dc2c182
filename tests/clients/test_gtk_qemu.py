"""Virtual machines served by the command `spicetrio qemu`, seen and worked with through spice-gtk."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.sources.qemu.machine import NOTHING, TWO_HEADS, Machine, command, open_machine, open_monitor

from .command import Command, open_command
from .gtk import GtkClient, OpenGtk, Picture

ESCAPE = 0x01
MOST_GROWTH = 8 * 1024 * 1024
"""Of a machine's memory; what waits for a reader that does not read is more than 100 MB by then."""
MENU = ("-boot", "menu=on,splash-time=20000")


@asynccontextmanager
async def open_served(machine: Machine, *options: str) -> AsyncIterator[Command]:
    """Serve a machine by the command."""
    async with open_command("qemu", "--qmp", machine.qmp, "--port", "0", "--disable-ticketing", *options) as served:
        yield served


async def stop_shown(machine: Machine, viewer: GtkClient) -> Picture:
    """Stop a machine, and return what it shows then and a viewer of QEMU's own server shows as well.

    That server stops with the machine, and can have kept back a blink of the cursor.
    """
    while True:
        picture = Picture.of_image(await machine.stop())
        try:
            await viewer.wait_equal(picture, timeout=1)
        except AssertionError:
            await machine.monitor.execute("cont")
            await trio.sleep(0.1)
        else:
            return picture


@pytest.fixture
def spice(tmp_path: Path) -> str:
    """Where QEMU's own server listens if it is told so."""
    return f"{tmp_path}/spice"


async def test_the_picture_is_that_of_the_server_within_qemu(gtk: OpenGtk, tmp_path: Path, spice: str) -> None:
    built_in = ("-spice", f"unix=on,addr={spice},disable-ticketing=on")
    async with (
        open_machine(tmp_path, *MENU, *built_in, card=TWO_HEADS) as machine,
        open_served(machine) as served,
        gtk(served.address) as viewer,
        gtk(f"spice+unix://{spice}") as other,
    ):
        await machine.wait_said("Press ESC for boot menu")
        await viewer.wait_channels("inputs:0", "display:1")
        await viewer.tap(ESCAPE)
        await machine.wait_said("Select boot device")
        await machine.wait_said("\n1. ")
        await viewer.wait_equal(await stop_shown(machine, other))
        second = Picture.of_image(await machine.picture(head=1))
        await viewer.wait_picture(display=1)
        await viewer.wait_equal(second, display=1)
        await other.wait_picture(display=1)
        await other.wait_equal(second, display=1)


async def test_another_server_takes_over_from_one_that_was_killed(gtk: OpenGtk, tmp_path: Path) -> None:
    async with open_machine(tmp_path) as machine:
        await machine.wait_said(NOTHING)
        with pytest.RaisesGroup(pytest.RaisesExc(AssertionError, match="exit status -9")):
            async with open_served(machine) as served:
                async with gtk(served.address) as viewer:
                    await viewer.wait_equal(Picture.of_image(await machine.stop()))
                await machine.monitor.execute("cont")
                served.process.kill()
                await served.process.wait()
        assert await machine.is_running()
        async with open_served(machine) as served, gtk(served.address) as viewer:
            await viewer.wait_equal(Picture.of_image(await machine.stop()))


async def test_viewers_are_told_when_the_machine_ends(gtk: OpenGtk, tmp_path: Path) -> None:
    async with open_machine(tmp_path) as machine, open_served(machine) as served, gtk(served.address) as viewer:
        await viewer.wait_channels("inputs:0")
        machine.process.kill()
        with trio.fail_after(5):
            assert await served.process.wait() == 0
        await viewer.wait_event("channel-event", channel="main:0", what="closed")


async def test_a_machine_that_is_started(gtk: OpenGtk, tmp_path: Path) -> None:
    line = command(tmp_path)
    async with (
        open_command("qemu", "--port", "0", "--disable-ticketing", "--", *line) as served,
        open_monitor(tmp_path / "tests") as monitor,
        gtk(served.address) as viewer,
    ):
        machine = Machine(served.process, tmp_path, monitor)
        await viewer.wait_equal(Picture.of_image(await machine.stop_booted()))
        await monitor.execute("quit")
        with trio.fail_after(5):
            assert await served.process.wait() == 0


async def test_a_machine_that_was_started_ends_with_the_command(tmp_path: Path) -> None:
    line = command(tmp_path)
    async with open_command("qemu", "--port", "0", "--disable-ticketing", "--", *line) as served:
        async with open_monitor(tmp_path / "tests") as monitor:
            assert await monitor.execute("query-status")
        assert await served.interrupt() == 0
    assert not await trio.Path(tmp_path / "tests").exists()


async def boot_again(machine: Machine) -> None:
    """Have its picture change a lot."""
    for _ in range(20):
        await machine.monitor.execute("system_reset")
        await trio.sleep(0.1)


async def test_a_viewer_that_reads_nothing_costs_the_machine_nothing(gtk: OpenGtk, tmp_path: Path) -> None:
    async with open_machine(tmp_path) as machine, open_served(machine) as served:
        await machine.wait_said(NOTHING)
        async with gtk(served.address) as one, gtk(served.address) as other, gtk(served.address) as stalled:
            stalled.stop()
            await boot_again(machine)
            before = machine.memory()
            await boot_again(machine)
            assert machine.memory() - before < MOST_GROWTH
            picture = Picture.of_image(await machine.stop())
            await one.wait_equal(picture)
            await other.wait_equal(picture)
            stalled.process.send_signal(signal.SIGCONT)
            await stalled.wait_equal(picture)
