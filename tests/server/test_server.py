from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, active_thread_count, wait_all_tasks_blocked

import spicetrio
from spicetrio.wire import base, cursor, display, inputs, main
from spicetrio.wire.enums import ChannelType
from spicetrio.wire.framing import Framing
from spicetrio.wire.link import Capabilities, LinkMessage, with_header
from tests import peer
from tests.peer import FULL_HEADER, MODERN, PeerChannel, RefusedError, Viewer, open_viewer
from tests.screen import Screen

from .rig import Duplex, Note, Rig, descriptors, drain, open_rig, read_to_end, receive, ticket_keys, until

RED, GREEN, BLUE = 0xFF0000, 0x00FF00, 0x0000FF


@asynccontextmanager
async def serving(**changes: Any) -> AsyncIterator[tuple[spicetrio.Server, Callable[[], Any]]]:
    with trio.fail_after(30):
        async with spicetrio.open_server(port=0, disable_ticketing=True, **changes) as server:
            port = int(server.addresses[0].rpartition(":")[2])
            yield server, partial(trio.open_tcp_stream, "127.0.0.1", port)


def pixel(color: int) -> bytes:
    return (color & 0xFFFFFF).to_bytes(4, "little")


def is_filled(color: int, size: int = 64 * 64) -> Callable[[Screen], bool]:
    return lambda screen: screen.marked and screen.pixels() == pixel(color) * size


async def closed(channel: PeerChannel) -> None:
    """Its stream ends, and what came was whole messages."""
    await drain(channel)
    assert not channel.framing._received


# Several viewers


async def test_every_viewer_sees_the_picture() -> None:
    async with serving() as (server, connect), server.open_display(64, 64) as shown:
        async with open_viewer(connect) as first, open_viewer(connect, common=FULL_HEADER) as second:
            channels = [(viewer, await viewer.open_display()) for viewer in (first, second)]
            for color in (RED, GREEN, BLUE):
                await shown.fill(0, 0, 64, 64, color)
                for viewer, channel in channels:
                    await viewer.watch(channel, is_filled(color))
            assert len(server.clients.value) == 2
            for _, channel in channels:
                await channel.stream.aclose()
        await server.clients.wait_value(())


async def test_a_viewer_is_told_of_the_channels_there_are_and_of_those_that_come() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        await viewer.main.send(main.AttachChannels())
        listed = await receive(viewer.main, main.ChannelsList)
        assert set(listed.channels) == {(ChannelType.PORT, 0), (ChannelType.WEBDAV, 0)}
        async with rig.server.channel_opened(type(rig.echo)(4, rig.server.settings)):
            assert (await receive(viewer.main, main.ChannelsList)).channels == ((ChannelType.PORT, 4),)


WRONG_ON_DISPLAY = {
    "a second INIT": b"".join(
        bytes(part) for _ in range(2) for part in Framing(mini=True, limits=None).send(display.Init(1, 1, 1, 1))
    ),
    "an unknown message": b"\x63\0\0\0\0\0",
    "too much": b"\x65\0\xff\xff\xff\xff",
    "a report that nobody asked for": b"\x68\0\0\0\0\0",
}


@pytest.mark.parametrize("data", WRONG_ON_DISPLAY.values(), ids=WRONG_ON_DISPLAY)
async def test_a_protocol_error_on_a_display_ends_that_viewer_and_no_other(data: bytes) -> None:
    async with (
        serving() as (server, connect),
        server.open_display(64, 64) as shown,
        server.open_inputs(),
        open_viewer(connect) as good,
        open_viewer(connect) as bad,
    ):
        watched = await good.open_display()
        wrong = await bad.open(ChannelType.DISPLAY)
        others = [await bad.open(kind) for kind in (ChannelType.CURSOR, ChannelType.INPUTS)]
        await wrong.stream.send_all(data)
        for channel in (bad.main, wrong, *others):
            await closed(channel)
            await channel.stream.aclose()
        assert [viewer.connection_id for viewer in server.clients.value] == [good.init.session_id]
        await shown.fill(0, 0, 64, 64, GREEN)
        await good.watch(watched, is_filled(GREEN))
        await watched.stream.aclose()


