"""Races of libspice-server, played here (docs/ownership.rst has the table). Most of them hang, crash or leak there."""

from __future__ import annotations

import ast
import gc
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

import spicetrio
from spicetrio import ClipboardError, ClipboardType, EventKind, KeyEvent, Offer, Selection, VideoCodec
from spicetrio.server import worker
from spicetrio.server.channel import ChannelClient
from spicetrio.server.writer import ENTRY_SIZE
from spicetrio.wire import agent as messages
from spicetrio.wire import display, inputs, main
from spicetrio.wire.agentstream import frame
from spicetrio.wire.enums import ChannelType, ImageCompression, MouseMode
from spicetrio.wire.image import Bitmap, Jpeg, Lz, Quic
from tests import peer
from tests.peer import PeerChannel, Viewer, open_viewer
from tests.server.rig import Gate, Note, Rig, descriptors, drain, open_rig, receive, until

PACKAGE = Path(spicetrio.__file__).parent
GRAB = frame(messages.ClipboardGrab(0, 0, (1,)), messages.Dialect())
RED, GREEN, BLUE, WHITE = 0xFF0000, 0x00FF00, 0x0000FF, 0xFFFFFF


@asynccontextmanager
async def stage(**changes: Any) -> AsyncIterator[tuple[Rig, spicetrio.Display]]:
    """A server with a display, within a time that no wait of the C server would fit in."""
    with trio.fail_after(20):
        async with open_rig(grace=0.2, **changes) as rig, rig.server.open_display(32, 16) as screen:
            yield rig, screen


async def shows(viewer: Viewer, channel: PeerChannel, color: int) -> None:
    """Wait until a viewer's whole picture has one color."""
    picture = color.to_bytes(4, "little") * (32 * 16)
    await viewer.watch(channel, lambda screen: screen.marked and screen.pixels() == picture)


async def sees_what_is_drawn(
    viewer: Viewer, channel: PeerChannel, screen: spicetrio.Display, colors: Sequence[int] = (RED, GREEN)
) -> None:
    for color in colors:
        await screen.fill(0, 0, 32, 16, color)
        await shows(viewer, channel, color)


async def stuck_channel(rig: Rig, viewer: Viewer, kind: int) -> tuple[PeerChannel, Gate]:
    """A connection over which the server can send once the gate is open."""
    gate = Gate()
    ours, theirs = gate.pair()
    rig.serve(theirs)
    return await peer.link(ours, kind, connection_id=viewer.init.session_id), gate


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


# DESIGN: the tree


async def test_channels_live_in_their_blocks() -> None:
    """Channels are made and taken down where they are used; a second one of the same id is an error at once."""
    async with stage() as (rig, screen):
        assert screen.key in rig.server.channels
        with pytest.raises(ValueError, match="already"):
            async with rig.server.channel_opened(type(screen)(screen.id, screen.settings, 8, 8)):
                pass
        async with rig.server.open_display(8, 8) as second:
            assert second.key in rig.server.channels
        assert second.key not in rig.server.channels
        assert screen.key in rig.server.channels


async def test_a_picture_has_one_user_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Worker's thread, or for what is light the event loop, while that thread waits in it."""
    callers: dict[str, set[int]] = {}
    users: list[int] = []
    at_once: list[set[int]] = []
    picture = worker.Picture

    def watched(name: str) -> Callable[..., Any]:
        method = getattr(picture, name)

        def call(*arguments: Any, **named: Any) -> Any:
            user = threading.get_ident()
            callers.setdefault(name, set()).add(user)
            users.append(user)
            at_once.append(set(users))
            time.sleep(0.002)  # whoever else comes is seen
            try:
                return method(*arguments, **named)
            finally:
                users.remove(user)

        return call

    for name in ("fill", "copy_area", "draw_image", "draw_frame", "read", "resize", "attach", "change", "detach"):
        monkeypatch.setattr(picture, name, watched(name))
    async with stage() as (rig, screen), open_viewer(rig.connect) as viewer:
        channel = await viewer.open_display()
        await screen.draw_image(0, 0, bytes(32 * 16 * 4), width=32, height=16)
        await screen.draw_frame(bytes(32 * 16 * 4))
        await screen.copy_area(0, 0, 8, 8, 8, 8)
        await channel.send(display.PreferredCompression(ImageCompression.LZ4))
        await sees_what_is_drawn(viewer, channel, screen)
        await screen.read()
    assert all(len(there) == 1 for there in at_once)
    (thread,) = callers["read"]
    assert thread != threading.get_ident()
    assert callers["draw_frame"] == callers["attach"] == callers["change"] == {thread}


