"""A device is a stream with one viewer at a time, which holds up nobody and which nobody holds up."""

from __future__ import annotations

import os
from contextlib import suppress

import lz4.block
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import spicetrio
from spicetrio import Role, Ticket
from spicetrio.channels.vmc import CHUNK_SIZE, COMPRESSED_FROM, MAX_MESSAGE, RECEIVE_LIMIT
from spicetrio.wire import vmc
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import ChannelType, DataCompression
from tests.channels.devices import answers, attach, collect
from tests.channels.stage import closed, open_stage, receive, until
from tests.peer import link, open_viewer
from tests.server.rig import open_rig

TEXT = b"all work and no play makes jack a dull boy\n" * 5000
NOISE = os.urandom(200_000)


def packed(data: bytes, size: int | None = None) -> vmc.ClientCompressedData:
    block = lz4.block.compress(data, store_size=False)
    return vmc.ClientCompressedData(DataCompression.LZ4, len(data) if size is None else size, block)


async def read(device: trio.abc.ReceiveStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        some = await device.receive_some(size - len(data))
        assert some, f"it ended after {len(data)} of {size} bytes"
        data += some
    return data


@pytest.mark.parametrize("compressing", [False, True])
@pytest.mark.parametrize("data", [b"\0", TEXT, NOISE, bytes(300_000)], ids=["byte", "text", "noise", "zeros"])
async def test_bytes_pass_untouched_both_ways(data: bytes, compressing: bool) -> None:
    async with open_stage() as stage, stage.server.open_usbredir() as device, stage.viewer() as viewer:
        channel = await attach(viewer, lz4=compressing)
        async with channel.stream, trio.open_nursery() as nursery:
            nursery.start_soon(device.send_all, data)
            assert await collect(channel, len(data)) == data
            nursery.start_soon(channel.send, vmc.ClientData(data), packed(data))
            assert await read(device, 2 * len(data)) == data * 2


@pytest.mark.parametrize(
    ("data", "compressing", "peer", "compressed"),
    [
        (TEXT[: COMPRESSED_FROM + 1], True, "192.0.2.1", True),
        (TEXT[:COMPRESSED_FROM], True, "192.0.2.1", False),
        (NOISE[:5000], True, "192.0.2.1", False),
        (TEXT[:5000], False, "192.0.2.1", False),
        (TEXT[:5000], True, "unix", False),
    ],
    ids=["compressible", "short", "noise", "viewer cannot", "same machine"],
)
async def test_bytes_are_compressed_where_it_helps(data: bytes, compressing: bool, peer: str, compressed: bool) -> None:
    async with open_rig() as rig, rig.server.open_usbredir() as device:

        async def connect() -> trio.abc.Stream:
            return await rig.connect(peer)

        async with open_viewer(connect) as viewer:
            channel = await attach(viewer, lz4=compressing)
            async with channel.stream:
                await device.send_all(data)
                message = await receive(channel, vmc.CompressedData if compressed else vmc.Data)
                size = memoryview(message.data).nbytes
                assert size < len(data) if compressed else bytes(message.data) == data


@pytest.mark.parametrize(
    "message",
    [
        packed(b"abc", 0xFFFFFFFF),
        packed(bytes(1000), MAX_MESSAGE + 1),
        packed(b"abc", 255 * 5),
        packed(TEXT, len(TEXT) - 1),
        packed(TEXT, len(TEXT) + 1),
        vmc.ClientCompressedData(DataCompression.LZ4, 10, b"\xff" * 40),
        vmc.ClientCompressedData(DataCompression.LZ4, 0, b"\xff"),
        vmc.ClientData(bytes(MAX_MESSAGE + 1)),
    ],
    ids=["4 GiB", "too much", "bomb", "short", "long", "wrong", "nothing", "huge"],
)
async def test_a_message_that_is_wrong_ends_that_connection_alone(message: Message) -> None:
    async with open_stage() as stage, stage.server.open_usbredir() as device, stage.viewer() as viewer:
        channel = await attach(viewer)
        await channel.send(vmc.ClientData(b"right"))
        assert await device.receive_some() == b"right"
        with suppress(trio.BrokenResourceError):
            await channel.send(message)
        await closed(channel)
        await device.viewer.wait_value(None)
        await answers(viewer)
        again = await attach(viewer)
        async with again.stream:
            assert await device.receive_some() == b""
            await again.send(vmc.ClientData(b"again"))
            assert await device.receive_some() == b"again"


async def test_a_viewer_that_does_not_read_holds_up_the_writer_of_its_device_alone() -> None:
    async with (
        open_stage() as stage,
        stage.server.open_usbredir() as device,
        stage.server.open_usbredir() as other,
        stage.viewer() as viewer,
    ):
        stuck = await stage.connect(buffer=4096)
        await link(stuck, ChannelType.USBREDIR, connection_id=viewer.init.session_id)
        free = await viewer.open(ChannelType.USBREDIR, 1)
        async with stuck, free.stream, trio.open_nursery() as nursery:
            nursery.start_soon(device.send_all, NOISE * 20)
            await until(lambda: bool(device.clients))
            for _ in range(20):
                await other.send_all(b"through")
                assert await collect(free, 7) == b"through"
                await answers(viewer)
            assert all(client.writer.peak_bytes < 2 * CHUNK_SIZE for client in device.clients)
            nursery.cancel_scope.cancel()


async def test_a_device_that_is_not_read_holds_up_that_channel_of_its_viewer_alone() -> None:
    async with open_stage() as stage, stage.server.open_usbredir() as device, stage.viewer() as viewer:
        channel = await attach(viewer)
        sent = 0
        async with channel.stream, trio.open_nursery() as nursery:

            @nursery.start_soon
            async def flood() -> None:
                nonlocal sent
                while True:
                    await channel.send(vmc.ClientData(NOISE[:50_000]))
                    sent += 50_000

            await until(lambda: sent >= RECEIVE_LIMIT)
            before = -1
            while sent != before:  # until nothing more goes
                before = sent
                await trio.sleep(0.05)
            (client,) = device.clients
            assert len(client.inbox._data) < RECEIVE_LIMIT + 50_000
            await answers(viewer)
            await device.send_all(b"the other way is free")
            assert await collect(channel, 21) == b"the other way is free"
            assert await read(device, 2 * RECEIVE_LIMIT) == (NOISE[:50_000] * 20)[: 2 * RECEIVE_LIMIT]
            nursery.cancel_scope.cancel()


async def test_a_second_viewer_has_the_device_when_the_first_has_left() -> None:
    async with open_stage() as stage, stage.server.open_usbredir() as device, stage.viewer() as first:
        channel = await attach(first)
        async with stage.viewer() as second:
            later = await attach(second)
            await later.send(vmc.ClientData(b"from the second"))
            await channel.send(vmc.ClientData(b"from the first"))
            assert await device.receive_some() == b"from the first"
            assert device.viewer.value is stage.server.clients.value[0]
            await channel.stream.aclose()
            assert await device.receive_some() == b""
            assert await device.receive_some() == b"from the second"
            assert device.viewer.value is stage.server.clients.value[1]
            await answers(first)
            await later.stream.aclose()


async def test_who_gives_up_in_line_is_passed_over() -> None:
    async with (
        open_stage() as stage,
        stage.server.open_usbredir() as device,
        stage.viewer() as viewer,
        stage.viewer() as second,
        stage.viewer() as third,
    ):
        channels = [await attach(one) for one in (viewer, second, third)]
        await until(lambda: len(device.clients) == 3)
        await channels[1].stream.aclose()
        await until(lambda: len(device.clients) == 2)
        await channels[0].stream.aclose()
        await until(lambda: len(device.clients) == 1)
        await channels[2].send(vmc.ClientData(b"third"))
        assert await device.receive_some() == b"third"
        await channels[2].stream.aclose()


async def test_each_direction_is_told_once_that_the_viewer_has_left() -> None:
    async with open_stage() as stage, stage.server.open_usbredir() as device, stage.viewer() as viewer:
        channel = await attach(viewer)
        await channel.send(vmc.ClientData(b"last words"))
        await device.send_all(b"x")
        await until(lambda: bool(device.clients[0].inbox._data))
        await channel.stream.aclose()
        await device.viewer.wait_value(None)
        again = await attach(viewer)
        await again.send(vmc.ClientData(b"hello"))
        assert await device.receive_some() == b"last words"
        assert await device.receive_some() == b""
        with pytest.raises(trio.BrokenResourceError):
            await device.send_all(b"for the first")
        assert await device.receive_some() == b"hello"
        await device.send_all(b"for the second")
        assert await collect(again, 14) == b"for the second"
        await again.stream.aclose()


async def test_who_sends_and_receives_while_there_is_no_viewer_waits_for_one() -> None:
    async with open_stage() as stage, stage.server.open_usbredir() as device, trio.open_nursery() as nursery:
        nursery.start_soon(device.send_all, b"welcome")
        await wait_all_tasks_blocked()
        async with stage.viewer() as viewer:
            channel = await attach(viewer)
            assert await collect(channel, 7) == b"welcome"
            await channel.stream.aclose()


async def test_accept_gives_a_stream_for_each_viewer_and_one_at_a_time() -> None:
    async with open_stage() as stage, stage.server.open_usbredir() as device, stage.viewer() as viewer:
        channel = await attach(viewer)
        async with await device.accept() as stream:
            assert stream.viewer is stage.server.clients.value[0]
            with trio.move_on_after(0.01) as scope:
                await device.accept()
            assert scope.cancelled_caught
            await channel.send(vmc.ClientData(b"one"))
            assert await stream.receive_some(2) == b"on"
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive_some()
        with pytest.raises(trio.ClosedResourceError):
            await stream.send_all(b"x")
        await channel.send(vmc.ClientData(b"dropped"))  # nobody has the device open
        await until(lambda: device.clients[0]._link.meter.received >= 3 + 7 + 2 * 6)
        async with await device.accept() as stream:
            await channel.send(vmc.ClientData(b"two"))
            assert await stream.receive_some() == b"two"
            await channel.stream.aclose()
            assert await stream.receive_some() == b""
            with pytest.raises(trio.BrokenResourceError):
                await stream.send_all(b"x")


async def test_who_may_only_view_has_no_device() -> None:
    tickets = (Ticket("owner's"), Ticket("guest's", Role.VIEW))
    async with (
        open_rig(tickets=tickets) as rig,
        rig.server.open_usbredir() as device,
        open_viewer(rig.connect, password="guest's") as guest,
        open_viewer(rig.connect, password="owner's") as owner,
    ):
        watching = await attach(guest)
        await watching.send(*[vmc.ClientData(NOISE)] * 5)
        channel = await attach(owner)
        await channel.send(vmc.ClientData(b"the owner's"))
        assert await device.receive_some() == b"the owner's"
        assert device.viewer.value is rig.server.clients.value[1]
        await watching.stream.aclose()
        await channel.stream.aclose()


async def test_a_device_that_is_closed_says_so_to_whoever_waits_for_it() -> None:
    async with open_stage() as stage:
        async with stage.server.open_usbredir() as device:
            pass
        for call in (device.receive_some(), device.send_all(b"x"), device.accept()):
            with pytest.raises(trio.ClosedResourceError):
                await call
        async with stage.server.open_usbredir() as device, stage.viewer() as viewer:
            channel = await attach(viewer)
            await device.send_all(b"x")
            await device.aclose()
            for call in (device.receive_some(), device.send_all(b"x"), device.accept()):
                with pytest.raises(trio.ClosedResourceError):
                    await call
            await answers(viewer)
            await channel.stream.aclose()


async def test_the_end_of_a_device_ends_the_stream_with_its_viewer() -> None:
    async with open_stage() as stage, stage.viewer() as viewer:
        async with stage.server.open_usbredir() as device:
            channel = await attach(viewer)
            stream = await device.accept()
        assert await stream.receive_some() == b""
        await closed(channel)
        await answers(viewer)


async def test_a_second_task_is_told_that_the_first_is_busy() -> None:
    async with open_stage() as stage, stage.server.open_usbredir() as device, stage.viewer() as viewer:
        channel = await attach(viewer)
        async with channel.stream, await device.accept() as stream, trio.open_nursery() as nursery:
            nursery.start_soon(stream.receive_some)
            nursery.start_soon(stream.send_all, NOISE * 100)
            await wait_all_tasks_blocked(0.01)
            with pytest.raises(trio.BusyResourceError):
                await stream.receive_some()
            with pytest.raises(trio.BusyResourceError):
                await stream.send_all(b"x")
            with pytest.raises(trio.BusyResourceError):
                await stream.wait_send_all_might_not_block()
            with pytest.raises(ValueError, match="max_bytes is 0"):
                await stream.receive_some(0)
            nursery.cancel_scope.cancel()


async def test_a_receive_that_is_cancelled_loses_nothing() -> None:
    async with open_stage() as stage, stage.server.open_usbredir() as device, stage.viewer() as viewer:
        channel = await attach(viewer)
        data, sent = b"", bytes(range(200))
        async with channel.stream, trio.open_nursery() as nursery:

            @nursery.start_soon
            async def send() -> None:
                for byte in sent:
                    await channel.send(vmc.ClientData(bytes([byte])))

            while len(data) < len(sent):
                with trio.CancelScope() as scope:
                    nursery.start_soon(cancel_soon, scope)
                    data += await device.receive_some(3)
        assert data == sent


async def cancel_soon(scope: trio.CancelScope) -> None:
    await trio.lowlevel.checkpoint()
    scope.cancel()


async def test_a_viewer_may_bring_as_many_usb_devices_as_there_are_channels() -> None:
    async with open_stage() as stage, stage.server.open_usbredir() as first, stage.server.open_usbredir() as second:
        assert (first.id, second.id) == (0, 1)
        async with stage.viewer() as viewer:
            channels = [await viewer.open(ChannelType.USBREDIR, number) for number in (0, 1)]
            for number, device in enumerate((first, second)):
                await channels[number].send(vmc.ClientData(b"%d" % number))
                assert await device.receive_some() == b"%d" % number
            for channel in channels:
                await channel.stream.aclose()


async def test_a_device_is_a_trio_stream() -> None:
    async with open_stage() as stage, stage.server.open_usbredir() as device, stage.viewer() as viewer:
        assert isinstance(device, trio.abc.Stream)
        assert isinstance(device, spicetrio.UsbRedir)
        channel = await attach(viewer)
        await channel.send(vmc.ClientData(b"abc"))
        await until(lambda: bool(device.clients) and len(device.clients[0].inbox._data) == 3)
        assert await device.receive_some(1) == b"a"
        await channel.stream.aclose()
        assert b"".join([data async for data in device]) == b"bc"
