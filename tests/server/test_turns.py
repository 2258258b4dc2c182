"""Those who leave at once leave one after the other, and nobody who is cancelled waits for a turn."""

from __future__ import annotations

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


async def test_of_many_who_leave_at_once_one_goes_on_in_a_round() -> None:
    turns, rounds, left = Turns(), Rounds(), list[int]()
    pairs = [memory_stream_pair() for _ in range(50)]

    async def serve(stream: trio.abc.Stream) -> None:
        assert await TurnStream(stream, turns).receive_some() == b""
        left.append(rounds.count)

    trio.lowlevel.add_instrument(rounds)
    async with trio.open_nursery() as nursery:
        for _, theirs in pairs:
            nursery.start_soon(serve, theirs)
        await trio.testing.wait_all_tasks_blocked()
        for ours, _ in pairs:
            await trio.aclose_forcefully(ours)
    trio.lowlevel.remove_instrument(rounds)
    assert len(left) == len(set(left)) == 50


async def test_a_broken_stream_is_told_of_in_turn() -> None:
    turns = Turns()
    ours, theirs = memory_stream_pair()
    await theirs.aclose()
    stream = TurnStream(ours, turns)
    async with trio.open_nursery() as nursery:
        begun = trio.Event()

        async def hold_the_turn() -> None:
            async with turns._lock:
                begun.set()
                await trio.sleep_forever()

        nursery.start_soon(hold_the_turn)
        await begun.wait()
        with trio.move_on_after(0) as scope:
            await stream.send_all(b"x")
        assert scope.cancelled_caught, "it waited for its turn, and a cancelled one waits no longer"
        nursery.cancel_scope.cancel()
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(b"x")


async def test_bytes_wait_for_no_turn() -> None:
    turns = Turns()
    ours, theirs = memory_stream_pair()
    stream = TurnStream(ours, turns)
    async with turns._lock:
        await stream.send_all(b"there")
        assert await theirs.receive_some() == b"there"
        await theirs.send_all(b"and back")
        assert await stream.receive_some() == b"and back"
