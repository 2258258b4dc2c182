"""A guest's streaming device is asked for what viewers can show, shown, and told what it does wrong."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio
from trio.testing import memory_stream_pair

from spicetrio import RemoteProtocolError, VideoCodec, serve_stream_device
from spicetrio.channels import streamdisplay
from spicetrio.wire import cursor, display, stream
from spicetrio.wire.enums import ChannelType, CursorType
from spicetrio.wire.geometry import Point16
from spicetrio.wire.streamdevice import (
    MAX_FRAME,
    Capabilities,
    CursorMove,
    CursorSet,
    Data,
    DeviceDisplayInfo,
    DeviceFraming,
    Format,
    NotifyError,
    StartStop,
)
from tests.channels.cinema import CODECS, OLD, Cinema, delta, key, open_cinema
from tests.channels.guest import StreamGuest
from tests.channels.stage import receive

H264 = Format(64, 48, VideoCodec.H264)


@dataclass
class Machine(Cinema):
    guest: StreamGuest
    ended: trio.Event
    fault: RemoteProtocolError | None = None


@asynccontextmanager
async def open_machine(*, buffer: bool = True) -> AsyncIterator[Machine]:
    """A stream display with a device, which has been told what the host can do."""
    ours, theirs = memory_stream_pair() if buffer else trio.testing.lockstep_stream_pair()
    async with open_cinema() as cinema, trio.open_nursery() as nursery:
        machine = Machine(cinema.stage, cinema.display, StreamGuest(ours), trio.Event())

        @nursery.start_soon
        async def serve() -> None:
            try:
                await serve_stream_device(theirs, cinema.display)
            except RemoteProtocolError as error:
                machine.fault = error
            machine.ended.set()

        assert await machine.guest.receive() == Capabilities(b"\0")
        yield machine
        nursery.cancel_scope.cancel()


async def test_the_device_is_asked_for_what_viewers_can_show() -> None:
    async with open_machine() as machine:
        async with machine.watcher():
            assert await machine.guest.receive() == StartStop(CODECS)
            async with machine.watcher(OLD):
                assert await machine.guest.receive() == StartStop((VideoCodec.MJPEG,))
            assert await machine.guest.receive() == StartStop(CODECS)
            async with machine.watcher():
                assert await machine.guest.receive() == StartStop(CODECS), "it is to begin anew for a newcomer"
        assert await machine.guest.receive() == StartStop(())


async def test_a_device_that_comes_later_is_asked_at_once() -> None:
    async with open_cinema() as cinema, cinema.watcher(), trio.open_nursery() as nursery:
        ours, theirs = memory_stream_pair()
        nursery.start_soon(serve_stream_device, theirs, cinema.display)
        guest = StreamGuest(ours)
        assert await guest.receive() == Capabilities(b"\0")
        assert await guest.receive() == StartStop(CODECS)
        nursery.cancel_scope.cancel()


async def test_what_changes_while_a_device_does_not_read_is_asked_once() -> None:
    async with open_machine(buffer=False) as machine, machine.watcher():
        for _ in range(5):
            async with machine.watcher(OLD):
                pass
        asked = [await machine.guest.receive(), await machine.guest.receive()]
        assert asked[1] == StartStop(CODECS)
        with trio.move_on_after(0.02) as scope:
            await machine.guest.receive()
        assert scope.cancelled_caught


async def test_its_frames_are_shown_and_a_format_is_another_stream() -> None:
    async with open_machine() as machine, machine.watcher() as watcher, machine.watcher() as other:
        await machine.guest.send(H264, Data(delta("a")), Data(delta("b")), Format(80, 48, VideoCodec.MJPEG))
        await machine.guest.send(Data(b"picture"))
        for one in (watcher, other):
            created = await receive(one.channel, stream.StreamCreate)
            assert (created.codec, created.stream_width, created.stream_height) == (VideoCodec.H264, 64, 48)
            while not isinstance(message := await one.next(), display.SurfaceCreate):
                assert isinstance(
                    message,
                    stream.StreamActivateReport | stream.StreamData | stream.StreamDestroy | display.SurfaceDestroy,
                )
            assert (message.width, message.height) == (80, 48)
            assert await one.frame() == b"picture"


async def test_what_comes_before_a_format_is_passed_over() -> None:
    async with open_machine() as machine, machine.watcher() as watcher:
        await machine.guest.send(Data(b"lost"), H264, Data(b""), Data(key("a")))
        assert await watcher.frame() == key("a")


async def test_it_is_read_only_as_fast_as_viewers_take_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamdisplay, "PATIENCE", 60)
    async with open_machine(buffer=False) as machine, machine.watcher() as watcher:
        watcher.channel.acknowledge = False
        assert isinstance(await machine.guest.receive(), StartStop)
        with trio.move_on_after(0.3) as scope:
            await machine.guest.send(H264, *[Data(key("a", 10_000))] * 100)
        assert scope.cancelled_caught


async def test_its_pointer_is_the_displays() -> None:
    async with open_machine() as machine, machine.stage.viewer() as viewer:
        channel = await viewer.open(ChannelType.CURSOR, machine.display.id)
        async with channel.stream:
            await receive(channel, cursor.Init)
            await machine.guest.send(CursorSet(2, 1, 1, 0, CursorType.ALPHA, b"12345678"), CursorMove(-3, 9))
            shape = (await receive(channel, cursor.Set)).cursor
            assert shape.header is not None
            assert (shape.header.width, shape.header.height) == (2, 1)
            assert (shape.header.hot_x, shape.header.hot_y) == (1, 0)
            assert bytes(shape.data) == b"12345678"
            await receive(channel, cursor.Move)
            assert machine.display.cursor.state.position == Point16(-3, 9)
            machine.display.cursor.hide()
            await receive(channel, cursor.Hide)
            await machine.guest.send(CursorSet(2, 1, 1, 0, CursorType.ALPHA, b"abcdefgh"))
            await receive(channel, cursor.Set)
            await receive(channel, cursor.Move)  # which shows it
            assert machine.display.cursor.state.visible


@pytest.mark.parametrize(
    ("kind", "pixels"),
    [(CursorType.COLOR24, "010203 040506 070809"), (CursorType.COLOR32, "010203aa 040506bb 070809cc")],
)
async def test_a_pointer_with_a_mask_is_seen_where_that_is_0(kind: CursorType, pixels: str) -> None:
    async with open_machine() as machine:
        await machine.guest.send(CursorSet(3, 1, 0, 0, kind, bytes.fromhex(pixels) + b"\x5f"))
        while (shape := machine.display.cursor.state.shape) is None:
            await trio.lowlevel.checkpoint()
        assert shape.pixels.hex(" ", 4) == "010203ff 04050600 070809ff"


async def test_what_a_device_says_of_itself_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "spicetrio.streamdevice")
    async with open_machine() as machine, machine.watcher() as watcher:
        told = [Capabilities(b"\1"), DeviceDisplayInfo(0, 1, "pci/0000/02.0"), NotifyError(3, "no encoder")]
        await machine.guest.send(*told, H264, Data(key("a")))
        assert await watcher.frame() == key("a")
    assert "pci/0000/02.0" in caplog.text
    assert "error 3: 'no encoder'" in caplog.text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\2\0\3\0\0\0\0\0", "got version 2"),
        (b"\1\0\4\0\1\0\0\0\0", "message 4 of 1 bytes"),
        (b"\1\0\3\0" + (MAX_FRAME + 1).to_bytes(4, "little"), "message 3 of 33554433 bytes"),
        (b"\1\0\2\0\3\0\0\0abc", "got 3 bytes, expected 12"),
        (DeviceFraming.send(Format(0, 48, VideoCodec.H264)), "got a wrong Format: the frames are 0 x 48"),
        (DeviceFraming.send(Format(64, 48, 77)), "got a wrong Format: 77 is not a valid VideoCodec"),
        (DeviceFraming.send(CursorMove(40_000, 0)), "got a wrong CursorMove: the pointer is moved to"),
        (DeviceFraming.send(CursorSet(1, 1, 1, 0, CursorType.ALPHA, bytes(4))), "got a wrong CursorSet: the hot spot"),
        (DeviceFraming.send(CursorSet(0, 0, 0, 0, CursorType.COLOR24, b"")), "got a wrong CursorSet"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_fault_is_told_to_the_device_and_ends_it_and_viewers_stay(data: bytes, text: str) -> None:
    async with open_machine() as machine, machine.watcher() as watcher:
        await machine.guest.send(H264, Data(key("a")))
        assert await watcher.frame() == key("a")
        assert isinstance(await machine.guest.receive(), StartStop)
        await machine.guest.stream.send_all(data)
        notice = await machine.guest.receive()
        assert isinstance(notice, NotifyError)
        assert text in notice.text
        with pytest.raises(EOFError):
            await machine.guest.receive()
        await machine.ended.wait()
        assert text in str(machine.fault)
        await receive(watcher.channel, display.SurfaceDestroy)
        ours, theirs = memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_stream_device, theirs, machine.display)
            await StreamGuest(ours).send(Format(80, 48, VideoCodec.H264), Data(key("b")))
            assert await watcher.frame() == key("b")
            await ours.aclose()


async def test_a_device_that_breaks_and_does_not_read_is_not_waited_for() -> None:
    async with open_machine(buffer=False) as machine, machine.watcher():
        await machine.guest.stream.send_all(b"\2" * 8)
        await machine.ended.wait()
        assert machine.fault is not None


async def test_a_device_that_breaks_and_goes_at_once_has_broken_the_protocol_all_the_same() -> None:
    async with open_machine(buffer=False) as machine:
        await machine.guest.stream.send_all(b"\2" * 8)
        await machine.guest.stream.aclose()
        await machine.ended.wait()
        assert machine.fault is not None


async def test_a_device_that_goes_leaves_nothing_to_see() -> None:
    async with open_machine() as machine, machine.watcher() as watcher:
        await machine.guest.send(H264, Data(key("a")), CursorMove(1, 2), Data(key("b")))
        assert await watcher.frames(2) == [key("a"), key("b")]
        await machine.guest.stream.aclose()
        await machine.ended.wait()
        assert machine.fault is None
        await receive(watcher.channel, display.SurfaceDestroy)
        assert not machine.display.cursor.state.visible


async def test_a_device_whose_connection_breaks_is_gone() -> None:
    async with open_machine(buffer=False) as machine:
        await machine.guest.send(H264)
        await machine.guest.stream.aclose()
        async with machine.watcher():
            await machine.ended.wait()
    assert machine.fault is None


async def test_a_device_of_a_closed_display_ends() -> None:
    ended = trio.Event()

    async def serve(theirs: trio.abc.Stream, machine: Cinema) -> None:
        with pytest.raises(trio.ClosedResourceError, match="the display is closed"):
            await serve_stream_device(theirs, machine.display)
        ended.set()

    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        async with open_cinema() as cinema:
            nursery.start_soon(serve, theirs, cinema)
            await StreamGuest(ours).send(H264)
            while cinema.display.format is None:
                await trio.lowlevel.checkpoint()
        await StreamGuest(ours).send(Data(key("a")))
        await ended.wait()
