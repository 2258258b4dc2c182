"""What is told of connections: each stage in order, and one end for each beginning."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from spicetrio import ConnectionEvent, EventKind, EventReader, Role, Ticket, WhenFull
from spicetrio.server.events import QUEUE_LENGTH, Events
from spicetrio.wire import base
from spicetrio.wire.enums import ChannelType
from tests.peer import RefusedError, Viewer, open_viewer

from .rig import Note, Rig, drain, open_rig, read_to_end, receive

CONNECTED, AUTHENTICATED, INITIALISED, DISCONNECTED = EventKind
WHOLE = [CONNECTED, AUTHENTICATED, INITIALISED, DISCONNECTED]
GUEST = Ticket("guest's", Role.VIEW, "guest")


@contextmanager
def collected(rig: Rig) -> Iterator[list[ConnectionEvent]]:
    """Everything that is told during the block; in the end, what every story has in common is checked."""
    told: list[ConnectionEvent] = []
    with rig.server.events() as reader:
        put = reader.put

        def keep(event: ConnectionEvent) -> None:
            told.append(event)
            put(event)

        reader.put = keep  # type: ignore[method-assign]
        yield told
    for number in {event.connection for event in told}:
        story = of(told, number)
        kinds = [event.kind for event in story]
        assert kinds == [*WHOLE[: len(kinds) - 1], DISCONNECTED], kinds
        assert story[-1].reason
        assert not any(event.reason for event in story[:-1])
        assert all(event.traffic.seconds >= 0 for event in story)


def of(told: list[ConnectionEvent], connection: int) -> list[ConnectionEvent]:
    return [event for event in told if event.connection == connection]


def ends(told: list[ConnectionEvent]) -> dict[int, str]:
    return {event.connection: event.reason for event in told if event.kind is DISCONNECTED}


async def test_the_story_of_a_viewer_that_comes_and_leaves() -> None:
    async with open_rig(tickets=(GUEST,)) as rig:
        with collected(rig) as told:
            async with open_viewer(rig.connect, password="guest's") as viewer:
                (client,) = rig.server.clients.value
            await wait_all_tasks_blocked()
        first, second, third, last = told
        assert (first.kind, first.connection, first.peer) == (CONNECTED, 1, "memory")
        assert (first.role, first.ticket, first.client, first.channel) == (None, "", None, None)
        assert (second.kind, second.role, second.ticket) == (AUTHENTICATED, Role.VIEW, "guest")
        assert (second.client, second.channel) == (None, (ChannelType.MAIN, 0))
        assert (third.kind, third.client, third.role) == (INITIALISED, client, Role.VIEW)
        assert (last.kind, last.client, last.reason) == (DISCONNECTED, client, "the viewer left")
        assert viewer.init.session_id == client.connection_id


async def test_the_traffic_of_a_connection_without_its_link_stage() -> None:
    async with open_rig() as rig:
        with collected(rig) as told:
            async with open_viewer(rig.connect) as viewer:
                channel = await viewer.open(ChannelType.PORT)
                await receive(channel, Note)
                note = Note(b"x" * 50)
                sent = sum(len(bytes(buffer)) for _ in range(3) for buffer in channel.framing.send(note))
                for _ in range(3):
                    await channel.send(note)
                    await receive(channel, Note)
                await channel.send(base.ClientDisconnecting(0, 0))
                goodbye = 6 + 12
                await drain(channel)
                assert channel.received > sent
            await wait_all_tasks_blocked()
        end = next(event for event in told if event.kind is DISCONNECTED and event.channel == (ChannelType.PORT, 0))
        assert end.traffic.received == sent + goodbye
        assert end.traffic.sent == channel.received


async def test_what_came_with_the_link_counts_as_received() -> None:
    async with open_rig() as rig:
        with collected(rig) as told:
            viewer = open_viewer(rig.connect)
            async with viewer as opened:
                channel = await opened.open(ChannelType.PORT)
                data = b"".join(bytes(buffer) for buffer in channel.framing.send(Note(b"ping")))
            await wait_all_tasks_blocked()
        with collected(rig) as told, trio.fail_after(5):
            async with open_viewer(rig.connect) as opened:
                await _open_with(rig, opened, data)
            await wait_all_tasks_blocked()
        end = next(event for event in told if event.kind is DISCONNECTED and event.channel == (ChannelType.PORT, 0))
        assert end.traffic.received == len(data)


async def _open_with(rig: Rig, viewer: Viewer, data: bytes) -> None:
    """Open a channel whose first message comes in one piece with the ticket."""
    stream = await rig.connect()
    send = stream.send_all

    async def send_more(payload: bytes) -> None:
        await send(payload + data if len(payload) == 128 else payload)

    stream.send_all = send_more  # type: ignore[method-assign, assignment]
    viewer._connect = lambda: _returning(stream)
    async with (await viewer.open(ChannelType.PORT)).stream:
        await wait_all_tasks_blocked()


async def _returning(stream: trio.abc.Stream) -> trio.abc.Stream:
    await trio.lowlevel.checkpoint()
    return stream


async def test_a_wrong_ticket_is_told_with_its_reason() -> None:
    async with open_rig(ticket="right", failure_delay=0) as rig:
        with collected(rig) as told:
            with pytest.raises(RefusedError):
                async with open_viewer(rig.connect, password="wrong"):
                    pass
            await wait_all_tasks_blocked()
        assert [event.kind for event in told] == [CONNECTED, DISCONNECTED]
        assert told[-1].reason == "got a wrong ticket"
        assert told[-1].role is None


async def test_who_was_refused_after_the_ticket_was_authenticated_all_the_same() -> None:
    async with open_rig(max_viewers=1) as rig, open_viewer(rig.connect):
        with collected(rig) as told:
            with pytest.raises(RefusedError):
                async with open_viewer(rig.connect):
                    pass
            await wait_all_tasks_blocked()
        assert [event.kind for event in told] == [CONNECTED, AUTHENTICATED, DISCONNECTED]
        assert told[-1].reason == "1 viewers are here already"


async def test_rubbish_and_leaving_early_are_told() -> None:
    async with open_rig() as rig:
        with collected(rig) as told:
            stream = await rig.connect()
            await stream.send_all(b"GET / HTTP/1.1\r\n")
            await read_to_end(stream)
            stream = await rig.connect()
            await stream.send_all(b"REDQ")
            await stream.aclose()
            await wait_all_tasks_blocked()
        assert [event.kind for event in told] == [CONNECTED, DISCONNECTED] * 2
        assert ends(told) == {1: "got b'GET ', expected b'REDQ'", 2: "the viewer left"}


def test_a_timeout_and_making_room_are_told() -> None:
    clock = MockClock()
    clock.autojump_threshold = 0

    async def main() -> None:
        async with open_rig(link_timeout=5, max_half_open=1) as rig:
            with collected(rig) as told:
                first, second = await rig.connect(), await rig.connect()
                await read_to_end(first)
                await read_to_end(second)
                await wait_all_tasks_blocked()
            assert ends(told) == {1: "its link had to make room", 2: "its link took too long"}
            assert of(told, 2)[-1].traffic.seconds == 5

    trio.run(main, clock=clock)


async def test_a_protocol_error_is_the_reason_on_each_of_the_viewers_connections() -> None:
    async with open_rig() as rig:
        with collected(rig) as told:
            async with open_viewer(rig.connect) as viewer:
                channel, other = await viewer.open(ChannelType.PORT), await viewer.open(ChannelType.WEBDAV)
                await channel.send(base.MigrateFlushMark())
                await drain(viewer.main)
                await drain(other)
            await wait_all_tasks_blocked()
        assert set(ends(told).values()) == {"got MigrateFlushMark, which nobody asked for"}
        assert len(ends(told)) == 3


async def test_a_fault_of_ours_is_named_and_ends_its_viewer_alone() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as neighbour:
        with collected(rig) as told:
            async with open_viewer(rig.connect) as viewer:
                channel = await viewer.open(ChannelType.PORT)
                await channel.send(Note(b"fault"))
                await drain(viewer.main)
            await wait_all_tasks_blocked()
        assert set(ends(told).values()) == {"a fault of ours: RuntimeError"}
        await receive(await neighbour.open(ChannelType.PORT), Note)


async def test_a_fault_of_a_channel_that_is_not_essential_is_its_own() -> None:
    async with open_rig() as rig:
        with collected(rig) as told:
            async with open_viewer(rig.connect) as viewer:
                channel = await viewer.open(ChannelType.WEBDAV)
                await channel.send(Note(b"fault"))
                await drain(channel)
                await wait_all_tasks_blocked()
                assert list(ends(told).values()) == ["a fault of ours: RuntimeError"]
                assert len(rig.server.clients.value) == 1
            await wait_all_tasks_blocked()
        assert list(ends(told).values()) == ["a fault of ours: RuntimeError", "the viewer left"]


async def test_all_connections_of_a_viewer_that_left_say_so() -> None:
    async with open_rig() as rig:
        with collected(rig) as told:
            async with open_viewer(rig.connect) as viewer:
                await receive(await viewer.open(ChannelType.PORT), Note)
            await wait_all_tasks_blocked()
        assert list(ends(told).values()) == ["the viewer left"] * 2


@pytest.mark.parametrize(("words", "reason"), [("lunch", "the server ended it: lunch"), ("", "the server ended it")])
async def test_a_viewer_that_the_server_ended(words: str, reason: str) -> None:
    async with open_rig() as rig:
        with collected(rig) as told:
            async with open_viewer(rig.connect) as viewer:
                channel = await viewer.open(ChannelType.PORT)
                await receive(channel, Note)
                rig.server.clients.value[0].end(words)
                rig.server.clients.value[0].end("too late")
                await drain(viewer.main)
                await drain(channel)
            await wait_all_tasks_blocked()
        assert list(ends(told).values()) == [reason] * 2


async def test_a_channel_that_the_application_closed() -> None:
    async with open_rig() as rig:
        with collected(rig) as told:
            async with open_viewer(rig.connect) as viewer:
                second = type(rig.echo)(1, rig.server.settings)
                async with rig.server.channel_opened(second):
                    channel = await viewer.open(ChannelType.PORT, 1)
                    await receive(channel, Note)
                await drain(channel)
                await wait_all_tasks_blocked()
                assert list(ends(told).values()) == ["its channel was closed"]
            await wait_all_tasks_blocked()
        assert list(ends(told).values()) == ["its channel was closed", "the viewer left"]


async def test_a_viewer_that_was_taken_over_from() -> None:
    async with open_rig(max_viewers=1, when_full=WhenFull.TAKE_OVER) as rig:
        with collected(rig) as told:
            async with open_viewer(rig.connect) as old:
                async with open_viewer(rig.connect):
                    await drain(old.main)
                await rig.server.clients.wait_value(())
            await wait_all_tasks_blocked()
        assert list(ends(told).values()) == ["the server ended it: a viewer at memory took over", "the viewer left"]


async def test_who_is_there_when_the_server_ends() -> None:
    async with open_rig() as rig:
        with collected(rig) as told:
            stream = await rig.connect()
            await stream.send_all(b"RED")
            async with open_viewer(rig.connect) as viewer:
                channel = await viewer.open(ChannelType.PORT)
                await receive(channel, Note)
                rig.nursery.cancel_scope.cancel()
                with trio.CancelScope(shield=True):
                    await drain(viewer.main)
                    await drain(channel)
                    await read_to_end(stream)
                    await wait_all_tasks_blocked()
    assert list(ends(told).values()) == ["the server ended it"] * 3


async def test_events_can_be_read_as_they_come() -> None:
    async with open_rig() as rig:
        with rig.server.events() as events, trio.fail_after(5):
            async with open_viewer(rig.connect):
                assert [(await anext(events)).kind for _ in range(3)] == WHOLE[:3]
            async for event in events:
                assert event.kind is DISCONNECTED
                break


async def test_a_reader_hears_what_happens_while_it_is_open() -> None:
    async with open_rig() as rig, open_viewer(rig.connect):
        with rig.server.events() as early, rig.server.events() as other:
            stream = await rig.connect()
            assert (await anext(early)).connection == (await anext(other)).connection == 2
        await stream.aclose()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(anext, early)
            await wait_all_tasks_blocked()
            assert len(nursery.child_tasks) == 1  # it waits: its block is left
            nursery.cancel_scope.cancel()


def event(number: int) -> ConnectionEvent:
    return ConnectionEvent(CONNECTED, number, "memory")


async def test_a_reader_that_does_not_read_loses_the_oldest_and_nobody_else_does() -> None:
    events = Events()
    with events.opened() as slow, events.opened() as quick:
        for number in range(QUEUE_LENGTH + 10):
            events.put(event(number))
            assert (await anext(quick)).connection == number
        assert (slow.lost, quick.lost) == (10, 0)
        read = [(await anext(slow)).connection for _ in range(QUEUE_LENGTH)]
        assert read == list(range(10, QUEUE_LENGTH + 10))
        events.put(event(5))
        assert (await anext(slow)).connection == 5
        assert slow.lost == 10


async def test_several_tasks_may_read_and_each_event_comes_once() -> None:
    reader = EventReader()
    read: list[int] = []

    async def read_one() -> None:
        read.append((await anext(reader)).connection)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(read_one)
            await wait_all_tasks_blocked()
            for number in range(3):
                reader.put(event(number))
    assert sorted(read) == [0, 1, 2]


async def test_giving_up_on_an_event_loses_none() -> None:
    reader = EventReader()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(anext, reader)
            await wait_all_tasks_blocked()
            scope.cancel()
            reader.put(event(1))
    assert (await anext(reader)).connection == 1


async def test_every_reader_is_closed_with_its_block() -> None:
    events = Events()
    with pytest.raises(RuntimeError), events.opened():
        raise RuntimeError
    assert events._readers == []


async def test_a_peer_that_is_never_read_still_ends_once() -> None:
    async with open_rig() as rig:
        with collected(rig) as told:
            for _ in range(20):
                stream = await rig.connect()
                await stream.send_all(b"REDQ")
                rig.nursery.start_soon(stream.aclose)
            await wait_all_tasks_blocked()
        assert len(ends(told)) == 20
