from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from spicetrio.server.client import Client, Clients
from spicetrio.server.tickets import ANYBODY
from spicetrio.wire import base
from spicetrio.wire.enums import ChannelType
from tests.peer import open_viewer

from .rig import drain, open_rig


async def test_a_viewer_is_there_while_its_block_runs() -> None:
    clients = Clients()
    async with clients.open("a", ANYBODY) as first:
        async with clients.open("b", ANYBODY) as second:
            assert clients.current.value == (first, second)
            assert first.connection_id != second.connection_id
            assert 0 not in (first.connection_id, second.connection_id)
            assert clients.find(second.connection_id) is second
        assert clients.current.value == (first,)
        assert clients.find(second.connection_id) is None
    assert clients.current.value == ()
    assert clients.find(0) is None


async def test_its_block_ends_all_that_runs_in_its_nursery() -> None:
    ended = trio.Event()

    async def serve() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    async with Clients().open("a", ANYBODY) as client:
        client.nursery.start_soon(serve)
        await wait_all_tasks_blocked()
    assert ended.is_set()


async def test_a_failure_inside_ends_the_viewer() -> None:
    async def serve() -> None:
        await trio.lowlevel.checkpoint()
        raise KeyError

    clients = Clients()
    with pytest.RaisesGroup(KeyError):
        async with clients.open("a", ANYBODY) as client:
            client.nursery.start_soon(serve)
            await trio.sleep_forever()
    assert clients.current.value == ()


async def test_ids_are_random() -> None:
    clients = Clients()
    seen = set()
    for _ in range(50):
        async with clients.open("a", ANYBODY) as client:
            seen.add(client.connection_id)
    assert len(seen) == 50


async def test_the_list_of_viewers_can_be_waited_on() -> None:
    async with open_rig() as rig, trio.open_nursery() as nursery:
        history: list[int] = []

        async def watch() -> None:
            async for viewers in rig.server.clients.eventual_values():
                history.append(len(viewers))

        nursery.start_soon(watch)
        await wait_all_tasks_blocked()
        async with open_viewer(rig.connect):
            await wait_all_tasks_blocked()
            async with open_viewer(rig.connect):
                await wait_all_tasks_blocked()
            await wait_all_tasks_blocked()
        await wait_all_tasks_blocked()
        assert history == [0, 1, 2, 1, 0]
        nursery.cancel_scope.cancel()


async def test_a_viewer_that_is_ended_is_told_why_and_all_its_channels_end() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer, open_viewer(rig.connect) as other:
        channel = await viewer.open(ChannelType.PORT)
        others = await other.open(ChannelType.PORT)
        await wait_all_tasks_blocked()
        ended: Client = rig.server.clients.value[0]
        assert ended.connection_id == viewer.init.session_id
        assert ended.peer == "memory"
        ended.end("the owner wants you gone")
        *_, told, last = await drain(viewer.main)
        assert isinstance(told, base.Notify)
        assert told.text == "the owner wants you gone"
        assert isinstance(last, base.Disconnecting)
        await drain(channel)
        await rig.server.clients.wait_value(lambda viewers: len(viewers) == 1)
        assert len(rig.echo.clients) == 1
        await others.send(base.Ack())
        assert await others.receive()