def display_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "display" in thread.name]


async def test_cancelling_a_worker_reaches_its_thread_and_it_ends() -> None:
    with trio.fail_after(20):
        async with open_rig() as rig:
            async with AsyncExitStack() as stack:
                for _ in range(3):
                    await stack.enter_async_context(rig.server.open_display(32, 16))
                await until(lambda: len(display_threads()) == 3)
            assert display_threads() == []  # leaving is waiting; Trio keeps the idle threads for others


async def test_to_connect_waits_for_nobody_and_only_the_owner_waits_for_an_end() -> None:
    async with stage() as (rig, screen), open_viewer(rig.connect) as viewer, open_viewer(rig.connect) as stuck:
        channel = await viewer.open_display()
        other, gate = await stuck_channel(rig, stuck, ChannelType.DISPLAY)
        await other.send(display.Init(1, 1, 1, 1))
        gate.close()
        (_, client_of_stuck) = rig.server.clients.value
        client_of_stuck.end("bye")  # returns at once, however long its writer tries
        await sees_what_is_drawn(viewer, channel, screen)
        await rig.server.clients.wait_value(lambda clients: len(clients) == 1)


async def test_a_channel_cannot_outlive_its_viewer() -> None:
    async with open_rig() as rig:
        async with open_viewer(rig.connect) as viewer:
            channels = [await viewer.open(kind) for kind in (ChannelType.PORT, ChannelType.WEBDAV)]
            for channel in channels:
                await receive(channel, Note)
        await rig.server.clients.wait_value(())
        await wait_all_tasks_blocked()
        assert rig.echo.clients == rig.loose.clients == ()
        assert rig.echo.log == rig.loose.log == ["connected", "left"]


async def test_the_connection_owns_what_serves_it() -> None:
    """Nothing but the stream ended, and everything that was inside of it is gone, to the last object."""
    async with open_rig() as rig:
        async with open_viewer(rig.connect) as viewer:
            await receive(await viewer.open(ChannelType.PORT), Note)
            objects = [weakref.ref(rig.echo.clients[0]), weakref.ref(rig.server.clients.value[0])]
        await rig.server.clients.wait_value(())
        await wait_all_tasks_blocked()
        gc.collect()
        assert [reference() for reference in objects] == [None, None]


async def test_the_main_channel_ends_before_its_viewer_is_forgotten() -> None:
    """The order in which the C server frees them leaves a dangling pointer; here the viewer's block is outside."""
    seen: list[int] = []
    async with open_rig() as rig:

        class Looking(type(rig.server._main)):  # type: ignore[misc]
            async def serve(self, client: spicetrio.Client, link: Any) -> bool:
                try:
                    return await super().serve(client, link)  # type: ignore[no-any-return]
                finally:
                    seen.append(len(rig.server.clients.value))

        rig.server._main.__class__ = Looking
        async with open_viewer(rig.connect):
            pass
        await rig.server.clients.wait_value(())
    assert seen == [1]


async def test_two_servers_share_nothing() -> None:
    async with open_rig() as two, open_viewer(two.connect):
        async with open_rig() as one, open_viewer(one.connect) as viewer:
            with pytest.raises(peer.RefusedError) as caught:
                await peer.link(await two.connect(), ChannelType.PORT, connection_id=viewer.init.session_id)
            assert caught.value.code == 8
            one.nursery.cancel_scope.cancel()
        assert one.server.clients.value == ()
        assert len(two.server.clients.value) == 1