@pytest.mark.parametrize("kind", ["end", "reset", "error", "goodbye"])
async def test_the_end_of_main_is_the_end_of_all_channels(kind: str) -> None:
    async with (
        serving() as (server, connect),
        server.open_display(64, 64) as shown,
        server.open_inputs(),
        open_viewer(connect) as viewer,
        open_viewer(connect) as other,
    ):
        channels = [await viewer.open(kind) for kind in (ChannelType.CURSOR, ChannelType.INPUTS)]
        channels.append(await viewer.open_display())
        match kind:
            case "end":
                await viewer.main.stream.send_eof()
            case "reset":
                viewer.main.stream.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER of no time
                await viewer.main.stream.aclose()
            case "error":
                await viewer.main.stream.send_all(b"\x63\0\0\0\0\0")
            case "goodbye":
                await viewer.main.send(base.ClientDisconnecting(0, 0))
        for channel in channels:
            await closed(channel)
            await channel.stream.aclose()
        await server.clients.wait_value(lambda viewers: len(viewers) == 1)
        watched = await other.open_display()
        await shown.fill(0, 0, 64, 64, RED)
        await other.watch(watched, is_filled(RED))
        await watched.stream.aclose()


async def test_a_display_that_closes_ends_its_channels_and_viewers_stay() -> None:
    async with serving() as (server, connect), open_viewer(connect) as viewer:
        async with server.open_display(64, 64):
            channels = [await viewer.open_display(), await viewer.open(ChannelType.CURSOR)]
            await receive(channels[0], display.Mark)
        for channel in channels:
            await closed(channel)
            await channel.stream.aclose()
        with pytest.raises(RefusedError):
            await viewer.open(ChannelType.DISPLAY)
        async with server.open_display(32, 32):
            channel = await viewer.open_display()
            assert (await receive(channel, display.SurfaceCreate)).width == 32
            await channel.stream.aclose()


async def test_a_viewer_that_does_not_read_holds_up_nobody() -> None:
    async with (
        serving() as (server, connect),
        server.open_display(256, 256) as shown,
        open_viewer(connect) as good,
        open_viewer(connect) as slow,
    ):
        stuck = await slow.open_display()
        watched = await good.open_display()
        noise = random.Random(1)
        for _ in range(30):
            await shown.draw_image(0, 0, noise.randbytes(256 * 256 * 4), width=256, height=256)
        await shown.fill(0, 0, 256, 256, BLUE)
        await good.watch(watched, is_filled(BLUE, 256 * 256))
        await slow.watch(stuck, is_filled(BLUE, 256 * 256))
        for channel in (stuck, watched):
            await channel.stream.aclose()


# The end


async def test_every_viewer_is_told_goodbye() -> None:
    async with trio.open_nursery() as nursery:
        messages: list[list[Any]] = []

        async def stay(viewer: Viewer) -> None:
            messages.append(await drain(viewer.main))

        async with serving() as (_, connect):
            for _ in range(3):
                await nursery.start(partial(be_viewer, connect, stay))
    assert len(messages) == 3
    for received in messages:
        assert isinstance(received[-1], base.Disconnecting)
        assert received[-1].reason == 0


