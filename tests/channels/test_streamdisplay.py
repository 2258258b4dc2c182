"""Viewers get whole streams that they can show, at their own pace, and are asked what they can."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from spicetrio import LocalProtocolError, StreamRequest, VideoCodec
from spicetrio.channels import streamdisplay
from spicetrio.channels.streamdisplay import MAX_FRAMES, STREAMS
from spicetrio.wire import cursor, display, draw, stream, streamdevice
from spicetrio.wire.drawing import DisplayBase, Solid
from spicetrio.wire.enums import ChannelType, DisplayCapability, StreamFlags, SurfaceFlags, SurfaceFormat
from spicetrio.wire.geometry import Rect
from spicetrio.wire.link import Capabilities
from tests.channels.cinema import CODECS, INIT, OLD, Cinema, Watcher, delta, key, open_cinema
from tests.channels.stage import closed, open_stage, receive, until

SETUP = ["SurfaceCreate", "DrawFill", "MonitorsConfig", "Mark", "StreamCreate", "StreamActivateReport"]
AREA = Rect(0, 0, 64, 48)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is, viewers are waited for, but where a test says so."""
    monkeypatch.setattr(streamdisplay, "PATIENCE", 60)


# What viewers are told.


async def test_the_first_messages_come_in_the_order_of_the_specification() -> None:
    async with open_cinema() as cinema, cinema.watcher() as watcher:
        cinema.display.set_format(VideoCodec.H264, 64, 48)
        assert await watcher.next() == display.SurfaceCreate(0, 64, 48, SurfaceFormat.XRGB32, SurfaceFlags.PRIMARY)
        assert await watcher.next() == draw.DrawFill(DisplayBase(0, AREA), Solid(0))
        assert await watcher.next() == display.MonitorsConfig(1, (display.Head(0, 0, 64, 48, 0, 0, 0),))
        assert await watcher.next() == display.Mark()
        created = stream.StreamCreate(0, 1, StreamFlags.TOP_DOWN, VideoCodec.H264, 0, 64, 48, 64, 48, AREA, None)
        assert await watcher.next() == created
        assert await watcher.next() == stream.StreamActivateReport(1, 1, 5, 1000)
        before = int(trio.current_time() * 1000)
        await cinema.write(key("a"))
        message = await watcher.next()
        assert isinstance(message, stream.StreamData)
        assert (message.id, message.data) == (1, key("a"))
        assert 0 <= message.multi_media_time - (before & 0xFFFFFFFF) < 10_000


async def test_an_older_viewer_is_told_nothing_that_it_does_not_know() -> None:
    async with open_cinema() as cinema, cinema.watcher(OLD) as watcher:
        cinema.display.set_format(VideoCodec.MJPEG, 64, 48)
        await cinema.write(b"picture")
        assert await watcher.names(5) == ["SurfaceCreate", "DrawFill", "Mark", "StreamCreate", "StreamData"]


async def test_another_size_is_another_surface_and_the_same_size_only_another_stream() -> None:
    async with open_cinema() as cinema, cinema.watcher() as watcher:
        cinema.display.set_format(VideoCodec.H264, 64, 48)
        assert await watcher.names(6) == SETUP
        cinema.display.set_format(VideoCodec.H264, 64, 48)
        assert await watcher.next() == stream.StreamDestroy(1)
        assert await watcher.names(2) == SETUP[4:]
        cinema.display.set_format(VideoCodec.VP8, 80, 48)
        assert await watcher.next() == stream.StreamDestroy(2)
        assert await watcher.next() == display.SurfaceDestroy(0)
        assert await watcher.names(6) == SETUP


async def test_a_format_that_is_superseded_is_never_told() -> None:
    async with open_cinema(ack_window=1) as cinema, cinema.watcher() as watcher:
        for width in range(1, 100):
            cinema.display.set_format(VideoCodec.H264, width, 48)
        told = []
        while not told or told[-1] != 99:
            told.append((await receive(watcher.channel, display.SurfaceCreate)).width)
        assert len(told) < 10


