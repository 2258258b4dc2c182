"""Connections that are cancelled before, while and after they prove themselves."""

from __future__ import annotations

import pytest
import trio

from spicetrio.wire.enums import LinkErrorCode
from tests.cancellation.harness import Scenario, Stage, cases, every_place
from tests.peer import FULL_HEADER, RefusedError


async def link(stage: Stage) -> None:
    await stage.guest(common=FULL_HEADER).come()


async def right_ticket(stage: Stage) -> None:
    await stage.guest(password="secret").come()


async def wrong_ticket(stage: Stage) -> None:
    guest = stage.guest(password="guess")
    with pytest.raises(RefusedError) as refused:
        await guest.come()
    assert refused.value.code == LinkErrorCode.PERMISSION_DENIED


async def main_channel(stage: Stage) -> None:
    guest = stage.guest()
    await guest.come()
    assert await guest.list_channels()


async def two_at_once(stage: Stage) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(main_channel, stage)


SCENARIOS = {
    "link": Scenario(peers=link),
    "link in memory": Scenario(peers=link, connect="memory", bystander=False),
    "right ticket": Scenario(peers=right_ticket, settings={"ticket": "secret"}),
    "wrong ticket": Scenario(peers=wrong_ticket, settings={"ticket": "secret"}, connect="memory"),
    "main": Scenario(peers=main_channel),
}


@pytest.mark.parametrize(
    ("scenario", "target", "place"),
    [
        *cases("link", "server", "half open", "client", "client.end", "main client"),
        *cases("link in memory", "server", "connection", "half open"),
        *cases("right ticket", "server", "half open", "client"),
        *cases("wrong ticket", "server", "half open", "connection"),
        *cases("main", "server", "client", "client.end", "main client"),
    ],
)
def test_link_stage_leaves_nothing_behind_wherever_it_is_cancelled(scenario: str, target: str, place: str) -> None:
    every_place(SCENARIOS[scenario], target, place)