# RC: the races


async def test_rc_01_whoever_still_serves_a_viewer_finds_it_whole() -> None:
    async with open_rig() as rig:
        async with open_viewer(rig.connect) as viewer:
            channel = await viewer.open(ChannelType.PORT)
            await receive(channel, Note)
            (served,), (here,) = rig.echo.clients, rig.server.clients.value
            await viewer.main.stream.aclose()  # main dies first; the other connection is told nothing
            await drain(channel)
            await wait_all_tasks_blocked()
        assert served.client is here
        assert served.client.channels == set()
        assert repr(served.client)


async def test_rc_02_channels_do_not_reach_for_the_main_channel_of_their_viewer() -> None:
    async with stage() as (rig, screen), open_viewer(rig.connect) as neighbour:
        beside = await neighbour.open_display()
        (here,) = rig.server.clients.value
        for _ in range(10):
            async with open_viewer(rig.connect) as viewer:
                channel = await viewer.open_display()
                await viewer.main.stream.aclose()
                screen.cursor.set(bytes(4), 0, 0, width=1, height=1)
                await screen.fill(0, 0, 32, 16, RED)
                await drain(channel)
        await sees_what_is_drawn(neighbour, beside, screen)
    # There is nothing to reach for: a Client has a mouse mode and a latency, and no channel.
    assert not [name for name, value in vars(here).items() if "main" in name or isinstance(value, ChannelClient)]


@pytest.mark.parametrize("steps", range(8))
async def test_rc_03_a_viewer_ends_while_one_of_its_channels_connects(steps: int) -> None:
    before = descriptors()
    async with stage() as (rig, screen), open_viewer(rig.connect) as neighbour:
        beside = await neighbour.open_display()
        async with open_viewer(rig.connect) as viewer:
            with rig.server.events() as events:
                stream = await rig.connect()
                async with trio.open_nursery() as nursery:

                    async def connect() -> None:
                        async with stream:
                            with_main = partial(peer.link, stream, ChannelType.DISPLAY)
                            with suppress(peer.RefusedError, EOFError, trio.BrokenResourceError):
                                await drain(await with_main(connection_id=viewer.init.session_id))

                    nursery.start_soon(connect)
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    rig.server.clients.value[1].end("just now")
                ends = 0
                while ends < 2:
                    ends += (await anext(events)).kind is EventKind.DISCONNECTED
        await sees_what_is_drawn(neighbour, beside, screen)
        assert len(screen.clients) == 1
    assert descriptors() == before


async def test_rc_04_to_end_a_viewer_waits_for_no_other() -> None:
    async with stage() as (rig, screen), open_viewer(rig.connect) as viewer:
        channel = await viewer.open_display()
        async with open_viewer(rig.connect) as silent, open_viewer(rig.connect) as leaving:
            await silent.open(ChannelType.DISPLAY)  # it holds back INIT, for which the C server's worker waits 30 s
            await leaving.open_display()
            await leaving.main.stream.aclose()  # and meanwhile its main thread waits for the worker
            await rig.server.clients.wait_value(lambda clients: len(clients) == 2)
            await sees_what_is_drawn(viewer, channel, screen)


async def test_rc_04_many_viewers_drop_in_the_same_instant() -> None:
    async with (
        stage(max_half_open_per_peer=128, max_half_open=128) as (rig, screen),
        open_viewer(rig.connect) as viewer,
    ):
        channel = await viewer.open_display()
        async with trio.open_nursery() as nursery:
            streams: list[trio.abc.Stream] = []

            async def join() -> None:
                async with open_viewer(rig.connect) as one:
                    streams.append(one.main.stream)
                    streams.append((await one.open_display()).stream)
                    await trio.sleep_forever()

            for _ in range(64):  # the C server deadlocks from 48 on
                nursery.start_soon(join)
            await until(lambda: len(streams) == 128 and len(screen.clients) == 65)
            nursery.cancel_scope.cancel()
        await rig.server.clients.wait_value(lambda clients: len(clients) == 1)
        await sees_what_is_drawn(viewer, channel, screen)
        await until(lambda: len(screen.clients) == 1)