async def test_ids_of_streams_come_again_after_fifty() -> None:
    async with open_cinema() as cinema, cinema.watcher() as watcher:
        ids = []
        for _ in range(STREAMS + 2):
            cinema.display.set_format(VideoCodec.H264, 64, 48)
            ids.append((await receive(watcher.channel, stream.StreamCreate)).id)
        assert ids == [*range(1, 50), 0, 1, 2]


async def test_after_the_end_of_a_stream_viewers_and_newcomers_are_shown_nothing() -> None:
    async with open_cinema() as cinema, cinema.watcher() as watcher:
        cinema.display.set_format(VideoCodec.MJPEG, 64, 48)
        await cinema.write(b"picture")
        assert await watcher.frame() == b"picture"
        cinema.display.clear()
        assert await watcher.names(2) == ["StreamDestroy", "SurfaceDestroy"]
        with pytest.raises(LocalProtocolError, match="no format"):
            await cinema.write(b"picture")
        async with cinema.watcher() as newcomer:
            cinema.display.set_format(VideoCodec.MJPEG, 64, 48)
            for one in (watcher, newcomer):
                assert await one.names(6) == SETUP


async def test_a_second_init_ends_the_viewer() -> None:
    async with open_cinema() as cinema, cinema.watcher() as watcher:
        await watcher.channel.send(INIT)
        await closed(watcher.channel)
        await cinema.stage.server.clients.wait_value(())


async def test_it_has_an_id_and_a_pointer_as_any_display() -> None:
    async with open_stage() as stage, stage.server.open_display(8, 8), stage.server.open_stream_display() as shown:
        assert shown.id == 1
        assert {(ChannelType.DISPLAY, 1), (ChannelType.CURSOR, 1)} <= set(stage.server.channels)
        async with stage.viewer() as viewer:
            channel = await viewer.open(ChannelType.CURSOR, 1)
            async with channel.stream:
                await receive(channel, cursor.Init)
                shown.cursor.set(bytes(16), 0, 0, width=2, height=2)
                await receive(channel, cursor.Set)


# What viewers ask for.


async def test_codecs_are_asked_for_that_all_viewers_can_show() -> None:
    async with open_cinema() as cinema:
        request = cinema.display.request
        assert request.value == StreamRequest((), 0)
        async with cinema.watcher():
            assert request.value == StreamRequest(CODECS, 1)
            async with cinema.watcher(OLD):
                assert request.value == StreamRequest((VideoCodec.MJPEG,), 2)
            await request.wait_value(StreamRequest(CODECS, 3))
            async with cinema.watcher():
                assert request.value == StreamRequest(CODECS, 4), "a newcomer needs a frame that stands alone"
            await until(lambda: len(cinema.display.clients) == 1)
            assert request.value == StreamRequest(CODECS, 4), "for those who stay nothing has changed"
        await request.wait_value(StreamRequest((), 5))


async def test_mjpeg_is_always_among_them() -> None:
    only_h265 = Capabilities({DisplayCapability.MULTI_CODEC, DisplayCapability.CODEC_H265})
    async with open_cinema() as cinema, cinema.watcher(only_h265):
        assert cinema.display.request.value.codecs == (VideoCodec.H265, VideoCodec.MJPEG)


async def test_a_viewer_that_withholds_init_has_no_say() -> None:
    async with open_cinema() as cinema, cinema.stage.viewer() as viewer:
        channel = await viewer.open(ChannelType.DISPLAY, capabilities=OLD)
        async with channel.stream, cinema.watcher() as watcher:
            await until(lambda: len(cinema.display.clients) == 2)
            assert cinema.display.request.value.codecs == CODECS
            cinema.display.set_format(VideoCodec.H264, 64, 48)
            await cinema.write(key("a"), *map(delta, range(30)))
            assert len(await watcher.frames(31)) == 31


async def test_what_viewers_prefer_comes_first() -> None:
    async with open_cinema() as cinema, cinema.watcher() as watcher, cinema.watcher() as other:
        request = cinema.display.request
        await watcher.channel.send(display.PreferredVideoCodecType((VideoCodec.VP8, VideoCodec.MJPEG, 99)))
        await request.wait_value(StreamRequest((VideoCodec.VP8, VideoCodec.MJPEG, VideoCodec.H264), 3))
        preferred = display.PreferredVideoCodecType((VideoCodec.MJPEG, VideoCodec.H264))
        await other.channel.send(preferred, preferred)
        await request.wait_value(StreamRequest((VideoCodec.MJPEG, VideoCodec.VP8, VideoCodec.H264), 4))


