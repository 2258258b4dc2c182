"""Real machines: their pictures, keys and pointers, and the ways to them."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
import trio

import spicetrio
from spicetrio.sources.errors import SourceError
from spicetrio.sources.qemu import Place, serve_qemu
from spicetrio.sources.qemu.qmp import open_display_at
from tests.sources.qemu.machine import NOTHING, TWO_HEADS, Machine, command, open_bus, open_machine, open_monitor
from tests.sources.qemu.stage import VIEWER, descriptors, open_stage

ESCAPE, ENTER = 0x01, 0x1C
MENU = ("-boot", "menu=on,splash-time=20000")
"""The firmware waits for Escape for 20 s."""


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with open_machine(tmp_path) as machine:
        yield machine


async def refusal(place: Place) -> str:
    """The line that says why a machine is not shown."""
    async with spicetrio.open_server(
        port=None, unix=f"@spicetrio-refusal-{os.getpid()}", disable_ticketing=True
    ) as server:
        with pytest.raises(SourceError) as error, trio.fail_after(15):
            await serve_qemu(server, place=place)
    assert "\n" not in str(error.value)
    return str(error.value)


async def test_a_display_shows_what_the_machine_does(machine: Machine) -> None:
    async with open_stage(Place(qmp=machine.qmp)) as stage:
        await stage.wait_shows(await machine.stop_booted())


async def test_a_machine_is_shown_from_its_first_mode_on(tmp_path: Path) -> None:
    """It changes its mode several times, and tells parts of the new picture before its size."""
    async with open_machine(tmp_path, "-S") as machine, open_stage(Place(qmp=machine.qmp)) as stage:
        await machine.monitor.execute("cont")
        await stage.wait_shows(await machine.stop_booted())


async def test_a_machine_on_a_bus(tmp_path: Path) -> None:
    async with open_bus(tmp_path) as address, open_machine(tmp_path, display=f"dbus,addr={address}") as machine:
        async with open_stage(Place(dbus_address=address, wait=True)) as stage:
            await stage.wait_shows(await machine.stop_booted())
        async with open_stage(Place(dbus_address=address, bus_name="org.qemu")) as stage:
            await stage.wait_shows(await machine.picture())
            machine.process.kill()
            with trio.fail_after(5):
                await stage.ended.wait()
        assert "org.qemu" in await refusal(Place(dbus_address=address))


async def test_a_machine_that_comes_to_the_bus_later(tmp_path: Path) -> None:
    async with open_bus(tmp_path) as address, trio.open_nursery() as nursery:
        shown = trio.Event()

        async def show() -> None:
            async with open_stage(Place(dbus_address=address, wait=True)):
                shown.set()

        nursery.start_soon(show)
        await trio.sleep(0.2)
        async with open_machine(tmp_path, display=f"dbus,addr={address}"):
            with trio.fail_after(10):
                await shown.wait()


async def test_a_connection_that_somebody_else_has_opened(machine: Machine) -> None:
    connection = await open_display_at(machine.qmp)
    async with open_stage(Place(dbus_p2p_fd=connection.detach())) as stage:
        await stage.wait_shows(await machine.stop_booted())


async def test_detach_and_attach_again(machine: Machine) -> None:
    await machine.wait_said(NOTHING)
    for _ in range(3):
        async with open_stage(Place(qmp=machine.qmp)) as stage:
            await stage.wait_shows(await machine.stop())
            await machine.monitor.execute("cont")
    assert await machine.is_running()


async def test_who_comes_second_has_the_machine_and_the_first_ends(machine: Machine) -> None:
    await machine.stop_booted()
    async with open_stage(Place(qmp=machine.qmp)) as first, open_stage(Place(qmp=machine.qmp), name="second") as second:
        await second.wait_shows(await machine.picture())
        with trio.fail_after(5):
            await first.ended.wait()
        assert not second.ended.is_set()


async def test_several_may_look_at_a_machine_on_a_bus(tmp_path: Path) -> None:
    async with open_bus(tmp_path) as address, open_machine(tmp_path, display=f"dbus,addr={address}") as machine:
        place = Place(dbus_address=address, wait=True)
        async with open_stage(place) as first, open_stage(place, name="second") as second:
            picture = await machine.stop_booted()
            await first.wait_shows(picture)
            await second.wait_shows(picture)


async def test_an_error_is_one_line_although_there_are_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spicetrio.sources.qemu.listener._CONSOLE", "org.qemu.Display1.None")
    async with open_machine(tmp_path, "-serial", "vc") as machine:
        assert "video cannot be shown" in await refusal(Place(qmp=machine.qmp))


async def test_every_head_is_a_display(tmp_path: Path) -> None:
    async with open_machine(tmp_path, card=TWO_HEADS) as machine, open_stage(Place(qmp=machine.qmp)) as stage:
        await stage.wait_shows(await machine.stop_booted(), 0)
        await stage.wait_shows(await machine.picture(head=1), 1)
        assert len(stage.displays) == 2


async def test_keys_reach_the_firmware(tmp_path: Path) -> None:
    async with open_machine(tmp_path, *MENU) as machine, open_stage(Place(qmp=machine.qmp)) as stage:
        await machine.wait_said("Press ESC for boot menu")
        stage.tap(ESCAPE)
        await machine.wait_said("Select boot device")
        await machine.wait_said("\n1. ")
        await stage.wait_shows(await machine.stop())


async def test_a_mouse_that_takes_no_positions(machine: Machine) -> None:
    async with open_stage(Place(qmp=machine.qmp)) as stage:
        assert not stage.inputs.absolute
        stage.inputs.put(spicetrio.PointerMotion(3, 4, VIEWER))
        stage.inputs.put(spicetrio.PointerPosition(3, 4, 0, VIEWER))  # refused, and no harm
        for button in range(1, 17):
            stage.inputs.put(spicetrio.ButtonEvent(button, True, VIEWER))
            stage.inputs.put(spicetrio.ButtonEvent(button, False, VIEWER))
        stage.inputs.put(spicetrio.WheelEvent(-2, VIEWER))
        stage.tap(ENTER)
        await stage.wait_shows(await machine.stop_booted())


async def test_a_machine_that_takes_its_time_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr("spicetrio.sources.qemu.attach.DELAY_SECONDS", 0.1)
    monkeypatch.setattr("spicetrio.sources.qemu.qmp.ANSWER_SECONDS", 0.2)
    slowly = ["sh", "-c", 'sleep 0.5; exec "$0" "$@"', *command(tmp_path)]
    async with open_stage(start=slowly) as stage, open_monitor(tmp_path / "tests") as monitor:
        await stage.wait_shows(await Machine(cast(trio.Process, None), tmp_path, monitor).stop_booted())
    assert "no machine is shown yet" in caplog.text


async def test_a_machine_that_would_outlive_its_server_is_not_started(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="-daemonize"):
        await serve_qemu(cast(spicetrio.Server, None), place=Place(), start=[*command(tmp_path), "-daemonize"])


async def test_the_end_of_the_machine_is_the_end_of_the_source(machine: Machine) -> None:
    async with open_stage(Place(qmp=machine.qmp)) as stage:
        machine.process.kill()
        with trio.fail_after(5):
            await stage.ended.wait()


async def test_a_machine_that_is_stopped_is_shown_and_goes_on(machine: Machine) -> None:
    await machine.stop_booted()
    async with open_stage(Place(qmp=machine.qmp)) as stage:
        await stage.wait_shows(await machine.picture())
    await machine.monitor.execute("cont")
    assert await machine.is_running()


async def test_nothing_is_left_of_a_source(machine: Machine) -> None:
    before = descriptors()
    async with open_stage(Place(qmp=machine.qmp)) as stage:
        await stage.wait_shows(await machine.stop_booted())
    assert descriptors() == before


async def test_a_monitor_that_is_in_use(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spicetrio.sources.qemu.qmp.ANSWER_SECONDS", 0.3)
    assert "one client only" in await refusal(Place(qmp=str(machine.folder / "tests")))


async def test_a_machine_with_another_display(tmp_path: Path) -> None:
    async with open_machine(tmp_path, display="none") as machine:
        assert "-display dbus,p2p=yes" in await refusal(Place(qmp=machine.qmp))


async def test_a_machine_without_a_console(tmp_path: Path) -> None:
    async with open_machine(tmp_path, card=()) as machine:
        assert "graphics card" in await refusal(Place(qmp=machine.qmp))


async def test_places_where_no_machine_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    assert "No such file" in await refusal(Place(qmp=str(tmp_path / "none")))
    assert "too long" in await refusal(Place(qmp="/" + "x" * 200))
    assert "No such file" in await refusal(Place(dbus_address=f"unix:path={tmp_path}/none"))
    assert "too long" in await refusal(Place(dbus_address="unix:path=/" + "x" * 200))
    assert "unix:path=" in await refusal(Place(dbus_address="tcp:host=localhost"))
    assert "unix:path=" in await refusal(Place(dbus_address="/run/user/0/bus"))
    assert "--qmp" in await refusal(Place())
    with (tmp_path / "file").open("wb") as file:
        assert "no socket" in await refusal(Place(dbus_p2p_fd=file.fileno()))
    ours, theirs = socket.socketpair()
    theirs.close()
    assert "hung up" in await refusal(Place(dbus_p2p_fd=ours.detach()))