def test_rc_05_nothing_waits_by_looking_again_and_again() -> None:
    """The C server sleeps 10 ms at a time for INIT, for migration data, and for what is to be sent."""
    for path in modules():
        if path.is_relative_to(PACKAGE / "server") or path.is_relative_to(PACKAGE / "channels"):
            tree = ast.parse(path.read_text())
            for loop in (node for node in ast.walk(tree) if isinstance(node, ast.While)):
                sleeps = [call for call in ast.walk(loop) if isinstance(call, ast.Attribute) and "sleep" in call.attr]
                # The two that there are have a clock of their own: pings, and how late the loop is.
                assert not sleeps or path.stem in ("channel", "statistics"), f"{path.name}:{loop.lineno}"


async def test_rc_06_who_does_not_take_what_is_sent_pays_for_it_alone() -> None:
    async with stage(ack_window=1) as (rig, screen), open_viewer(rig.connect) as viewer:
        channel = await viewer.open_display()
        async with open_viewer(rig.connect) as deaf, open_viewer(rig.connect) as mute:
            other, gate = await stuck_channel(rig, deaf, ChannelType.DISPLAY)
            await other.send(display.Init(1, 1, 1, 1))
            gate.close()
            third = await mute.open_display()
            third.acknowledge = False
            for _ in range(20):
                await sees_what_is_drawn(viewer, channel, screen)
            assert len(rig.server.clients.value) == 3  # nobody was punished
            assert len(await screen.read()) == 32 * 16 * 4


async def test_rc_07_a_peer_that_does_not_read_its_refusal_spins_nothing() -> None:
    async with open_rig(link_timeout=0.2) as rig, open_viewer(rig.connect) as viewer:
        gate = Gate()
        gate.close()
        ours, theirs = gate.pair()
        rig.serve(theirs)
        await ours.send_all(b"GET / HTTP/1.1\r\n")
        await wait_all_tasks_blocked()  # a busy loop would never let this return
        assert rig.server.statistics().half_open == 1
        await receive(await viewer.open(ChannelType.PORT), Note)
        await until(lambda: rig.server.statistics().half_open == 0)


async def test_rc_08_nothing_that_is_left_for_a_worker_is_lost() -> None:
    """Messages between threads are queued one by one; there, bits of pending ones are set and cleared unlocked."""
    async with stage() as (_, screen):
        for number in range(2000):
            await screen.fill(number % 32, number % 16, 1, 1, number)
        pixels = await screen.read()
        for number in range(2000 - 32, 2000):
            at = 4 * (number % 16 * 32 + number % 32)
            assert pixels[at : at + 4] == number.to_bytes(4, "little")


def test_rc_10_there_is_no_lock_between_threads_that_could_be_forgotten() -> None:
    """Who owns what is the shape of the tree, so no line guards a list, and none asserts its thread."""
    for path in (path for path in modules() if not path.is_relative_to(PACKAGE / "sources")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None), *(alias.name for alias in node.names)]
                assert not {"threading", "_thread", "multiprocessing"}.intersection(names), path


async def test_rc_10_a_list_of_viewers_may_change_while_it_is_gone_through() -> None:
    async with open_rig() as rig, rig.server.open_inputs() as keys:
        async with open_viewer(rig.connect) as one, open_viewer(rig.connect) as two:
            channels = [await viewer.open(ChannelType.INPUTS) for viewer in (one, two)]
            for channel in channels:
                await receive(channel, inputs.Init)
            for served in keys.clients:
                served.client.end()
                keys.set_locks(spicetrio.Locks.NUM)
            await rig.server.clients.wait_value(())
        assert keys.clients == ()


