from __future__ import annotations

import logging
import math

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from spicetrio.wire import base, inputs, main
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import ChannelType, Locks
from spicetrio.wire.framing import Framing
from spicetrio.wire.link import Capabilities, LinkMessage, with_header
from tests import peer
from tests.peer import FULL_HEADER, MODERN, PeerChannel, Viewer, open_viewer

from .rig import Duplex, Echo, LooseEcho, Note, Rig, drain, open_rig, receive, ticket_keys


async def open_echo(viewer: Viewer, kind: int = ChannelType.PORT) -> PeerChannel:
    channel = await viewer.open(kind)
    assert (await channel.receive()).data == b"hello"
    return channel


async def check_echo(channel: PeerChannel) -> None:
    await channel.send(Note(b"are you there"))
    assert (await receive(channel, Note)).data == b"are you there"


async def viewer_ends(viewer: Viewer) -> None:
    """Its main connection is closed, after a goodbye."""
    messages = await drain(viewer.main)
    assert isinstance(messages[-1], base.Disconnecting)


def raw(kind: int, size: int, body: bytes = b"") -> bytes:
    return kind.to_bytes(2, "little") + size.to_bytes(4, "little") + body


# Life signs


async def test_each_connection_is_pinged_and_one_that_answers_stays(autojump_clock: MockClock) -> None:
    async with open_rig(ping_interval=15, silence_timeout=60) as rig, open_viewer(rig.connect) as viewer:
        channel = await open_echo(viewer)
        received: dict[str, list[Message]] = {"main": [], "echo": []}

        async def collect(name: str, source: PeerChannel) -> None:
            while True:
                received[name].append(await source.receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect, "main", viewer.main)
            nursery.start_soon(collect, "echo", channel)
            await trio.sleep(601)
            nursery.cancel_scope.cancel()
        pings = [message for message in received["echo"] if isinstance(message, base.Ping)]
        assert len(pings) == 40
        assert [ping.id for ping in pings] == list(range(1, 41))
        assert pings[1].timestamp - pings[0].timestamp == 15 * 10**9
        assert len(rig.server.clients.value) == 1


async def test_a_viewer_that_answers_nothing_is_dropped_and_no_other(autojump_clock: MockClock) -> None:
    async with (
        open_rig(ping_interval=15, silence_timeout=60) as rig,
        open_viewer(rig.connect) as viewer,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(drain, viewer.main)
        async with open_viewer(rig.connect) as silent:
            silent.main.answer_pings = False
            began = trio.current_time()
            await viewer_ends(silent)
            assert 60 <= trio.current_time() - began <= 90
            assert len(rig.server.clients.value) == 1
        nursery.cancel_scope.cancel()


async def test_a_silent_side_connection_takes_the_viewer_with_it(autojump_clock: MockClock) -> None:
    async with open_rig(ping_interval=15, silence_timeout=60) as rig, open_viewer(rig.connect) as viewer:
        channel = await open_echo(viewer)
        channel.answer_pings = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain, channel)
            await viewer_ends(viewer)


async def test_anything_is_a_life_sign(autojump_clock: MockClock) -> None:
    async with open_rig(ping_interval=15, silence_timeout=60) as rig, open_viewer(rig.connect) as viewer:
        viewer.main.answer_pings = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain, viewer.main)
            for _ in range(20):
                await trio.sleep(30)
                await viewer.main.send(base.Ack())
            assert len(rig.server.clients.value) == 1
            nursery.cancel_scope.cancel()


async def test_a_viewer_is_not_silent_while_we_are_busy_with_it(autojump_clock: MockClock) -> None:
    async with open_rig(ping_interval=15, silence_timeout=60) as rig, open_viewer(rig.connect) as viewer:
        channel = await open_echo(viewer)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain, viewer.main)
            await channel.send(Note(b"wait"))
            with trio.move_on_after(300):
                await drain(channel)
            rig.echo.go_on.set()
            await check_echo(channel)
            nursery.cancel_scope.cancel()


async def test_latency_is_the_shortest_round_trip(autojump_clock: MockClock) -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        viewer.main.answer_pings = False
        client = rig.server.clients.value[0]
        for delay, latency in ((5, None), (0.5, 0.5), (0.25, 0.25), (1, 0.25), (0, 0), (1, 0)):
            ping = await receive(viewer.main, base.Ping)
            await trio.sleep(delay)
            await viewer.main.send(base.Pong(ping.id, ping.timestamp))
            await wait_all_tasks_blocked()
            assert client.latency == (None if latency is None else pytest.approx(latency, abs=0.01))