@pytest.mark.parametrize("interval", [1000, 0.001])
async def test_a_viewer_that_changes_its_mind_again_and_again_is_heard_after_a_while(
    monkeypatch: pytest.MonkeyPatch, interval: float
) -> None:
    """The stream of the others restarts each time."""
    monkeypatch.setattr(streamdisplay, "RESTART_INTERVAL", interval)
    async with open_cinema() as cinema, cinema.watcher() as watcher, cinema.watcher():
        codecs = [VideoCodec.MJPEG, VideoCodec.VP8] * 3
        heard = 1 if interval == 1000 else len(codecs)
        number = cinema.display.request.value.number + heard
        await watcher.channel.send(*(display.PreferredVideoCodecType((codec,)) for codec in codecs))
        with trio.fail_after(10):
            told = await cinema.display.request.wait_value(lambda request: request.number == number)
        await wait_all_tasks_blocked(0.01)
        assert cinema.display.request.value == told
        assert told.codecs[0] == codecs[heard - 1]


async def test_a_codec_that_a_viewer_cannot_decode_after_all_is_asked_for_no_more() -> None:
    def report(unique_id: int, num_frames: int = 0) -> stream.StreamReport:
        return stream.StreamReport(1, unique_id, 0, 0, num_frames, stream.CANNOT_DECODE, 0, 0)

    async with open_cinema() as cinema, cinema.watcher() as watcher:
        request = cinema.display.request
        cinema.display.set_format(VideoCodec.H264, 64, 48)
        await watcher.begin()
        await watcher.channel.send(report(7), report(1, 3), report(1))
        await request.wait_value(StreamRequest((VideoCodec.VP8, VideoCodec.MJPEG), 2))
        await cinema.write(key("of no use"))
        cinema.display.set_format(VideoCodec.MJPEG, 64, 48)
        await cinema.write(b"picture")
        assert await watcher.frame() == b"picture"
        await watcher.channel.send(report(2), display.PreferredVideoCodecType((VideoCodec.MJPEG,)))
        await request.wait_value(StreamRequest((VideoCodec.MJPEG, VideoCodec.VP8), 3))


async def test_who_cannot_show_the_codec_is_shown_nothing_and_holds_up_nobody() -> None:
    async with open_cinema() as cinema, cinema.watcher() as watcher, cinema.watcher(OLD) as older:
        cinema.display.set_format(VideoCodec.H264, 64, 48)
        await cinema.write(key("a"), *map(delta, range(30)))
        assert len(await watcher.frames(31)) == 31
        assert await older.names(3) == ["SurfaceCreate", "DrawFill", "Mark"]
        cinema.display.set_format(VideoCodec.MJPEG, 64, 48)
        await cinema.write(b"picture")
        assert await older.names(2) == ["StreamCreate", "StreamData"]


# Who gets which frames.


async def test_a_newcomer_begins_with_a_frame_that_stands_alone() -> None:
    async with open_cinema() as cinema, cinema.watcher() as watcher:
        cinema.display.set_format(VideoCodec.H264, 64, 48)
        await cinema.write(delta("the first one does, whatever it looks like"), delta("b"))
        async with cinema.watcher() as newcomer:
            assert await newcomer.names(6) == SETUP
            await cinema.write(delta("c"), key("d"), delta("e"))
            assert await newcomer.frames(2) == [key("d"), delta("e")]
        assert len(await watcher.frames(5)) == 5


async def test_a_newcomer_is_shown_the_last_frame_if_that_stands_alone() -> None:
    async with open_cinema() as cinema:
        cinema.display.set_format(VideoCodec.H264, 64, 48)
        await cinema.write(key("a"), delta("b"), key("c"))
        await trio.sleep(0.05)
        before = int(trio.current_time() * 1000) & 0xFFFFFFFF
        async with cinema.watcher() as newcomer:
            message = await receive(newcomer.channel, stream.StreamData)
            assert message.data == key("c")
            assert message.multi_media_time >= before, "it would be late, and viewers drop what is late"
            await cinema.write(delta("d"))
            assert await newcomer.frame() == delta("d")


