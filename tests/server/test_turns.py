"""Those who leave at once leave one after the other, and nobody who is cancelled waits for a turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import memory_stream_pair

from spicetrio.server.turns import Turns, TurnStream


class Rounds(trio.abc.Instrument):
    """Counts the rounds of the event loop."""

    def __init__(self) -> None:
        self.count = 0

    def after_io_wait(self, timeout: float) -> None:
        self.count += 1


async def read(stream: TurnStream) -> None:
    assert await stream.receive_some() == b""


async def send(stream: TurnStream) -> None:
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(b"x")


@pytest.mark.parametrize("notice", [read, send])
async def test_of_many_who_leave_at_once_one_goes_on_in_a_round(
    notice: Callable[[TurnStream], Awaitable[None]],
) -> None:
    turns, rounds, left = Turns(), Rounds(), list[int]()

    async def serve(stream: TurnStream) -> None:
        await notice(stream)
        left.append(rounds.count)

    trio.lowlevel.add_instrument(rounds)
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            ours, theirs = memory_stream_pair()
            await trio.aclose_forcefully(theirs)
            nursery.start_soon(serve, TurnStream(ours, turns))
    trio.lowlevel.remove_instrument(rounds)
    assert len(left) == len(set(left)) == 50


async def test_who_is_cancelled_waits_for_no_turn_and_the_others_still_have_theirs() -> None:
    turns, left = Turns(), list[int]()

    async def wait(number: int) -> None:
        await turns.wait()
        left.append(number)

    scope = trio.CancelScope()
    turns._taken = True
    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(wait, number)
            await trio.lowlevel.checkpoint()
        with scope:
            scope.cancel()
            await turns.wait()
        assert scope.cancelled_caught
        assert not left
        turns._waiting.unpark()
    assert left == list(range(10))
    await turns.wait()


async def test_a_connection_needs_one_turn_whoever_notices_its_end() -> None:
    turns = Turns()
    ours, theirs = memory_stream_pair()
    await theirs.aclose()
    stream = TurnStream(ours, turns)
    await read(stream)
    turns._taken = True
    with trio.fail_after(1):
        await send(stream)


async def test_that_a_peer_left_is_not_taken_for_told_by_who_is_cancelled_before_its_turn() -> None:
    turns = Turns()
    ours, theirs = memory_stream_pair()
    await theirs.aclose()
    stream = TurnStream(ours, turns)
    turns._taken = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        assert stream.left
        nursery.cancel_scope.cancel()
    assert not stream.left
    turns._taken = False
    await read(stream)
    assert stream.left


async def test_bytes_wait_for_no_turn() -> None:
    turns = Turns()
    ours, theirs = memory_stream_pair()
    stream = TurnStream(ours, turns)
    turns._taken = True
    with trio.fail_after(1):
        await stream.send_all(b"there")
        assert await theirs.receive_some() == b"there"
        await theirs.send_all(b"and back")
        assert await stream.receive_some() == b"and back"
    assert not stream.left
