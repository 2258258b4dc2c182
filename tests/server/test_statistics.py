"""Figures about a moment, which are there at every moment."""

from __future__ import annotations

import time

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import spicetrio
from spicetrio.server.statistics import TICK, TICKS, LoopWatch
from spicetrio.server.writer import ENTRY_SIZE
from spicetrio.wire import base
from spicetrio.wire.enums import ChannelType
from tests import peer
from tests.peer import open_viewer

from .rig import Gate, Note, drain, open_rig, receive


async def test_a_server_without_viewers() -> None:
    async with open_rig() as rig:
        figures = rig.server.statistics()
        assert (figures.viewers, figures.half_open, figures.connections, figures.lateness) == (0, 0, (), 0)
        assert figures.tasks == trio.lowlevel.current_statistics().tasks_living


async def test_connections_that_did_not_prove_themselves_are_counted_until_they_do_or_leave() -> None:
    async with open_rig() as rig:
        streams = [await rig.connect() for _ in range(3)]
        await wait_all_tasks_blocked()
        assert rig.server.statistics().half_open == 3
        await streams[0].aclose()
        await wait_all_tasks_blocked()
        assert rig.server.statistics().half_open == 2
        async with open_viewer(rig.connect):
            figures = rig.server.statistics()
            assert (figures.viewers, figures.half_open, len(figures.connections)) == (1, 2, 1)


async def test_each_connection_has_its_figures() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        channel = await viewer.open(ChannelType.PORT)
        await receive(channel, Note)
        await channel.send(Note(b"x" * 40))
        await receive(channel, Note)
        await wait_all_tasks_blocked()
        main, port = rig.server.statistics().connections
        assert (main.channel, port.channel) == ((ChannelType.MAIN, 0), (ChannelType.PORT, 0))
        assert main.client is port.client is rig.server.clients.value[0]
        assert port.sent == channel.received
        assert port.received == 6 + 40
        assert port.queued == 0
        assert port.queued_peak >= 40


async def test_what_waits_for_a_viewer_that_does_not_read_and_the_most_that_ever_did() -> None:
    async with open_rig() as rig, open_viewer(rig.connect) as viewer:
        gate = Gate()
        ours, theirs = gate.pair()
        rig.serve(theirs)
        channel = await peer.link(ours, ChannelType.PORT, connection_id=viewer.init.session_id)
        await wait_all_tasks_blocked()
        (served,) = rig.echo.clients
        gate.close()
        served.writer.post(Note(bytes(10)))
        await wait_all_tasks_blocked()
        served.writer.post(Note(bytes(1000)), Note(bytes(500)))
        figures = rig.server.statistics().connections[-1]
        assert (figures.queued, figures.queued_peak) == (1500 + 2 * ENTRY_SIZE,) * 2
        gate.open()
        for size in (5, 10, 1000, 500):
            assert len((await receive(channel, Note)).data) == size
        await wait_all_tasks_blocked()
        figures = rig.server.statistics().connections[-1]
        assert (figures.queued, figures.queued_peak) == (0, 1500 + 2 * ENTRY_SIZE)


class Looker(trio.abc.Instrument):
    """Looks after each step of any task."""

    def __init__(self, server: spicetrio.Server) -> None:
        self.server = server
        self.looks = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.server.statistics()
        self.looks += 1


async def test_they_can_be_asked_for_after_every_step_of_a_connection() -> None:
    async with open_rig() as rig:
        looker = Looker(rig.server)
        trio.lowlevel.add_instrument(looker)
        async with open_viewer(rig.connect) as viewer:
            channel = await viewer.open(ChannelType.PORT)
            await receive(channel, Note)
            await channel.send(base.ClientDisconnecting(0, 0))
            await drain(channel)
        await wait_all_tasks_blocked()
        # An instrument that raises is removed by Trio, with no more than a line in the log.
        trio.lowlevel.remove_instrument(looker)
        assert looker.looks > 30


async def test_how_late_the_loop_was() -> None:
    watch = LoopWatch()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        await trio.sleep(TICK / 2)
        assert watch.lateness == 0
        time.sleep(TICK * 2)  # noqa: ASYNC251 - the fault that is to be seen
        await trio.sleep(TICK / 10)
        assert watch.lateness >= TICK
        nursery.cancel_scope.cancel()


def test_lateness_is_forgotten_after_a_while() -> None:
    clock = MockClock()
    clock.autojump_threshold = 0

    async def main() -> None:
        watch = LoopWatch()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch.run)
            await wait_all_tasks_blocked()
            clock.jump(TICK + 3)
            await trio.sleep(TICK)
            assert watch.lateness == 3
            await trio.sleep(TICK * (TICKS + 2))
            assert watch.lateness == 0
            nursery.cancel_scope.cancel()

    trio.run(main, clock=clock)


async def test_a_running_server_measures_its_loop() -> None:
    with trio.fail_after(10):
        async with spicetrio.open_server(port=0, disable_ticketing=True) as server:
            while server.statistics().lateness == 0:  # noqa: ASYNC110 - the first look
                await trio.sleep(TICK / 5)