def test_rc_11_no_module_has_state() -> None:
    """What is empty in a module or class is there to be filled, by all servers of the process; a counter to be used."""
    for path in modules():
        tree = ast.parse(path.read_text())
        for node in _lasting(tree):
            where = f"{path.name}:{node.lineno}"
            match getattr(node, "value", None):
                case ast.List(elts=[]) | ast.Dict(keys=[]):
                    assert isinstance(node, ast.AnnAssign), where
                    assert "Mapping[" in ast.unparse(node.annotation), where
                case ast.Call(func, arguments):
                    name = ast.unparse(func).split("[")[0].rpartition(".")[2]
                    assert name not in (KEEPERS if arguments else {*KEEPERS, "list", "dict", "set"}), where
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global)], path


KEEPERS = {
    *("deque", "defaultdict", "OrderedDict", "Counter", "WeakSet", "WeakKeyDictionary", "WeakValueDictionary"),
    *("count", "cycle", "bytearray", "Event", "Lock", "CapacityLimiter", "AsyncValue", "AsyncBool"),
}
"""What makes something that changes, whatever it begins with."""


def _lasting(block: ast.Module | ast.ClassDef) -> Iterator[ast.stmt]:
    """What a module and its classes say once for the whole process."""
    for node in block.body:
        yield node
        if isinstance(node, ast.ClassDef):
            yield from _lasting(node)


async def test_rc_12_displays_do_not_meet_in_anything() -> None:
    async with (
        stage() as (rig, first),
        rig.server.open_display(32, 16) as second,
        open_viewer(rig.connect) as viewer,
        open_viewer(rig.connect) as other,
    ):
        one, two = await viewer.open_display(first.id), await other.open_display(second.id)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sees_what_is_drawn, viewer, one, first)
            nursery.start_soon(sees_what_is_drawn, other, two, second, (BLUE, WHITE))


async def test_rc_13_what_a_viewer_lacked_is_let_go_with_it() -> None:
    """No count keeps it: the picture has the only reference, and drops it when the viewer is removed."""
    async with stage() as (rig, screen):
        async with open_viewer(rig.connect) as viewer:
            await shows(viewer, await viewer.open_display(), 0)
            (lacking,) = [weakref.ref(entry.reader.backlog) for entry in screen.worker._picture._viewers.values()]
        await rig.server.clients.wait_value(())
        await screen.read()
        gc.collect()
        assert lacking() is None