@pytest.mark.parametrize(("id_offset", "time_offset"), [(1, 0), (-1, 0), (0, 2**63)])
async def test_a_pong_that_lies_breaks_nothing(autojump_clock: MockClock, id_offset: int, time_offset: int) -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        viewer.main.answer_pings = False
        client = rig.server.clients.value[0]
        for _ in range(3):
            ping = await receive(viewer.main, base.Ping)
            await viewer.main.send(base.Pong((ping.id + id_offset) % 2**32, ping.timestamp + time_offset))
        await wait_all_tasks_blocked()
        assert client.latency in (None, 0)


# What a viewer may not send


WRONG = {
    "an unknown message": raw(99, 0),
    "a message of another channel": raw(104, 0),
    "a server's message": raw(8, 0),
    "one that is too large": raw(101, 101),
    "one that is far too large": raw(101, 2**32 - 1),
    "a base message that is too large": raw(2, 65),
    "a body that is too short": raw(3, 11, bytes(11)),
    "no body where there must be one": raw(1, 0),
    "MIGRATE_FLUSH_MARK unasked": raw(4, 0),
    "MIGRATE_DATA unasked": raw(5, 4, b"data"),
    "MIGRATE_DATA without an end": raw(5, 1 << 24),
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("kind", [ChannelType.PORT, ChannelType.WEBDAV])
async def test_a_protocol_error_ends_the_viewer_or_the_connection_and_no_other(
    caplog: pytest.LogCaptureFixture, data: bytes, kind: int
) -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as good, open_viewer(rig.connect) as bad:
        channel, other = await open_echo(bad, kind), await open_echo(good, kind)
        ended = rig.server.clients.value[1]
        await channel.stream.send_all(data)
        assert await drain(channel) == []
        if kind == ChannelType.PORT:
            await viewer_ends(bad)
        else:
            await bad.main.send(main.AttachChannels())
            await receive(bad.main, main.ChannelsList)
            await check_echo(await open_echo(bad, kind))
        await check_echo(other)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"ended {ended!r}: got ")
    assert "memory" in warnings[0]


async def test_the_message_that_is_wrong_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        await viewer.main.stream.send_all(raw(3, 11, bytes(11)))
        await viewer_ends(viewer)
    assert "got a wrong Pong: got 11 bytes, expected 12" in caplog.text


async def test_what_came_before_an_error_is_still_handled() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        channel = await open_echo(viewer)
        await channel.stream.send_all(raw(101, 2, b"ok") + raw(99, 0) + raw(101, 2, b"no"))
        assert [message.data for message in await drain(channel) if isinstance(message, Note)] == [b"ok"]


async def test_a_wrong_sub_message_ends_the_viewer() -> None:
    async with open_rig() as rig, open_viewer(rig.connect, common=FULL_HEADER) as viewer:
        channel = await open_echo(viewer)
        framing = Framing(mini=False, limits=None)
        for message, subs in ((Note(b"2"), [Note(b"1")]), (Note(b"4"), [base.Ping(1, 1)])):
            await channel.stream.send_all(b"".join(bytes(part) for part in framing.send(message, subs=subs)))
        notes = [bytes(message.data) for message in await drain(channel) if isinstance(message, Note)]
        assert [note[:1] for note in notes] == [b"1", b"2"]
        await viewer_ends(viewer)