async def be_viewer(connect: Any, stay: Any, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    async with open_viewer(connect) as viewer:
        task_status.started()
        await stay(viewer)


async def test_nobody_is_accepted_any_more_at_the_end() -> None:
    async with serving() as (_, connect):
        pass
    with pytest.raises(OSError, match=r"refused|connect"):
        await connect()


async def open_side(rig: Rig, connection_id: int, room: float) -> tuple[Duplex, trio.CancelScope]:
    """A side connection through the link stage, whose peer reads `room` bytes from then on."""
    stream = Duplex()

    async def first_key() -> Any:
        await trio.lowlevel.checkpoint()
        return ticket_keys()[0]

    rig.server._keys.take = first_key  # type: ignore[method-assign]
    scope = rig.serve(stream)
    stream.put(with_header(LinkMessage(connection_id, ChannelType.PORT, 0, MODERN, Capabilities())))
    stream.put(b"\1\0\0\0" + peer.encrypt(ticket_keys()[0].public, ""))
    await wait_all_tasks_blocked()
    stream.pipe.data.clear()
    stream.pipe.room = room
    return stream, scope


NOTE = bytes(range(100))


@pytest.mark.parametrize("how", ["connection", "viewer", "channel", "server"])
@pytest.mark.parametrize("room", [0, 1, 6, 50])
async def test_a_message_that_was_begun_is_finished_whatever_ends(
    autojump_clock: MockClock, how: str, room: int
) -> None:
    async with (
        trio.open_nursery() as outer,
        open_rig(grace=5) as rig,
        open_viewer(rig.connect) as viewer,
    ):
        stream, scope = await open_side(rig, viewer.init.session_id, room)
        (client,) = rig.echo.clients
        client.writer.post(Note(NOTE))
        await wait_all_tasks_blocked()
        client.writer.post(Note(b"more"))
        outer.start_soon(read_later, stream)
        match how:
            case "connection":
                scope.cancel()
            case "viewer":
                rig.server.clients.value[0].end()
            case "channel":
                next(iter(rig.echo._clients.values())).cancel()
            case "server":
                rig.nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.sleep(3)
    framing = Framing(mini=True, limits=None)
    framing.receive_data(stream.pipe.data)
    bodies = []
    while frame := framing.next_message():
        bodies.append(bytes(frame.body))
    assert not framing._received
    assert bodies == [NOTE, b"more"]
    assert stream.closed


async def read_later(stream: Duplex) -> None:
    for _ in range(40):
        await trio.sleep(0.05)
        stream.pipe.read(10)


async def test_a_side_connection_that_is_cancelled_leaves_its_viewer() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        stream, scope = await open_side(rig, viewer.init.session_id, 1000)
        scope.cancel()
        await wait_all_tasks_blocked()
        assert stream.closed
        assert len(rig.server.clients.value) == 1
        await viewer.open(ChannelType.PORT)


@pytest.mark.parametrize("room", [0, 3, 50])
async def test_the_end_waits_no_longer_than_the_grace(autojump_clock: MockClock, room: int) -> None:
    async with open_rig(grace=5) as rig, open_viewer(rig.connect) as viewer:
        stream, _ = await open_side(rig, viewer.init.session_id, room)
        (client,) = rig.echo.clients
        client.writer.post(Note(NOTE))
        await wait_all_tasks_blocked()
        began = trio.current_time()
    assert trio.current_time() - began <= 5
    assert stream.closed


# Nothing is left


async def session(connect: Any, shown: spicetrio.Display) -> None:
    async with AsyncExitStack() as stack:

        async def connect_and_close() -> trio.abc.Stream:
            return await stack.enter_async_context(await connect())

        viewer = await stack.enter_async_context(open_viewer(connect_and_close))
        nursery = await stack.enter_async_context(trio.open_nursery())
        await viewer.main.send(main.AttachChannels())
        channels = [await viewer.open(ChannelType.CURSOR), await viewer.open(ChannelType.INPUTS)]
        watched = await viewer.open_display()
        for channel in channels:
            nursery.start_soon(drain, channel)
        await shown.fill(0, 0, 64, 64, RED)
        shown.cursor.set(bytes(4 * 16 * 16), 0, 0, width=16, height=16)
        await channels[1].send(inputs.MousePress(1, 1))
        await viewer.watch(watched, is_filled(RED))
        nursery.cancel_scope.cancel()


def tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


async def test_viewers_leave_nothing_behind() -> None:
    async with serving() as (server, connect), server.open_display(64, 64) as shown, server.open_inputs():
        await session(connect, shown)
        await server.clients.wait_value(())
        await settle()
        before = tasks(), descriptors()
        for _ in range(5):
            await session(connect, shown)
            await server.clients.wait_value(())
        await until(lambda: (tasks(), descriptors()) == before)
        assert server._half_open._scopes == {}
        assert shown.clients == ()
        assert shown.worker._viewers == {}


async def settle() -> None:
    """Until the pool of keys is full: nothing moves any more."""
    await wait_all_tasks_blocked(0.05)


async def test_a_server_leaves_nothing_behind() -> None:
    await settle()
    before = None
    for _ in range(3):
        async with serving() as (server, connect), server.open_display(64, 64) as shown, server.open_inputs():
            await session(connect, shown)
        after = tasks(), descriptors(), active_thread_count()
        assert before in (None, after)
        before = after


async def test_a_server_that_is_cancelled_at_any_moment_leaves_nothing_behind() -> None:
    async def serve() -> None:
        async with serving(grace=0.2) as (server, connect), server.open_display(64, 64) as shown, server.open_inputs():
            for _ in range(3):
                await session(connect, shown)

    async def cancel_after(steps: int, scope: trio.CancelScope) -> None:
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        scope.cancel()

    await serve()
    before = tasks(), descriptors(), active_thread_count()
    with trio.fail_after(30):
        for steps in (*range(60), *range(60, 1000, 40)):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel_after, steps, nursery.cancel_scope)
                await serve()
                nursery.cancel_scope.cancel()
            assert (tasks(), descriptors(), active_thread_count()) == before, steps


async def test_two_servers_share_nothing() -> None:
    async with (
        serving() as (first, connect),
        serving() as (second, other),
        first.open_display(64, 64) as shown,
        open_viewer(connect) as viewer,
        open_viewer(other) as stranger,
    ):
        assert len(first.clients.value) == len(second.clients.value) == 1
        with pytest.raises(RefusedError) as caught:
            await stranger.open(ChannelType.DISPLAY)
        assert caught.value.code == 9
        watched = await viewer.open_display()
        await shown.fill(0, 0, 64, 64, GREEN)
        await viewer.watch(watched, is_filled(GREEN))
        await watched.stream.aclose()