async def test_frames_of_a_stream_that_is_over_are_not_sent() -> None:
    async with open_cinema(ack_window=1) as cinema, cinema.watcher() as watcher:
        cinema.display.set_format(VideoCodec.H264, 64, 48)
        with trio.move_on_after(0.02):
            await cinema.write(*map(key, range(5)))
        cinema.display.set_format(VideoCodec.H264, 64, 48)
        await cinema.write(key("new"))
        async with cinema.watcher() as newcomer:
            assert await newcomer.frame() == key("new")
        while (message := await receive(watcher.channel, stream.StreamData)).data != key("new"):
            assert message.id == 1
        assert message.id == 2


async def hold_back(cinema: Cinema, watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a viewer's connection take nothing more, and the display not wait for it."""
    monkeypatch.setattr(streamdisplay, "PATIENCE", -1)
    cinema.display.set_format(VideoCodec.H264, 64, 48)
    await watcher.begin()
    await cinema.idle()
    client = cinema.display.clients[0]
    number = 0
    while client.waits_since is None:
        await cinema.write(key(f"early {number}"))
        await trio.sleep(0.002)
        number += 1


async def test_a_frame_that_stands_alone_takes_the_place_of_all_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_cinema(ack_window=1) as cinema, cinema.watcher() as watcher:
        await hold_back(cinema, watcher, monkeypatch)
        await cinema.write(delta("a"), delta("b"), *[key(number) for number in range(200)], delta("c"))
        got = []
        while not got or got[-1] != delta("c"):
            got.append(await watcher.frame())
        assert got[-2] == key(199)
        assert all(frame.startswith(key("early")) for frame in got[:-2])


async def test_who_falls_too_far_behind_gets_nothing_until_a_frame_stands_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_cinema(ack_window=1) as cinema, cinema.watcher() as watcher:
        await hold_back(cinema, watcher, monkeypatch)
        await cinema.write(key("a"), *map(delta, range(MAX_FRAMES - 1)))
        assert cinema.display.clients[0].follows
        await cinema.write(delta("one too many"), delta("b"))
        assert not cinema.display.clients[0].follows
        await cinema.write(key("c"), delta("d"))
        got = []
        while not got or got[-1] != delta("d"):
            got.append(await watcher.frame())
        assert got[-2] == key("c")
        assert all(frame.startswith(key("early")) for frame in got[:-2])


async def test_the_bytes_that_wait_are_bounded_but_for_one_large_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_cinema(ack_window=1, queue_limit=100_000) as cinema, cinema.watcher() as watcher:
        await hold_back(cinema, watcher, monkeypatch)
        client = cinema.display.clients[0]
        await cinema.write(key("a", 300_000))
        assert client.follows
        await cinema.write(delta("b"))
        assert not client.follows
        await cinema.write(key("c", 50_000), delta("d", 40_000))
        assert client.follows
        await cinema.write(delta("e", 20_000))
        assert not client.follows


async def test_who_fell_behind_has_the_stream_begin_anew_once_it_takes_data_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    got: list[bytes] = []

    async def read(watcher: Watcher) -> None:
        while True:
            got.append(await watcher.frame())

    async with open_cinema(ack_window=1) as cinema, cinema.watcher() as watcher, trio.open_nursery() as nursery:
        await hold_back(cinema, watcher, monkeypatch)
        monkeypatch.setattr(streamdisplay, "RESTART_INTERVAL", 0)
        before = cinema.display.request.value
        await cinema.write(*map(delta, range(3 * MAX_FRAMES)))
        assert cinema.display.request.value == before, "it would not get it yet"
        nursery.start_soon(read, watcher)
        await until(lambda: cinema.display.clients[0].starves)
        assert cinema.display.request.value == before, "without frames there is nothing to begin anew"
        await cinema.write(delta("x"))
        assert cinema.display.request.value.number == before.number + 1
        monkeypatch.setattr(streamdisplay, "RESTART_INTERVAL", 100)
        await cinema.write(delta("y"))
        assert cinema.display.request.value.number == before.number + 1, "not with every frame"
        await cinema.write(key("z"))
        await until(lambda: got[-1:] == [key("z")])
        assert all(frame.startswith(key("early")) for frame in got[:-1])
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("seed", range(2))
async def test_no_viewer_gets_a_frame_whose_predecessor_it_has_not(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Viewers of any speed come and go; each gets unbroken runs, and the last frame in the end."""
    monkeypatch.setattr(streamdisplay, "PATIENCE", 0.002)
    monkeypatch.setattr(streamdisplay, "RESTART_INTERVAL", 0.005)
    monkeypatch.setattr(streamdisplay, "MAX_FRAMES", 4)
    random = Random(seed)

    async def watch(cinema: Cinema, pause: float, most: int) -> None:
        async with cinema.watcher() as watcher:
            before = None
            for _ in range(most):
                message = await receive(watcher.channel, stream.StreamData)
                data = bytes(message.data)
                number = int(data[4:].rstrip(b"\0"))
                assert data.startswith(b"\0\0\1\x65") or number - 1 == before, f"{number} came after {before}"
                before = number
                await trio.sleep(random.random() * pause)
            while message.data != key("1000000"):
                message = await receive(watcher.channel, stream.StreamData)

    async def film(cinema: Cinema) -> None:
        cinema.display.set_format(VideoCodec.H264, 64, 48)
        told = None
        for number in range(300):
            request = cinema.display.request.value
            if request != told and random.random() < 0.5:
                cinema.display.set_format(VideoCodec.H264, 64, 48)
            frame = delta if request == told else key
            await cinema.write(frame(f"{number:06}", random.randrange(10_000)))
            told = request
            if random.random() < 0.1:
                await trio.sleep(0.001)
        await cinema.write(key("1000000"))

    async with open_cinema(ack_window=2) as cinema, trio.open_nursery() as nursery:
        for pause, most in ((0, 100), (0, 3), (0.001, 50), (0.01, 10), (0.03, 5)):
            nursery.start_soon(watch, cinema, pause, most)
        await until(lambda: len(cinema.display.request.value.codecs) == 3)
        await film(cinema)


# How long a frame waits.


async def blocked(cinema: Cinema, frame: bytes) -> bool:
    """Tell whether a frame has to wait; if so it was not written."""
    with trio.move_on_after(0.05) as scope:
        await cinema.write(frame)
    return scope.cancelled_caught


async def test_the_fastest_viewer_sets_the_pace() -> None:
    async with open_cinema(ack_window=1) as cinema, cinema.watcher() as watcher:
        cinema.display.set_format(VideoCodec.H264, 64, 48)
        await watcher.begin()
        await cinema.write(key(0))
        number = 1
        while not await blocked(cinema, delta(number)):
            number += 1
        assert number < 10
        assert await watcher.frames(number) == [key(0), *map(delta, range(1, number))]
        await cinema.write(delta("goes on"))
        assert await watcher.frame() == delta("goes on")
        while not await blocked(cinema, delta("fills up")):
            pass
        async with cinema.watcher() as faster:
            cinema.display.set_format(VideoCodec.H264, 64, 48)
            for _ in range(30):
                await cinema.write(key("x"))
                assert await faster.frame() == key("x")


async def test_who_takes_nothing_for_long_is_waited_for_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamdisplay, "PATIENCE", 0.02)
    async with open_cinema(ack_window=1) as cinema, cinema.watcher() as watcher:
        cinema.display.set_format(VideoCodec.H264, 64, 48)
        await watcher.begin()
        await cinema.write(key("a"), *[delta("b")] * 500)
        assert not cinema.display.clients[0].follows


async def test_with_nobody_there_a_frame_does_not_wait() -> None:
    async with open_cinema() as cinema:
        cinema.display.set_format(VideoCodec.VP8, 64, 48)
        await cinema.write(*[b"\1"] * 500)


async def test_a_frame_that_waits_while_the_format_changes_is_not_shown() -> None:
    async with open_cinema(ack_window=1) as cinema, cinema.watcher() as watcher, trio.open_nursery() as nursery:
        cinema.display.set_format(VideoCodec.H264, 64, 48)
        await watcher.begin()
        await cinema.write(key("a"))
        while not await blocked(cinema, delta("b")):
            pass
        nursery.start_soon(cinema.write, delta("too late"))
        await trio.testing.wait_all_tasks_blocked()
        cinema.display.set_format(VideoCodec.H264, 64, 48)
        await trio.testing.wait_all_tasks_blocked()
        await cinema.write(key("c"))
        while (frame := await watcher.frame()) != key("c"):
            assert frame in (key("a"), delta("b"))


async def test_a_frame_that_waits_when_its_last_viewer_leaves_waits_no_more() -> None:
    async with open_cinema(ack_window=1) as cinema, trio.open_nursery() as nursery, cinema.watcher() as watcher:
        cinema.display.set_format(VideoCodec.H264, 64, 48)
        await watcher.begin()
        await cinema.write(key("a"))
        while not await blocked(cinema, delta("b")):
            pass
        nursery.start_soon(cinema.write, delta("c"))
        await trio.testing.wait_all_tasks_blocked()


async def test_a_frame_that_waits_when_the_display_is_closed_is_refused() -> None:
    refused = trio.Event()

    async def write_on(cinema: Cinema) -> None:
        with pytest.raises(trio.ClosedResourceError):
            await cinema.write(*[delta("b")] * 100)
        refused.set()

    async with open_stage(ack_window=1) as stage, trio.open_nursery() as nursery:
        async with stage.server.open_stream_display() as shown:
            cinema = Cinema(stage, shown)
            viewer = await nursery.start(_open_watcher, cinema)
            shown.set_format(VideoCodec.H264, 64, 48)
            await viewer.begin()
            await cinema.write(key("a"))
            nursery.start_soon(write_on, cinema)
            await trio.testing.wait_all_tasks_blocked(0.01)
        await refused.wait()
        with pytest.raises(trio.ClosedResourceError):
            await shown.write(key("c"))
        with pytest.raises(trio.ClosedResourceError):
            shown.set_format(VideoCodec.H264, 64, 48)
        nursery.cancel_scope.cancel()


async def _open_watcher(cinema: Cinema, *, task_status: trio.TaskStatus[Watcher]) -> None:
    async with cinema.watcher() as watcher:
        task_status.started(watcher)
        await trio.sleep_forever()


@pytest.mark.parametrize("size", [(0, 1), (1, 0), (8193, 1), (1, 8193), (-1, 1)])
async def test_a_size_that_no_display_has_is_refused_and_the_stream_goes_on(size: tuple[int, int]) -> None:
    async with open_cinema() as cinema, cinema.watcher() as watcher:
        cinema.display.set_format(VideoCodec.MJPEG, 64, 48)
        await watcher.begin()
        with pytest.raises(ValueError, match="expected 1 x 1 to 8192 x 8192"):
            cinema.display.set_format(VideoCodec.MJPEG, *size)
        with pytest.raises(ValueError, match="9 is not a valid VideoCodec"):
            cinema.display.set_format(9, 64, 48)  # type: ignore[arg-type]
        await cinema.write(b"picture")
        assert isinstance(await watcher.next(), stream.StreamData)


@pytest.mark.parametrize(("frame", "text"), [(b"", "0 bytes"), (bytes(streamdevice.MAX_FRAME + 1), "33554433 bytes")])
async def test_a_frame_of_an_impossible_size_is_refused(frame: bytes, text: str) -> None:
    async with open_cinema() as cinema:
        cinema.display.set_format(VideoCodec.MJPEG, 64, 48)
        with pytest.raises(ValueError, match=text):
            await cinema.write(frame)


async def test_a_frame_is_copied() -> None:
    async with open_cinema() as cinema, cinema.watcher() as watcher:
        frame: Any = bytearray(10_000)
        cinema.display.set_format(VideoCodec.MJPEG, 64, 48)
        await cinema.write(frame)
        frame[:] = b"\xff" * 10_000
        assert await watcher.frame() == bytes(10_000)
