"""What comes on a connection to QEMU's objects, from QEMU and from others on its bus."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jeepney
import jeepney.io.trio
import pytest
import trio

from spicetrio.sources.errors import SourceError
from spicetrio.sources.qemu.bus import Bus, open_bus, open_peer
from tests.sources.qemu.machine import open_bus as open_daemon
from tests.sources.qemu.peer import PROPERTIES, Peer

CONSOLE = "org.qemu.Display1.Console"
BUS = jeepney.DBusAddress("/org/freedesktop/DBus", bus_name="org.freedesktop.DBus", interface="org.freedesktop.DBus")


@asynccontextmanager
async def open_fake() -> AsyncIterator[tuple[socket.socket, Peer]]:
    """A socket, and a QEMU at its other end that lets in whoever comes."""
    ours, theirs = socket.socketpair()
    peer = Peer(theirs)
    with peer.socket:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.authenticate)
            yield ours, peer
            nursery.cancel_scope.cancel()


def signal(interface: str, member: str, signature: str, *body: Any, sender: str | None = None) -> jeepney.Message:
    address = jeepney.DBusAddress("/org/qemu/Display1/Console_0", bus_name=sender, interface=interface)
    return jeepney.new_signal(address, member, signature, body)


async def test_a_message_is_understood_however_it_comes() -> None:
    seen: list[Any] = []
    async with open_fake() as (sock, peer), open_peer(sock) as bus:
        bus.watch("/org/qemu/Display1/Console_0", CONSOLE, seen.append)
        data = signal(PROPERTIES, "PropertiesChanged", "sa{sv}as", CONSOLE, {"Width": ("u", 7)}, []).serialise(1)
        for at in range(0, len(data), 7):
            await peer.send(data[at : at + 7])
        answer = await peer.call("org.freedesktop.DBus.Introspectable", "Introspect")
    assert seen == [{"Width": 7}]
    assert answer.header.message_type is jeepney.MessageType.error, "nothing here can be called, and that is said"


async def test_who_is_cancelled_along_with_the_connection_is_still_answered() -> None:
    """Keys are released then."""
    async with open_fake() as (sock, peer), trio.open_nursery() as nursery:

        async def answer() -> None:
            await peer.answer(await peer.receive())

        nursery.start_soon(answer)
        with trio.fail_after(5), trio.CancelScope() as scope:
            async with open_peer(sock) as bus:
                scope.cancel()
                try:
                    await trio.sleep_forever()
                finally:
                    with trio.CancelScope(shield=True):
                        assert await bus.call("/a", "org.qemu.A", "Release") == ()


async def test_who_was_given_a_socket_is_let_in_as_who_made_it() -> None:
    """As libvirt makes them, and gives them to whoever may use it."""
    us = os.geteuid()
    user = 65534 if us == 0 else us
    os.seteuid(user)
    try:
        ours, theirs = socket.socketpair()
    finally:
        os.seteuid(us)
    peer = Peer(theirs)
    said = b""

    async def let_in() -> None:
        nonlocal said
        said = await peer.authenticate()

    with peer.socket:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(let_in)
            async with open_peer(ours):
                pass
    assert said.startswith(b"\0AUTH EXTERNAL " + str(user).encode().hex().encode() + b"\r\n")


BAD = {
    "no D-Bus": b"GET / HTTP/1.1\r\n\r\n",
    "a message without an end": b"l\x02\x00\x01\xff\xff\xff\xf0\x01\0\0\0\0\0\0\0",
    "a head of nonsense": b"l\x04\x00\x01\0\0\0\0\x01\0\0\0\x08\0\0\0\xff\x01s\0\xff\xff\xff\xff",
    "other things than were announced": signal(PROPERTIES, "PropertiesChanged", "s", CONSOLE).serialise(1),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
async def test_what_makes_no_sense_is_said_in_one_line(data: bytes) -> None:
    async with open_fake() as (sock, peer):
        with pytest.RaisesGroup(pytest.RaisesExc(SourceError, match="makes no sense")), trio.fail_after(5):
            async with open_peer(sock):
                await peer.send(data)
                await trio.sleep_forever()


@asynccontextmanager
async def on_bus(address: str) -> AsyncIterator[jeepney.io.trio.DBusConnection]:
    """Somebody on a bus."""
    connection = await jeepney.io.trio.open_dbus_connection(address)
    async with connection:
        yield connection


async def ask(connection: jeepney.io.trio.DBusConnection, member: str, signature: str = "", *body: Any) -> Any:
    """What a bus answers."""
    async with connection.router() as router:
        return (await router.send_and_get_reply(jeepney.new_method_call(BUS, member, signature or None, body))).body


@asynccontextmanager
async def open_named(address: str, name: str | None = None) -> AsyncIterator[jeepney.io.trio.DBusConnection]:
    """Somebody on a bus with QEMU's name, or in line for it."""
    async with on_bus(address) as connection:
        await ask(connection, "RequestName", "su", name or "org.qemu", 0)
        yield connection