@pytest.mark.parametrize("kind", [ChannelType.PORT, ChannelType.WEBDAV])
async def test_a_fault_of_ours_is_logged_and_ends_no_other(caplog: pytest.LogCaptureFixture, kind: int) -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as good, open_viewer(rig.connect) as bad:
        channel, other = await open_echo(bad, kind), await open_echo(good, kind)
        await channel.send(Note(b"fault"))
        assert await drain(channel) == []
        if kind == ChannelType.PORT:
            await viewer_ends(bad)
        await check_echo(other)
    (error,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert error.levelno == logging.ERROR
    assert "a fault of ours" in caplog.text


# Ends


async def test_a_connection_that_ends_may_be_made_again() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        for goodbye in (False, True):
            channel = await open_echo(viewer)
            if goodbye:
                await channel.send(base.ClientDisconnecting(0, 0), Note(b"not heard"))
                assert await drain(channel) == []
            else:
                await channel.stream.aclose()
            await wait_all_tasks_blocked()
            assert rig.echo.clients == ()
        await check_echo(await open_echo(viewer))
        assert rig.echo.log == ["connected", "left", "connected", "left", "connected"]


async def test_a_goodbye_on_main_ends_the_viewer() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        channel = await open_echo(viewer)
        await viewer.main.send(base.ClientDisconnecting(0, 0))
        await viewer_ends(viewer)
        assert await drain(channel) == []
        await rig.server.clients.wait_value(())


async def test_a_channel_that_closes_ends_its_connections_and_no_viewer() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer, open_viewer(rig.connect) as other:
        extra = Echo(5, rig.server.settings)
        async with rig.server.channel_opened(extra):
            channels = [await who.open(ChannelType.PORT, 5) for who in (viewer, other)]
            await wait_all_tasks_blocked()
            assert len(extra.clients) == 2
        assert extra.clients == ()
        assert extra.log.count("left") == 2
        for channel in channels:
            assert [message.data for message in await drain(channel)] == [b"hello"]
        assert len(rig.server.clients.value) == 2
        with pytest.raises(peer.RefusedError):
            await viewer.open(ChannelType.PORT, 5)
        async with rig.server.channel_opened(Echo(5, rig.server.settings)):
            await viewer.open(ChannelType.PORT, 5)


async def test_there_is_one_channel_of_a_type_and_id() -> None:
    async with open_rig() as rig:
        with pytest.raises(ValueError, match="there is a channel <port\\[0\\]> already"):
            async with rig.server.channel_opened(Echo(0, rig.server.settings)):
                raise AssertionError
        assert (ChannelType.PORT, 0) in rig.server.channels


async def link_slowly(rig: Rig, connection_id: int, kind: int, room: float, channel_id: int = 0) -> Duplex:
    """A connection whose peer has said all it has to say, and reads no more than `room` bytes after the reply."""
    stream = Duplex()
    rig.server._keys.take = first_key  # type: ignore[method-assign]
    rig.serve(stream)
    stream.put(with_header(LinkMessage(connection_id, kind, channel_id, MODERN, Capabilities())))
    await wait_all_tasks_blocked()
    assert stream.pipe.data[16:20] == bytes(4)
    stream.pipe.data.clear()
    stream.pipe.room = room
    stream.put(b"\1\0\0\0" + peer.encrypt(ticket_keys()[0].public, ""))
    await wait_all_tasks_blocked()
    return stream


async def first_key() -> object:
    await trio.lowlevel.checkpoint()
    return ticket_keys()[0]


async def test_a_channel_does_not_wait_longer_than_the_grace_for_those_who_do_not_read(
    autojump_clock: MockClock,
) -> None:
    async with open_rig(grace=2) as rig, open_viewer(rig.connect) as viewer:
        for room in (0, 2, 4, 7):
            async with rig.server.channel_opened(LooseEcho(1, rig.server.settings)) as channel:
                stream = await link_slowly(rig, viewer.init.session_id, ChannelType.WEBDAV, room, 1)
                assert len(channel._clients) == 1
                began = trio.current_time()
            assert trio.current_time() - began <= 2
            await wait_all_tasks_blocked()
            assert stream.closed


async def test_locks_may_change_while_a_viewer_is_just_coming() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer, rig.server.open_inputs() as channel:
        stream = await link_slowly(rig, viewer.init.session_id, ChannelType.INPUTS, 0)
        channel.set_locks(Locks.CAPS)
        stream.pipe.read(math.inf)
        await wait_all_tasks_blocked()
        framing = Framing(mini=True, limits=None)
        framing.receive_data(stream.pipe.data[4:])
        frame = framing.next_message()
        assert frame is not None
        assert (frame.type, bytes(frame.body)) == (int(inputs.Init.TYPE), b"\4\0")
        assert framing.next_message() is None
        stream.put(raw(99, 0))


async def test_mouse_modes_may_change_while_a_viewer_is_just_coming() -> None:
    async with open_rig() as rig:
        stream = await link_slowly(rig, 0, ChannelType.MAIN, 0)
        rig.server._main.mouse_modes_changed()
        rig.server._main.channel_added((ChannelType.PORT, 0))
        stream.pipe.read(math.inf)
        await wait_all_tasks_blocked()
        framing = Framing(mini=True, limits=None)
        framing.receive_data(stream.pipe.data[4:])
        frame = framing.next_message()
        assert frame is not None
        assert frame.type == main.Init.TYPE
        stream.put(raw(99, 0))


# The base class


async def test_a_channel_is_open_only_in_its_block() -> None:
    async with open_rig() as rig:
        extra = Echo(9, rig.server.settings)
        assert repr(extra) == "<port[9]>"
        assert extra.key == (10, 9)
        async with extra.opened() as opened:
            assert opened is extra
        assert extra.clients == ()


async def test_a_half_message_at_the_end_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        channel = await open_echo(viewer)
        await channel.stream.send_all(raw(101, 50, b"half"))
        await channel.stream.aclose()
        await wait_all_tasks_blocked()
        assert rig.echo.clients == ()
        assert len(rig.server.clients.value) == 1
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
