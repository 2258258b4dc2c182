"""Connections to a viewer's folder go over one port, take turns, and end alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import spicetrio
from spicetrio.channels import webdav
from spicetrio.channels.vmc import DeviceStream
from spicetrio.channels.webdav import MAX_CONNECTIONS, RECEIVE_LIMIT
from spicetrio.server.link import RECEIVE_SIZE
from spicetrio.wire import port, vmc
from spicetrio.wire.enums import ChannelType, PortEvent
from spicetrio.wire.webdav import MAX_DATA, MuxDecoder, MuxFrame
from tests.channels.devices import answers, attach, plain
from tests.channels.stage import Stage, open_stage, receive
from tests.peer import PeerChannel, Viewer


@dataclass
class Sharing:
    """A viewer that shares a folder."""

    stage: Stage
    folder: spicetrio.SharedFolder
    viewer: Viewer
    channel: PeerChannel
    decoder: MuxDecoder = field(default_factory=MuxDecoder)
    frames: list[MuxFrame] = field(default_factory=list)

    async def send(self, number: int, data: bytes) -> None:
        await self.channel.send(vmc.ClientData(MuxFrame(number, data).encode()))

    async def next(self) -> MuxFrame:
        while not self.frames:
            self.frames += self.decoder.receive_data(plain(await self.channel.receive()))
        return self.frames.pop(0)


@asynccontextmanager
async def sharing() -> AsyncIterator[Sharing]:
    async with open_stage() as stage, stage.server.open_webdav() as folder, stage.viewer() as viewer:
        channel = await attach(viewer, ChannelType.WEBDAV)
        await folder.shared.wait_value(True)
        async with channel.stream:
            yield Sharing(stage, folder, viewer, channel)


async def test_connections_have_their_own_numbers_and_bytes() -> None:
    async with sharing() as share:
        first, second = await share.folder.connect(), await share.folder.connect()
        await first.send_all(b"GET /")
        await second.send_all(b"PROPFIND /")
        one, two = await share.next(), await share.next()
        assert (one.data, two.data) == (b"GET /", b"PROPFIND /")
        await share.send(two.number, b"207")
        await share.send(one.number, b"200")
        assert await first.receive_some() == b"200"
        assert await second.receive_some() == b"207"


async def test_what_is_longer_than_a_frame_goes_in_several() -> None:
    async with sharing() as share, trio.open_nursery() as nursery:
        stream = await share.folder.connect()
        data = bytes(range(256)) * 1000
        nursery.start_soon(stream.send_all, data)
        received = b""
        while len(received) < len(data):
            frame = await share.next()
            assert 0 < len(frame.data) <= MAX_DATA
            received += frame.data
        assert received == data


async def test_connections_take_turns_of_a_frame_each() -> None:
    async with sharing() as share, trio.open_nursery() as nursery:
        long, short = await share.folder.connect(), await share.folder.connect()
        nursery.start_soon(long.send_all, bytes(200 * MAX_DATA))
        await wait_all_tasks_blocked(0.01)
        nursery.start_soon(short.send_all, b"short")
        await wait_all_tasks_blocked(0.01)
        before = 0
        while (await share.next()).data != b"short":
            before += 1
        assert before < 100  # all that was on its way to a viewer that did not read, and no more
        nursery.cancel_scope.cancel()


async def test_an_end_of_the_viewer_is_an_end_here_behind_what_came_before() -> None:
    async with sharing() as share:
        stream = await share.folder.connect()
        await stream.send_all(b"x")
        number = (await share.next()).number
        await share.send(number, b"last")
        await share.send(number, b"")
        assert await stream.receive_some(3) == b"las"
        assert await stream.receive_some() == b"t"
        assert await stream.receive_some() == b""
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")
        await stream.aclose()
        other = await share.folder.connect()
        await other.send_all(b"y")
        assert (await share.next()).data == b"y"  # no second end was sent: it would open the connection again


async def test_what_was_sent_before_an_end_still_arrives() -> None:
    async with sharing() as share:
        stream = await share.folder.connect()
        await stream.send_all(b"bye")
        await stream.aclose()
        assert [(await share.next()).data for _ in range(2)] == [b"bye", b""]


async def test_an_end_here_is_told_to_the_viewer_and_what_still_comes_is_dropped() -> None:
    async with sharing() as share:
        stream, other = await share.folder.connect(), await share.folder.connect()
        await stream.send_all(b"x")
        number = (await share.next()).number
        await stream.aclose()
        assert await share.next() == MuxFrame(number, b"")
        await share.send(number, b"late")
        await other.send_all(b"y")
        await share.send((await share.next()).number, b"z")
        assert await other.receive_some() == b"z"
        for call in (stream.receive_some(), stream.send_all(b"x")):
            with pytest.raises(trio.ClosedResourceError):
                await call


async def test_a_send_that_is_cancelled_cuts_no_frame() -> None:
    async with sharing() as share:
        stream = await share.folder.connect()
        with trio.move_on_after(0.05) as scope:
            await stream.send_all(bytes(1000 * MAX_DATA))
        assert scope.cancelled_caught
        await trio.aclose_forcefully(stream)
        other = await share.folder.connect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other.send_all, b"whole")
            while (frame := await share.next()).data != b"whole":
                assert frame.data in (bytes(MAX_DATA), b"")


async def test_one_that_is_not_read_holds_up_the_others_for_a_while_and_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webdav, "STALL_SECONDS", 0.05)
    async with sharing() as share:
        stuck, other = await share.folder.connect(), await share.folder.connect()
        await stuck.send_all(b"1")
        await other.send_all(b"2")
        numbers = [(await share.next()).number for _ in range(2)]
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def flood() -> None:
                for _ in range(RECEIVE_LIMIT // MAX_DATA + 3):
                    await share.send(numbers[0], bytes(MAX_DATA))
                await share.send(numbers[1], b"at last")

            assert await other.receive_some() == b"at last"
        assert await share.next() == MuxFrame(numbers[0], b"")
        with pytest.raises(trio.BrokenResourceError):
            await stuck.send_all(b"x")
        size = 0
        with pytest.raises(trio.BrokenResourceError):  # noqa: PT012
            while data := await stuck.receive_some():
                size += len(data)
        assert RECEIVE_LIMIT <= size <= RECEIVE_LIMIT + MAX_DATA
        await answers(share.viewer)


async def test_all_connections_end_with_the_viewer_and_the_next_one_shares() -> None:
    async with sharing() as share, share.stage.viewer() as next_one:
        stream = await share.folder.connect()
        later = await attach(next_one, ChannelType.WEBDAV)
        await stream.send_all(b"x")
        await share.channel.stream.aclose()
        assert await stream.receive_some() == b""
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")
        await share.folder.shared.wait_value(True)
        async with later.stream, await share.folder.connect() as stream:
            await stream.send_all(b"for the next")
            while plain(await later.receive())[10:] != b"for the next":
                pass


async def test_there_are_so_many_connections_and_none_without_a_viewer() -> None:
    async with sharing() as share:
        streams = [await share.folder.connect() for _ in range(MAX_CONNECTIONS)]
        with pytest.raises(trio.BusyResourceError):
            await share.folder.connect()
        await streams[0].aclose()
        assert (await share.next()).data == b""
        await share.folder.connect()
        await share.channel.stream.aclose()
        await share.folder.shared.wait_value(False)
        with pytest.raises(trio.BrokenResourceError, match="no viewer shares a folder"):
            await share.folder.connect()


async def test_connections_that_both_ends_close_while_the_viewer_does_not_read_still_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def wait(stream: DeviceStream, data: bytes) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(DeviceStream, "send_all", wait)
    async with sharing() as share:
        streams = [await share.folder.connect() for _ in range(MAX_CONNECTIONS)]
        for stream in streams:
            await stream.aclose()
        for number in range(1, MAX_CONNECTIONS + 1):
            await share.send(number, b"")
        await answers(share.viewer)
        await wait_all_tasks_blocked(0.01)
        await (await share.folder.connect()).aclose()  # the place of the one whose end is being sent
        with pytest.raises(trio.BusyResourceError):
            await share.folder.connect()


async def test_a_flood_of_frames_leaves_others_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async with sharing() as share:
        await share.channel.send(vmc.ClientData(MuxFrame(77, b"").encode() * 100_000))
        sizes: list[int] = []
        take = MuxDecoder.receive_data

        def receive_data(decoder: MuxDecoder, data: bytes) -> Iterator[MuxFrame]:
            sizes.append(len(data))
            return take(decoder, data)

        monkeypatch.setattr(MuxDecoder, "receive_data", receive_data)
        stream = await share.folder.connect()
        await stream.send_all(b"x")
        await share.send((await share.next()).number, b"y")
        assert await stream.receive_some() == b"y"
        assert max(sizes) <= RECEIVE_SIZE


async def test_frames_that_nobody_asked_for_are_passed_over() -> None:
    async with sharing() as share:
        stream = await share.folder.connect()
        await share.send(77, b"who are you")
        await share.send(-1, b"")
        await stream.send_all(b"x")
        await share.send((await share.next()).number, b"y")
        assert await stream.receive_some() == b"y"


async def test_the_viewer_sees_the_port_open_while_the_folder_is_taken() -> None:
    async with (
        open_stage() as stage,
        stage.viewer() as viewer,
        stage.server.open_webdav(),
    ):
        channel = await attach(viewer, ChannelType.WEBDAV)
        assert (await receive(channel, port.Init)).name == "org.spice-space.webdav.0"
        assert (await receive(channel, port.Event)).event == PortEvent.OPENED
        await channel.stream.aclose()


async def test_the_server_knows_the_folder_while_it_is_open() -> None:
    async with open_stage() as stage:
        assert stage.server.shared_folder is None
        async with stage.server.open_webdav() as folder:
            assert stage.server.shared_folder is folder
            async with stage.server.open_webdav():
                assert stage.server.shared_folder is folder  # viewers take the first one
        assert stage.server.shared_folder is None
