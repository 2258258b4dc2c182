"""A viewer and what is at its device are connected until one of them ends, whatever is waited for."""

from __future__ import annotations

from contextlib import suppress

import trio
from trio.testing import memory_stream_pair

from spicetrio.sources.devices import connect_viewer
from spicetrio.wire import vmc
from tests.channels.devices import attach, collect
from tests.channels.stage import open_stage
from tests.peer import PeerChannel


class Deaf(trio.abc.Stream):
    """Says nothing and takes nothing."""

    def __init__(self) -> None:
        self.given = trio.Event()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.sleep_forever()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.given.set()
        await trio.sleep_forever()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.sleep_forever()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_bytes_pass_both_ways_until_the_device_is_closed() -> None:
    ours, theirs = memory_stream_pair()
    async with open_stage() as stage, stage.server.open_usbredir() as usbredir, stage.viewer() as viewer:
        channel = await attach(viewer)
        async with channel.stream, await usbredir.accept() as stream, trio.open_nursery() as nursery:
            nursery.start_soon(connect_viewer, stream, ours)
            await theirs.send_all(b"hello")
            assert await collect(channel, 5) == b"hello"
            await channel.send(vmc.ClientData(b"answer"))
            assert await theirs.receive_some() == b"answer"
            await theirs.aclose()


async def test_a_device_that_is_not_read_does_not_hold_who_has_left() -> None:
    async def flood(channel: PeerChannel) -> None:
        with suppress(trio.BrokenResourceError):
            await channel.send(*[vmc.ClientData(bytes(100_000))] * 100)

    async with open_stage() as stage, stage.server.open_usbredir() as usbredir, stage.viewer() as viewer:
        channel = await attach(viewer)
        async with channel.stream, trio.open_nursery() as nursery:
            nursery.start_soon(flood, channel)
            async with await usbredir.accept() as stream:
                device = Deaf()
                with trio.fail_after(10):
                    async with trio.open_nursery() as connection:
                        connection.start_soon(connect_viewer, stream, device)
                        await device.given.wait()
                        stage.server.clients.value[0].end()
            nursery.cancel_scope.cancel()