async def test_a_stranger_on_the_bus_cannot_speak_for_qemu_or_the_bus(tmp_path: Path) -> None:
    seen: list[Any] = []
    async with (
        open_daemon(tmp_path) as address,
        open_named(address) as qemu,
        on_bus(address) as stranger,
        open_bus(address, None, wait=False) as bus,
    ):
        bus.watch("/org/qemu/Display1/Console_0", CONSOLE, seen.append)
        (names,) = await ask(stranger, "ListNames")
        (us,) = {name for name in names if name.startswith(":")} - {qemu.unique_name, stranger.unique_name}
        forged = (
            signal("org.freedesktop.DBus", "NameOwnerChanged", "sss", "org.qemu", qemu.unique_name, ""),
            signal(PROPERTIES, "PropertiesChanged", "sa{sv}as", CONSOLE, {"Width": ("u", 7)}, []),
            signal(PROPERTIES, "PropertiesChanged", "s", CONSOLE),
        )
        for message in forged:
            message.header.fields[jeepney.HeaderFields.destination] = us
            await stranger.send(message)
        async with stranger.router() as router:
            call = jeepney.new_method_call(jeepney.DBusAddress("/", us, "org.freedesktop.DBus.Peer"), "Ping")
            answer = await router.send_and_get_reply(call)
        assert not seen
        await qemu.send(signal(PROPERTIES, "PropertiesChanged", "sa{sv}as", CONSOLE, {"Width": ("u", 8)}, []))
        with trio.fail_after(5):
            while not seen:  # noqa: ASYNC110
                await trio.sleep(0.01)
    assert not bus.gone, "the block was cancelled"
    assert answer.header.message_type is jeepney.MessageType.error, "it was answered after all that was forged"
    assert seen == [{"Width": 8}]


async def test_another_machine_that_takes_over_the_name_is_not_taken_for_the_first(tmp_path: Path) -> None:
    async with open_daemon(tmp_path) as address, trio.open_nursery() as nursery:
        gone = trio.Event()

        async def attend(*, task_status: trio.TaskStatus[Bus]) -> None:
            async with open_bus(address, None, wait=False) as bus:
                task_status.started(bus)
                await trio.sleep_forever()
            gone.set()

        async with open_named(address):
            bus = await nursery.start(attend)
            second = await nursery.start(_hold_name, address)
            assert not bus.gone
        with trio.fail_after(5):
            await gone.wait()
        assert bus.gone
        second.cancel()


async def _hold_name(address: str, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    with trio.CancelScope() as scope:
        async with open_named(address):
            task_status.started(scope)
            await trio.sleep_forever()


async def test_a_bus_that_hangs_up_on_who_says_hello() -> None:
    """That of libvirt does so unless it is the machine's user."""
    listener = trio.socket.socket(socket.AF_UNIX)
    with listener:
        await listener.bind("\0spicetrio-hangs-up")
        listener.listen()

        async def hang_up() -> None:
            peer = Peer(socket.socket(fileno=(await listener.accept())[0].detach()))
            with peer.socket:
                await peer.authenticate()
                await peer.receive()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hang_up)
            with pytest.raises(SourceError, match="run spicetrio as the user of the machine"):
                async with open_bus("unix:abstract=spicetrio-hangs-up", None, wait=True):
                    pass


async def test_a_name_that_is_none(tmp_path: Path) -> None:
    async with open_daemon(tmp_path) as address:
        for name in ("qemu", "org.'qemu", "org qemu"):
            with pytest.RaisesGroup(pytest.RaisesExc(SourceError, match="--bus-name")):
                async with open_bus(address, name, wait=True):
                    pass


async def test_an_address_as_buses_write_it(tmp_path: Path) -> None:
    async with open_daemon(tmp_path) as address, open_named(address):
        listed = f"tcp:host=localhost;{address.replace('/', '%2f')},guid=0123456789abcdef0123456789abcdef"
        async with open_bus(listed, "org.qemu", wait=False) as bus:
            pass
    assert not bus.straight