async def test_rc_14_how_images_are_packed_is_decided_for_each_viewer() -> None:
    async with stage() as (rig, screen), open_viewer(rig.connect) as one, open_viewer(rig.connect) as two:
        packed, plain = await one.open_display(), await two.open_display()
        await packed.send(display.PreferredCompression(ImageCompression.LZ))
        await plain.send(display.PreferredCompression(ImageCompression.OFF))
        for viewer, channel in ((one, packed), (two, plain)):
            await shows(viewer, channel, 0)
        await wait_all_tasks_blocked()
        stripes = bytes(range(8)) * (32 * 16 // 2)
        await screen.draw_image(0, 0, stripes, width=32, height=16)
        kinds = [type((await _next_image(channel)).payload) for channel in (packed, plain)]
    assert kinds == [Lz, Bitmap]


async def test_rc_14_losses_are_for_the_viewer_whose_connection_is_slow_alone() -> None:
    async with (
        stage() as (rig, _),
        rig.server.open_display(64, 64) as screen,
        open_viewer(rig.connect) as one,
        open_viewer(rig.connect) as two,
    ):
        channels = [await viewer.open_display(screen.id) for viewer in (one, two)]
        for viewer, channel in zip((one, two), channels, strict=True):
            await viewer.watch(channel, lambda picture: picture.marked)
        await wait_all_tasks_blocked()
        (slow,) = (client for client in screen.clients if client.client.connection_id == one.init.session_id)
        slow._throughput.slow = True
        slow.wish()
        gradual = b"".join(bytes([x + y, x + y, x + y, 0]) for y in range(64) for x in range(64))
        await screen.draw_image(0, 0, gradual, width=64, height=64)
        kinds = [type((await _next_image(channel)).payload) for channel in channels]
    assert kinds == [Jpeg, Quic]


async def _next_image(channel: PeerChannel) -> Any:
    while type(message := await channel.receive()).__name__ != "DrawCopy":
        pass
    return message.src  # type: ignore[attr-defined]


async def test_rc_15_a_stream_keeps_nothing_of_a_viewer_that_has_left() -> None:
    async with open_rig(grace=0.2) as rig, rig.server.open_stream_display() as screen:
        screen.set_format(VideoCodec.MJPEG, 32, 16)
        async with open_viewer(rig.connect) as viewer:
            channel, _ = await stuck_channel(rig, viewer, ChannelType.DISPLAY)
            await channel.send(display.Init(1, 0, 1, 0))
            await screen.request.wait_value(lambda request: bool(request.codecs))
            for _ in range(2):
                await screen.write(b"picture")
            (served,) = screen.clients
            assert served.waits_since is not None
            gone = weakref.ref(served)
            del served
        await until(lambda: not screen._clients)
        await wait_all_tasks_blocked()
        gc.collect()
        assert gone() is None
        await screen.write(b"the next one")


async def test_rc_16_a_viewer_that_leaves_is_not_counted_when_others_are_told() -> None:
    counts: list[int] = []
    async with open_rig() as rig, open_viewer(rig.connect), trio.open_nursery() as nursery:

        async def watch() -> None:
            async for clients in rig.server.clients.eventual_values():
                counts.append(len(clients))

        nursery.start_soon(watch)
        async with open_viewer(rig.connect):
            await wait_all_tasks_blocked()
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert counts == [1, 2, 1]


async def test_rc_17_a_viewer_is_there_once_however_often_it_is_ended() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        (here,) = rig.server.clients.value
        with rig.server.events() as events:
            for _ in range(3):
                here.end()
            await drain(viewer.main)
            await rig.server.clients.wait_value(())
            here.end()
            await wait_all_tasks_blocked()
            kinds = [event.kind for event in events._events]
    assert kinds == [EventKind.DISCONNECTED]


async def test_rc_18_an_application_may_end_everything_out_of_what_it_is_told() -> None:
    """There, a key that makes QEMU stop the sound frees what is still reading; so it is done by a timer."""
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        async with rig.server.open_inputs() as keys:
            channel = await viewer.open(ChannelType.INPUTS)
            await receive(channel, inputs.Init)
            await channel.send(inputs.KeyDown(0x1E), inputs.KeyDown(0x1F))
            async for event in keys:
                assert isinstance(event, KeyEvent)
                event.viewer.end("that key")
                break
        await drain(channel)
        await drain(viewer.main)
        assert rig.server.clients.value == ()


async def test_rc_19_nothing_is_called_again_within_itself() -> None:
    """To post never sends: only the writer's own task does. So an answer cannot come in the middle of a question."""
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        channel = await viewer.open(ChannelType.PORT)
        await receive(channel, Note)
        (served,) = rig.echo.clients
        for number in range(100):
            served.writer.post(Note(bytes([number])))
        assert served.statistics.queued == 100 * (1 + ENTRY_SIZE)
        for number in range(100):
            assert bytes((await receive(channel, Note)).data) == bytes([number])


async def test_rc_20_tokens_go_with_their_viewer() -> None:
    """What a viewer has of the agent is at its own connection: nobody else can give back, or free, anything of it."""
    async with open_rig() as rig, rig.server.open_agent() as agent:
        async with open_viewer(rig.connect) as viewer:
            await viewer.main.send(main.AgentStart(0), main.ClientAgentData(GRAB))
            offer = await agent.clipboards[Selection.CLIPBOARD].offered.wait_value(lambda offer: offer is not None)
            assert offer is not None
            (transport,) = rig.server._main.relay._transports
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read_gone, offer)
                await wait_all_tasks_blocked()
                assert transport._waiting, "a request waits for a token"
                await viewer.main.stream.aclose()
        await rig.server.clients.wait_value(())
        assert not rig.server._main.relay._transports
        assert not agent.sessions
        assert agent.clipboards[Selection.CLIPBOARD].current is None
        transport.grant(5)  # nobody can, but it would hurt nobody