async def test_a_server_without_addresses_serves_the_streams_it_is_given() -> None:
    with trio.fail_after(30):
        async with spicetrio.open_server(disable_ticketing=True) as server, trio.open_nursery() as nursery:
            assert server.addresses == ()

            async def connect() -> trio.abc.Stream:
                await trio.lowlevel.checkpoint()
                ours, theirs = trio.testing.memory_stream_pair()
                nursery.start_soon(partial(server.serve_stream, theirs, peer="me"))
                return ours

            async with open_viewer(connect):
                assert server.clients.value[0].peer == "me"


# Hostile viewers


@pytest.mark.parametrize("seed", range(12))
async def test_any_bytes_end_that_viewer_at_most(caplog: pytest.LogCaptureFixture, seed: int) -> None:
    noise = random.Random(seed)
    kinds = (ChannelType.MAIN, ChannelType.DISPLAY, ChannelType.CURSOR, ChannelType.INPUTS)
    async with (
        serving(grace=0.1) as (server, connect),
        server.open_display(64, 64) as shown,
        server.open_inputs(),
        open_viewer(connect) as good,
    ):
        watched = await good.open_display()
        for kind in kinds:
            for common in (MODERN, FULL_HEADER):
                async with open_viewer(connect, common=common) as bad:
                    channel = bad.main if kind == ChannelType.MAIN else await bad.open(kind)
                    await feed(channel, rubbish(noise, common == MODERN))
                    await channel.stream.aclose()
        await shown.fill(0, 0, 64, 64, BLUE)
        await good.watch(watched, is_filled(BLUE))
        await server.clients.wait_value(lambda viewers: len(viewers) == 1)
        await watched.stream.aclose()
    assert "a fault of ours" not in caplog.text
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def rubbish(noise: random.Random, mini: bool) -> bytes:
    """Messages whose headers make sense mostly, with bodies that do not; then anything."""
    data = bytearray()
    for _ in range(noise.randrange(8)):
        body = noise.randbytes(noise.choice((0, 1, 2, 4, 8, 12, 14, 30, 64)))
        kind = noise.choice((1, 2, 3, 6, *range(101, 114)))
        sub_list = noise.choice((0, 0, 0, noise.randrange(70)))
        header = kind.to_bytes(2, "little") + len(body).to_bytes(4, "little")
        data += header if mini else bytes(8) + header + sub_list.to_bytes(4, "little")
        data += body
    return bytes(data + noise.randbytes(noise.randrange(100)))


async def feed(channel: PeerChannel, data: bytes) -> None:
    try:
        await channel.stream.send_all(data)
        await channel.stream.send_eof()
    except trio.BrokenResourceError:
        pass
    await read_to_end(channel.stream)


@pytest.mark.parametrize("kind", [ChannelType.INPUTS, ChannelType.MAIN])
async def test_one_who_asks_much_and_reads_nothing_is_ended_with_bounded_memory(
    autojump_clock: MockClock, kind: int
) -> None:
    """Answers without a body pile up as well: motions are acknowledged so."""
    async with open_rig(queue_limit=65536) as rig, rig.server.open_inputs() as channel, open_viewer(rig.connect) as bad:

        async def take() -> None:
            async for _ in channel:
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            side = bad.main if kind == ChannelType.MAIN else await bad.open(kind)
            stalled = trio.Event()
            (client,) = rig.server._main.clients if kind == ChannelType.MAIN else channel.clients
            client.writer._stream._stream.send_stream.send_all_hook = stalled.wait  # type: ignore[attr-defined]
            message = main.AttachChannels() if kind == ChannelType.MAIN else inputs.MouseMotion(1, 1, 0)
            data = b"".join(bytes(part) for part in side.framing.send(message)) * 50
            for _ in range(100):
                await side.stream.send_all(data)
                await wait_all_tasks_blocked()
                if not rig.server.clients.value:
                    break
            await rig.server.clients.wait_value(())
            assert client.writer.peak_bytes < 2 * 65536
            nursery.cancel_scope.cancel()


async def test_a_cursor_as_large_as_they_come_ends_nobody() -> None:
    async with serving() as (server, connect), server.open_display(64, 64) as shown, open_viewer(connect) as viewer:
        channel = await viewer.open(ChannelType.CURSOR)
        await receive(channel, cursor.Init)
        shown.cursor.set(bytes(4 * 1024 * 1024), 0, 0, width=1024, height=1024)
        assert await receive(channel, cursor.Set)
        assert len(server.clients.value) == 1
        await channel.stream.aclose()
