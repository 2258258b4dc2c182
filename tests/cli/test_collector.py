"""Garbage collections pass over the viewers who are there, and nothing is lost by that."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import AsyncIterator
from typing import cast

import pytest
import trio
from trio.testing import wait_all_tasks_blocked
from trio_util import AsyncValue

from spicetrio.cli.collector import collect_unseen
from spicetrio.server.client import Client

from .commands import run

ONE, TWO = cast("tuple[Client, ...]", (1,)), cast("tuple[Client, ...]", (1, 2))


class Circle:
    """Refers to itself, so that only a collection can free it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
async def clients() -> AsyncIterator[AsyncValue[tuple[Client, ...]]]:
    value = AsyncValue[tuple[Client, ...]](())
    before = gc.get_threshold()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect_unseen, value)
        await wait_all_tasks_blocked()
        yield value
        nursery.cancel_scope.cancel()
    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, before), "collections are as they were"


async def test_what_there_is_when_a_viewer_came_is_no_longer_looked_at(
    clients: AsyncValue[tuple[Client, ...]],
) -> None:
    for viewers in (ONE, TWO):
        kept = Circle()
        assert any(one is kept for one in gc.get_objects())
        clients.value = viewers
        await wait_all_tasks_blocked()
        assert all(one is not kept for one in gc.get_objects())


async def test_who_leaves_changes_nothing_while_others_are_there(clients: AsyncValue[tuple[Client, ...]]) -> None:
    clients.value = TWO
    await wait_all_tasks_blocked()
    new = Circle()
    clients.value = ONE
    await wait_all_tasks_blocked()
    assert any(one is new for one in gc.get_objects())


async def test_what_became_garbage_meanwhile_goes_when_nobody_is_there(
    clients: AsyncValue[tuple[Client, ...]],
) -> None:
    circle = Circle()
    gone = weakref.ref(circle)
    clients.value = ONE
    await wait_all_tasks_blocked()
    del circle
    gc.collect()
    assert gone() is not None, "it was set apart"
    clients.value = ()
    await wait_all_tasks_blocked()
    assert gone() is None


async def test_garbage_that_is_there_when_a_viewer_comes_is_not_set_apart(
    clients: AsyncValue[tuple[Client, ...]],
) -> None:
    gone = weakref.ref(Circle())
    clients.value = ONE
    await wait_all_tasks_blocked()
    assert gone() is None


async def test_a_command_that_ends_is_not_looked_through_once_more() -> None:
    code = """if True:
        import atexit, gc
        from spicetrio.cli import main
        atexit.register(lambda: print("set apart:", gc.get_freeze_count() > 1000))  # called after those of the command
        main(["--version"])
    """
    outcome = await run("-c", code, program=[sys.executable])
    assert outcome.status == 0, outcome.errors
    assert outcome.output.splitlines()[-1] == "set apart: True"