async def read_gone(offer: Offer) -> None:
    with pytest.raises(ClipboardError, match="left"):
        await offer.read(ClipboardType.UTF8_TEXT)


async def test_rc_21_the_process_is_the_applications() -> None:
    """The C server can be told to call exit() in a callback; here it is two lines that leave a block."""
    async with open_rig() as rig:
        with trio.fail_after(5):
            async with open_viewer(rig.connect):
                await rig.server.clients.wait_value(lambda clients: len(clients) == 1)
            await rig.server.clients.wait_value(())
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and path.name != "__main__.py":
                assert ast.unparse(node.func) not in ("sys.exit", "os._exit", "exit", "quit", "os.abort"), path


async def test_rc_22_one_tree_owns_every_task() -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    async with stage() as (rig, screen):
        async with open_viewer(rig.connect) as viewer:
            channel = await viewer.open_display()
            await sees_what_is_drawn(viewer, channel, screen)
            assert trio.lowlevel.current_statistics().tasks_living > before + 5
        rig.nursery.cancel_scope.cancel()
    assert trio.lowlevel.current_statistics().tasks_living == before


# Of the same kind, without a number there


async def test_a_viewer_that_leaves_just_before_its_first_picture() -> None:
    """The C server dies of it within four tries."""
    async with stage() as (rig, screen), open_viewer(rig.connect) as neighbour:
        beside = await neighbour.open_display()
        for _ in range(20):
            async with open_viewer(rig.connect) as viewer:
                await viewer.open_display()
            async with open_viewer(rig.connect) as viewer:
                await viewer.open(ChannelType.DISPLAY)
        await sees_what_is_drawn(neighbour, beside, screen)
        await until(lambda: len(screen.clients) == 1)


async def test_when_the_server_ends_every_connection_finishes_its_message_within_the_grace() -> None:
    """The task that accepted a connection closes it, and that is after the writer in the viewer's nursery is done."""
    async with open_rig(grace=5) as rig, open_viewer(rig.connect) as viewer:
        channel, gate = await stuck_channel(rig, viewer, ChannelType.PORT)
        await receive(channel, Note)
        await wait_all_tasks_blocked()
        gate.close()
        for number in range(5):  # the first one is under way, and the others wait
            rig.echo.clients[0].writer.post(Note(bytes([number]) * 90))
            await wait_all_tasks_blocked()
        rig.nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await wait_all_tasks_blocked()
            gate.open()
            notes = [message for message in await drain(channel) if isinstance(message, Note)]
    # Out here: an error that passes a cancelled aclose() is replaced by Cancelled, and so would be a failure.
    assert [bytes(note.data) for note in notes] == [bytes([number]) * 90 for number in range(5)]


async def test_one_connection_that_is_taken_away_ends_alone() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        ours, theirs = memory_stream_pair()
        scope = rig.serve(theirs)
        channel = await peer.link(ours, ChannelType.PORT, connection_id=viewer.init.session_id)
        await receive(channel, Note)
        scope.cancel()
        await drain(channel)
        await receive(await viewer.open(ChannelType.WEBDAV), Note)
        assert len(rig.server.clients.value) == 1
        await wait_all_tasks_blocked()
        await receive(await viewer.open(ChannelType.PORT), Note)


async def test_the_mouse_mode_is_each_viewers_own() -> None:
    async with (
        stage() as (rig, _),
        rig.server.open_inputs(),
        open_viewer(rig.connect) as one,
        open_viewer(rig.connect) as two,
    ):
        await one.main.send(main.MouseModeRequest(MouseMode.CLIENT))
        while (await receive(one.main, main.MouseModeMessage)).current != MouseMode.CLIENT:
            pass
        await two.main.send(main.AttachChannels())
        await receive(two.main, main.ChannelsList)
        modes = [here.mouse_mode.value for here in rig.server.clients.value]
        assert modes == [MouseMode.CLIENT, MouseMode.SERVER]
