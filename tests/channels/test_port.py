"""Ports tell viewers their name and whether somebody is there, and breaks go both ways."""

from __future__ import annotations

import pytest
import trio

import spicetrio
from spicetrio.channels.port import MAX_NAME
from spicetrio.wire import port, vmc
from spicetrio.wire.enums import ChannelType, PortEvent
from tests.channels.devices import attach, collect
from tests.channels.stage import open_stage, receive, until
from tests.peer import PeerChannel

SHELL = "org.example.shell"


async def next_event(channel: PeerChannel) -> int:
    return (await receive(channel, port.Event)).event


async def test_a_viewer_is_told_the_name_and_when_somebody_is_there() -> None:
    async with open_stage() as stage, stage.server.open_port(SHELL) as shell, stage.viewer() as viewer:
        channel = await attach(viewer, ChannelType.PORT)
        async with channel.stream:
            assert await channel.receive() == port.Init(SHELL, opened=False)
            async with await shell.accept() as stream:
                assert await next_event(channel) == PortEvent.OPENED
                await stream.send_all(b"bye")
            assert await collect(channel, 3) == b"bye"
            assert await next_event(channel) == PortEvent.CLOSED
            await shell.send_all(b"again")
            assert await next_event(channel) == PortEvent.OPENED
            assert await collect(channel, 5) == b"again"


async def test_a_viewer_in_line_is_told_when_it_is_its_turn() -> None:
    async with open_stage() as stage, stage.server.open_port(SHELL) as shell, stage.viewer() as viewer:
        first, second = await attach(viewer, ChannelType.PORT), None
        async with stage.viewer() as other:
            second = await attach(other, ChannelType.PORT)
            await second.send(port.ClientEvent(PortEvent.BREAK), port.ClientEvent(PortEvent.CLOSED))
            await until(lambda: len(shell.clients) == 2 and not shell.clients[1].end_open)
            assert shell.viewer_open.value
            assert shell.breaks.value == 0
            await first.stream.aclose()
            async with second.stream:
                assert await second.receive() == port.Init(SHELL, opened=False)
                assert not shell.viewer_open.value
                await second.send(port.ClientEvent(PortEvent.OPENED))
                await shell.viewer_open.wait_value(True)
        await shell.viewer_open.wait_value(False)


async def test_breaks_go_both_ways_in_order_with_the_bytes() -> None:
    async with open_stage() as stage, stage.server.open_port(SHELL) as shell, stage.viewer() as viewer:
        shell.send_break()  # there is nobody to get it
        channel = await attach(viewer, ChannelType.PORT)
        async with channel.stream:
            await shell.send_all(b"before")
            shell.send_break()
            await shell.send_all(b"after")
            received = [await receive_any(channel) for _ in range(5)]
            assert received == [
                port.Init(SHELL, opened=False),
                port.Event(PortEvent.OPENED),
                vmc.Data(b"before"),
                port.Event(PortEvent.BREAK),
                vmc.Data(b"after"),
            ]
            await channel.send(*[port.ClientEvent(PortEvent.BREAK)] * 2, port.ClientEvent(77))
            await shell.breaks.wait_value(2)


async def receive_any(channel: PeerChannel) -> object:
    while not isinstance(message := await channel.receive(), port.Init | port.Event | vmc.Data):
        pass
    return message


async def test_ports_have_ids_of_their_own_and_a_webdav_port_is_known_by_its_type() -> None:
    async with (
        open_stage() as stage,
        stage.server.open_port(SHELL) as shell,
        stage.server.open_port("org.example.other") as other,
        stage.server.open_port("org.spice-space.webdav.0") as webdav,
    ):
        assert [one.key for one in (shell, other, webdav)] == [(10, 0), (10, 1), (11, 0)]
        async with stage.viewer() as viewer:
            channel = await attach(viewer, ChannelType.WEBDAV)
            async with channel.stream:
                await webdav.send_all(b"as it is")
                assert await channel.receive() == port.Init("org.spice-space.webdav.0", opened=False)
                assert await collect(channel, 8) == b"as it is"


@pytest.mark.parametrize("name", ["", "a\0b", "x" * (MAX_NAME + 1), "\N{EURO SIGN}" * 100])
async def test_a_name_that_is_none_is_refused(name: str) -> None:
    async with open_stage() as stage:
        with pytest.raises(ValueError, match="expected 1 to 255 bytes without NUL"):
            async with stage.server.open_port(name):
                pass


async def test_there_are_at_most_256_ports() -> None:
    async with open_stage() as stage, trio.open_nursery() as nursery:
        for number in range(256):
            await nursery.start(hold, stage.server, number)
        with pytest.raises(ValueError, match="256 ports"):
            async with stage.server.open_port(SHELL):
                pass
        nursery.cancel_scope.cancel()


async def hold(server: spicetrio.Server, number: int, *, task_status: trio.TaskStatus[None]) -> None:
    async with server.open_port(f"org.example.{number}"):
        task_status.started()
        await trio.sleep_forever()
