"""What the owner of a server decides about viewers: how many, who gives way, and when nobody new comes in."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from spicetrio import Role, Ticket, WhenFull
from spicetrio.wire import base
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import ChannelType
from tests import peer
from tests.peer import RefusedError, Viewer, open_viewer

from .rig import Gate, Note, Rig, drain, open_rig, receive


async def refusal(rig: Rig) -> int:
    """What a new viewer is told; 0 if it is let in."""
    try:
        async with open_viewer(rig.connect):
            return 0
    except RefusedError as error:
        return -1 if error.in_reply else error.code


async def sent_to_the_end(viewer: Viewer) -> list[Message]:
    viewer.main.answer_pings = False  # the server may have closed already
    messages = await drain(viewer.main)
    return [message for message in messages if isinstance(message, base.Notify | base.Disconnecting)]


def on_a_clock_that_jumps(test: object) -> None:
    clock = MockClock()
    clock.autojump_threshold = 0
    trio.run(test, clock=clock)  # type: ignore[arg-type]


async def be_stuck(rig: Rig) -> None:
    """Be a viewer to which the server can send no more."""
    gate = Gate()
    ours, theirs = gate.pair()
    rig.serve(theirs)
    await peer.link(ours, ChannelType.MAIN)
    await wait_all_tasks_blocked()
    gate.close()


# Full


async def test_one_too_many_is_refused_with_error_and_who_is_here_does_not_notice() -> None:
    async with open_rig(max_viewers=1) as rig, open_viewer(rig.connect) as viewer:
        assert await refusal(rig) == 1
        await receive(await viewer.open(ChannelType.PORT), Note)  # its channels are not viewers


async def test_who_takes_over_is_let_in_and_the_first_is_told_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "spicetrio.server")
    async with (
        open_rig(max_viewers=2, when_full=WhenFull.TAKE_OVER) as rig,
        open_viewer(rig.connect) as first,
        open_viewer(rig.connect) as second,
    ):
        channel = await first.open(ChannelType.PORT)
        async with open_viewer(partial(rig.connect, "another")) as third:
            notify, disconnecting = await sent_to_the_end(first)
            assert isinstance(notify, base.Notify)
            assert notify.text == "a viewer at another took over"
            assert isinstance(disconnecting, base.Disconnecting)
            await drain(channel)
            here = [client.connection_id for client in rig.server.clients.value]
            assert here == [second.init.session_id, third.init.session_id]
            assert caplog.messages[-2].endswith("is gone: the server ended it: a viewer at another took over")


async def test_who_may_only_view_takes_over_from_nobody_who_controls() -> None:
    tickets = (Ticket("owner's"), Ticket("guest's", Role.VIEW))
    async with (
        open_rig(max_viewers=2, when_full=WhenFull.TAKE_OVER, tickets=tickets) as rig,
        open_viewer(rig.connect, password="owner's") as owner,
        open_viewer(rig.connect, password="guest's"),
        open_viewer(rig.connect, password="guest's") as guest,
    ):
        here = [client.connection_id for client in rig.server.clients.value]
        assert here == [owner.init.session_id, guest.init.session_id]
        async with open_viewer(rig.connect, password="owner's"), open_viewer(rig.connect, password="owner's"):
            assert {client.role for client in rig.server.clients.value} == {Role.CONTROL}
            with pytest.raises(RefusedError) as refused:
                async with open_viewer(rig.connect, password="guest's"):
                    pass
            assert refused.value.code == 1


async def test_of_many_that_take_over_at_once_the_last_is_there() -> None:
    async with open_rig(max_viewers=1, when_full=WhenFull.TAKE_OVER) as rig:
        most = 0
        let_in: list[int] = []

        async def come(number: int) -> None:
            nonlocal most
            async with open_viewer(rig.connect) as viewer:
                let_in.append(number)
                most = max(most, len(rig.server.clients.value))
                await drain(viewer.main)

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(come, number)
            await wait_all_tasks_blocked(0.05)
            assert sorted(let_in) == list(range(20))
            assert most == 1
            assert len(rig.server.clients.value) == 1
            rig.server.clients.value[0].end()
        assert rig.server.clients.value == ()


def test_one_that_is_stuck_holds_up_its_successor_for_the_grace_alone() -> None:
    async def run() -> None:
        async with open_rig(max_viewers=1, when_full=WhenFull.TAKE_OVER, grace=3) as rig:
            await be_stuck(rig)
            (client,) = rig.server.clients.value
            began = trio.current_time()
            async with open_viewer(rig.connect):
                assert trio.current_time() == began + 3
                assert client not in rig.server.clients.value

    on_a_clock_that_jumps(run)


async def test_a_viewer_that_goes_by_itself_leaves_its_place() -> None:
    async with open_rig(max_viewers=1, when_full=WhenFull.TAKE_OVER) as rig:
        async with open_viewer(rig.connect) as viewer:
            pass
        async with open_viewer(rig.connect) as other:
            await wait_all_tasks_blocked()
            assert rig.server.clients.value[0].connection_id == other.init.session_id
        assert viewer.init.session_id != other.init.session_id


# Ending


async def test_the_first_reason_to_end_a_viewer_stands() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        (client,) = rig.server.clients.value
        client.end("closing time")
        client.end("never mind")
        notify, _ = await sent_to_the_end(viewer)
        assert isinstance(notify, base.Notify)
        assert notify.text == "closing time"


async def test_without_a_reason_nothing_is_said_but_goodbye() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        rig.server.clients.value[0].end()
        assert [type(message) for message in await sent_to_the_end(viewer)] == [base.Disconnecting]


async def test_a_viewer_may_be_ended_twice_and_after_its_end() -> None:
    async with open_rig() as rig:
        async with open_viewer(rig.connect) as viewer:
            (client,) = rig.server.clients.value
            client.end("a")
            await drain(viewer.main)
            await rig.server.clients.wait_value(())
            client.end("b")
        assert await refusal(rig) == 0


async def test_viewers_can_be_waited_for() -> None:
    async with open_rig() as rig:
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rig.server.clients.wait_value, lambda clients: len(clients) == 2)
                await wait_all_tasks_blocked()
                async with open_viewer(rig.connect), open_viewer(rig.connect):
                    pass
            await rig.server.clients.wait_value(())


# Draining


async def test_while_drained_nobody_new_comes_and_who_is_here_goes_on() -> None:
    async with open_rig() as rig, trio.open_nursery() as nursery, open_viewer(rig.connect) as viewer:
        nursery.start_soon(rig.server.drain)
        await wait_all_tasks_blocked()
        assert await refusal(rig) == 1
        await receive(await viewer.open(ChannelType.PORT), Note)
        assert len(nursery.child_tasks) == 1
    # The nursery was left, so the drain has returned.


async def test_a_drain_without_viewers_returns_and_keeps_the_door_shut() -> None:
    async with open_rig() as rig:
        with trio.fail_after(5):
            await rig.server.drain()
        assert await refusal(rig) == 1


async def test_a_drain_that_is_cancelled_lets_viewers_in_again() -> None:
    async with open_rig() as rig, open_viewer(rig.connect):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.server.drain)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert await refusal(rig) == 0


async def test_one_of_two_drains_that_is_cancelled_does_not_open_the_door() -> None:
    async with open_rig() as rig, open_viewer(rig.connect), trio.open_nursery() as outer:
        outer.start_soon(rig.server.drain)
        async with trio.open_nursery() as inner:
            inner.start_soon(rig.server.drain)
            await wait_all_tasks_blocked()
            inner.cancel_scope.cancel()
        assert await refusal(rig) == 1
        outer.cancel_scope.cancel()


async def test_nobody_is_taken_over_from_by_one_that_will_not_be_let_in() -> None:
    async with (
        open_rig(max_viewers=1, when_full=WhenFull.TAKE_OVER) as rig,
        open_viewer(rig.connect) as viewer,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(rig.server.drain)
        await wait_all_tasks_blocked()
        assert await refusal(rig) == 1
        await receive(await viewer.open(ChannelType.PORT), Note)
        nursery.cancel_scope.cancel()


def test_who_waits_for_a_place_when_a_drain_begins_is_refused() -> None:
    async def run() -> None:
        async with open_rig(max_viewers=1, when_full=WhenFull.TAKE_OVER, grace=3) as rig:
            await be_stuck(rig)
            async with trio.open_nursery() as nursery:

                async def come() -> None:
                    with pytest.raises(RefusedError) as caught:
                        async with open_viewer(rig.connect):
                            pass
                    assert caught.value.code == 1

                nursery.start_soon(come)
                await trio.sleep(1)
                nursery.start_soon(rig.server.drain)

    on_a_clock_that_jumps(run)
