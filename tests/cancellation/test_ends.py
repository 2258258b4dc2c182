"""Ends of servers and viewers that are cancelled while they happen: shutdown, drain, taking over."""

from __future__ import annotations

import pytest
import trio

from spicetrio.server.settings import WhenFull
from spicetrio.wire.enums import ChannelType
from tests.cancellation.guests import GONE, Guest
from tests.cancellation.harness import Scenario, Stage, cases, every_place
from tests.server.rig import drain


async def open_all(stage: Stage) -> Guest:
    guest = stage.guest()
    await guest.come()
    channel = await guest.open_display()
    await guest.watch(channel, lambda screen: screen.marked)
    await guest.open(ChannelType.INPUTS)
    await guest.open(ChannelType.CURSOR)
    return guest


async def close_everything(stage: Stage) -> None:
    try:
        guest = await open_all(stage)
    finally:  # whoever was cancelled before that
        stage.curtain.set()
    await drain(guest.main)


async def leave(stage: Stage) -> None:
    guest = await open_all(stage)
    stage.cue("here").set()
    await guest.leave()


async def drain_server(stage: Stage) -> None:
    await stage.cue("here").wait()
    await stage.server.drain()
    stage.full = True


async def take_over(stage: Stage) -> None:
    first = await open_all(stage)
    second = stage.guest()
    stage.notes["taken over"] = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, first.main)
        await second.come()
    channel = await second.open_display()
    await second.watch(channel, lambda screen: screen.marked)


async def two_at_once(stage: Stage) -> None:
    """Two viewers come at the same time. One that is cancelled must not keep the other out."""

    async def come() -> None:
        try:
            await open_all(stage)
        except GONE:
            if not stage.trigger.fired:
                raise

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come)
        nursery.start_soon(come)


SCENARIOS = {
    "shutdown": Scenario(peers=close_everything, closing=True),
    "keys": Scenario(peers=close_everything, closing=True, settings={"name": "keys of its own"}),
    "leaving": Scenario(peers=leave),
    "drain": Scenario(peers=leave, application=drain_server, bystander=False),
    "take-over": Scenario(
        peers=take_over, bystander=False, settings={"max_viewers": 1, "when_full": WhenFull.TAKE_OVER}
    ),
    "two": Scenario(peers=two_at_once),
}


@pytest.mark.parametrize(
    ("scenario", "target", "place"),
    [
        *cases("shutdown", "server", "client", "display", "inputs", threads=("server",)),
        *cases("keys", "server"),
        *cases("leaving", "server", "client", "display client", threads=("server", "client")),
        *cases("drain", "server", "client", "application"),
        *cases("take-over", "server", "client", "half open"),
        *cases("two", "server", "client"),
    ],
)
def test_end_is_complete_wherever_it_is_cancelled(scenario: str, target: str, place: str) -> None:
    every_place(SCENARIOS[scenario], target, place)
