"""What viewers hear, and when they are told that there is something to hear. The clock jumps."""

from __future__ import annotations

import array
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import spicetrio
from spicetrio import Role, Ticket
from spicetrio.channels import playback as playback_module
from spicetrio.channels.playback import ACK_WINDOW, LEAD, MOST_WAITING, SILENCE
from spicetrio.codecs import opus
from spicetrio.wire import base, playback
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import AudioDataMode, ChannelType, PlaybackCapability
from spicetrio.wire.link import Capabilities
from tests.peer import PeerChannel, Viewer, open_viewer
from tests.server.rig import Gate, Rig, open_rig
from tests.tone import measure, sine

RAW_ONLY = Capabilities({PlaybackCapability.VOLUME})
FRAME = 1920
"""Bytes of 10 ms."""
NOISE = b"\x01\x02\x03\x04" * 480
"""10 ms that are not silent."""


@dataclass
class Ear:
    """One viewer's playback channel, read all the time."""

    channel: PeerChannel
    told: list[Message] = field(default_factory=list)
    """All that came, but for what every channel has."""
    ended: trio.Event = field(default_factory=trio.Event)

    async def run(self) -> None:
        try:
            while True:
                message = await self.channel.receive()
                if not isinstance(message, base.SetAck | base.Ping):
                    self.told.append(message)
        except (EOFError, trio.BrokenResourceError, trio.ClosedResourceError):
            self.ended.set()

    @property
    def kinds(self) -> list[str]:
        """What came, with as many pieces of sound in a row as there may be called one."""
        kinds: list[str] = []
        for message in self.told:
            if kinds[-1:] != [kind := type(message).__name__]:
                kinds.append(kind)
        return kinds

    def of(self, kind: type[Message]) -> list[Any]:
        return [message for message in self.told if isinstance(message, kind)]

    @property
    def data(self) -> list[bytes]:
        return [bytes(message.data) for message in self.of(playback.Data)]

    @property
    def heard(self) -> bytes:
        """The sound, unpacked by what MODE and START said."""
        sound, mode, decoder = b"", 0, None
        for message in self.told:
            match message:
                case playback.Mode():
                    mode = message.mode
                case playback.Start():
                    decoder = opus.Decoder(message.frequency) if mode == AudioDataMode.OPUS else None
                case playback.Data():
                    sound += decoder.decode(message.data) if decoder else bytes(message.data)
        return sound


@dataclass
class Hall:
    rig: Rig
    nursery: trio.Nursery
    playback: spicetrio.Playback

    async def ear(self, viewer: Viewer, capabilities: Capabilities | None = None) -> Ear:
        ear = Ear(await viewer.open(ChannelType.PLAYBACK, capabilities=capabilities))
        self.nursery.start_soon(ear.run)
        await wait_all_tasks_blocked()
        return ear

    async def write(self, samples: Any) -> None:
        await self.playback.write(samples)
        await wait_all_tasks_blocked()


@asynccontextmanager
async def open_hall(*, rate: int = 48000, **changes: Any) -> AsyncIterator[Hall]:
    async with (
        open_rig(**changes) as rig,
        trio.open_nursery() as nursery,
        rig.server.open_playback(rate=rate) as channel,
    ):
        yield Hall(rig, nursery, channel)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_ear(*, capabilities: Capabilities | None = None, **changes: Any) -> AsyncIterator[tuple[Hall, Ear]]:
    async with open_hall(**changes) as hall, open_viewer(hall.rig.connect) as viewer:
        yield hall, await hall.ear(viewer, capabilities)


@pytest.mark.parametrize("compression", [False, True])
async def test_a_sine_is_heard(compression: bool, autojump_clock: MockClock) -> None:
    async with open_ear(playback_compression=compression) as (hall, ear):
        await hall.write(sine(440, 1.0))
        assert measure(ear.heard).resembles(440)
        assert len(ear.data) == 100
        mode = AudioDataMode.OPUS if compression else AudioDataMode.RAW
        assert [message.mode for message in ear.of(playback.Mode)] == [mode]
        if not compression:
            assert ear.heard == sine(440, 1.0)


@pytest.mark.parametrize("rate", [8000, 44100, 192_000])
async def test_other_rates_are_told_and_heard(rate: int, autojump_clock: MockClock) -> None:
    async with open_ear(rate=rate) as (hall, ear):
        await hall.write(sine(440, 1.0, rate=rate))
        (start,) = ear.of(playback.Start)
        assert (start.channels, start.format, start.frequency) == (2, 1, rate)
        assert measure(ear.heard, rate=rate).resembles(440)
        assert ear.of(playback.Mode)[0].mode == (AudioDataMode.OPUS if rate == 8000 else AudioDataMode.RAW)


@pytest.mark.parametrize("rate", [0, 7999, 192_001])
async def test_a_rate_out_of_range_is_refused(rate: int, autojump_clock: MockClock) -> None:
    async with open_rig() as rig:
        with pytest.raises(ValueError, match=f"rate is {rate}, expected 8000 to 192000"):
            async with rig.server.open_playback(rate=rate):
                pass


@pytest.mark.parametrize(("rate", "packed"), [(48000, True), (44100, False)])
async def test_the_server_can_do_opus_at_its_rates_alone(rate: int, packed: bool, autojump_clock: MockClock) -> None:
    async with open_hall(rate=rate) as hall:
        expected = {PlaybackCapability.VOLUME} | ({PlaybackCapability.OPUS} if packed else set())
        assert hall.playback.capabilities == Capabilities(expected)


async def test_without_pyav_sound_is_raw_and_the_log_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(opus, "AVAILABLE", False)
    caplog.set_level(logging.INFO, "spicetrio.playback")
    async with open_ear() as (hall, ear):
        await hall.write(sine(440, 0.5))
        assert ear.heard == sine(440, 0.5)
        assert PlaybackCapability.OPUS not in hall.playback.capabilities
    (line,) = [record.getMessage() for record in caplog.records if record.name == "spicetrio.playback"]
    assert "pip install 'spicetrio[media]'" in line


async def test_a_viewer_is_told_in_the_order_of_the_specification(autojump_clock: MockClock) -> None:
    async with open_hall() as hall, open_viewer(hall.rig.connect) as viewer:
        hall.playback.volume = (1000, 65535)
        hall.playback.mute = True
        hall.playback.latency = 300
        ear = await hall.ear(viewer)
        assert ear.told[1:] == [playback.Volume((1000, 65535)), playback.Mute(True)]
        assert isinstance(ear.told[0], playback.Mode)
        await hall.write(NOISE)
        assert ear.kinds == ["Mode", "Volume", "Mute", "Start", "Data", "Latency"]
        assert ear.of(playback.Latency) == [playback.Latency(300)]


async def test_nobody_is_told_of_a_volume_that_was_never_set(autojump_clock: MockClock) -> None:
    async with open_ear() as (_, ear):
        assert ear.kinds == ["Mode"]


async def test_volume_and_mute_reach_viewers_that_can_change_theirs_once(autojump_clock: MockClock) -> None:
    async with open_hall() as hall, open_viewer(hall.rig.connect) as one, open_viewer(hall.rig.connect) as two:
        able, unable = await hall.ear(one), await hall.ear(two, Capabilities())
        for mute in (True, True, False):
            hall.playback.volume = (7, 8)
            hall.playback.mute = mute
            await wait_all_tasks_blocked()
        assert able.kinds == ["Mode", "Volume", "Mute"]
        assert able.told[1:] == [playback.Volume((7, 8)), playback.Mute(True), playback.Mute(False)]
        assert unable.kinds == ["Mode"]
        assert (hall.playback.volume, hall.playback.mute) == ((7, 8), False)


@pytest.mark.parametrize("volume", [(-1, 0), (0, 65536)])
async def test_a_volume_out_of_range_is_refused(volume: tuple[int, int], autojump_clock: MockClock) -> None:
    async with open_hall() as hall:
        with pytest.raises(ValueError, match="expected two of 0 to 65535"):
            hall.playback.volume = volume
        assert hall.playback.volume is None


async def test_a_latency_is_told_again_with_each_start_and_to_those_who_can_keep_it(autojump_clock: MockClock) -> None:
    async with open_hall() as hall, open_viewer(hall.rig.connect) as one, open_viewer(hall.rig.connect) as two:
        able, unable = await hall.ear(one), await hall.ear(two, RAW_ONLY)
        hall.playback.latency = 250
        for _ in range(2):
            await hall.write(NOISE)
            await trio.sleep(2 * SILENCE)
        assert able.kinds == ["Mode", *["Start", "Data", "Latency", "Stop"] * 2]
        assert "Latency" not in unable.kinds
        await hall.write(NOISE)
        hall.playback.latency = 350
        await wait_all_tasks_blocked()
        assert [message.latency for message in able.of(playback.Latency)] == [250, 250, 250, 350]
        with pytest.raises(ValueError, match="expected 0 to 10000 ms"):
            hall.playback.latency = 10_001


async def test_two_viewers_get_packets_that_were_made_once_and_those_who_want_others_get_theirs(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    made: list[int] = []
    encode = opus.Encoder.encode

    def count(encoder: opus.Encoder, frame: bytes) -> bytes:
        made.append(len(frame))
        return encode(encoder, frame)

    monkeypatch.setattr(opus.Encoder, "encode", count)
    async with (
        open_hall() as hall,
        open_viewer(hall.rig.connect) as one,
        open_viewer(hall.rig.connect) as two,
        open_viewer(hall.rig.connect) as three,
    ):
        ears = [await hall.ear(one), await hall.ear(two), await hall.ear(three, RAW_ONLY)]
        assert hall.playback.listeners.value == 3
        await hall.write(sine(440, 1.0))
        assert made == [FRAME] * 100
        assert ears[0].data == ears[1].data != ears[2].data
        for ear in ears:
            assert measure(ear.heard).resembles(440)
    assert hall.playback.listeners.value == 0


async def test_a_viewer_that_joins_in_the_middle_hears_from_then_on(autojump_clock: MockClock) -> None:
    async with (
        open_hall(playback_compression=False) as hall,
        open_viewer(hall.rig.connect) as one,
        open_viewer(hall.rig.connect) as two,
    ):
        await hall.write(NOISE * 3)
        first = await hall.ear(one)
        await hall.write(NOISE * 4)
        second = await hall.ear(two)
        await hall.write(NOISE * 5)
        assert (len(first.data), len(second.data)) == (9, 5)
        assert second.kinds == ["Mode", "Start", "Data"]
        assert second.of(playback.Start)[0].time == second.of(playback.Data)[0].time


async def test_opus_is_switched_on_and_off_while_viewers_listen(autojump_clock: MockClock) -> None:
    async with (
        open_hall(playback_compression=False) as hall,
        open_viewer(hall.rig.connect) as one,
        open_viewer(hall.rig.connect) as two,
    ):
        able, unable = await hall.ear(one), await hall.ear(two, RAW_ONLY)
        await hall.write(sine(440, 0.3))
        hall.playback.compression = True
        await hall.write(sine(440, 0.6))
        assert hall.playback.compression
        hall.playback.compression = False
        await hall.write(sine(440, 0.3))
        restart = ["Stop", "Mode", "Start", "Data"]
        assert able.kinds == ["Mode", "Start", "Data", *restart, *restart]
        assert [message.mode for message in able.of(playback.Mode)] == [1, 3, 1]
        assert unable.kinds == ["Mode", "Start", "Data"]
        for ear in (able, unable):
            assert measure(ear.heard).resembles(440)


async def test_silence_begins_nothing_and_a_second_of_it_ends_what_is_played(autojump_clock: MockClock) -> None:
    async with open_ear(playback_compression=False) as (hall, ear):
        await hall.write(bytes(50 * FRAME))
        assert ear.kinds == ["Mode"]
        await hall.write(NOISE + bytes(300 * FRAME))
        assert ear.kinds == ["Mode", "Start", "Data", "Stop"]
        assert SILENCE * 100 <= len(ear.data) <= (SILENCE + 2 * LEAD) * 100
        assert not hall.playback.playing.value
        await hall.write(NOISE)
        assert ear.kinds[4:] == ["Start", "Data"]
        assert hall.playback.playing.value


async def test_sound_ends_when_nothing_is_written_any_more(autojump_clock: MockClock) -> None:
    async with open_ear() as (hall, ear):
        await hall.write(NOISE)
        with trio.fail_after(2 * SILENCE):
            await hall.playback.playing.wait_value(False)
        await wait_all_tasks_blocked()
        assert ear.kinds == ["Mode", "Start", "Data", "Stop"]


async def test_a_viewer_that_comes_while_nothing_is_played_is_not_told_of_an_end(autojump_clock: MockClock) -> None:
    async with open_hall() as hall, open_viewer(hall.rig.connect) as viewer:
        await hall.write(NOISE)
        await hall.playback.playing.wait_value(False)
        ear = await hall.ear(viewer)
        assert ear.kinds == ["Mode"]


async def test_writing_in_a_loop_plays_at_the_right_speed(autojump_clock: MockClock) -> None:
    async with open_ear(playback_compression=False) as (hall, ear):
        began = trio.current_time()
        for _ in range(10):
            await hall.playback.write(NOISE * 20)
        assert trio.current_time() - began == pytest.approx(2 - LEAD, abs=0.011)
        await wait_all_tasks_blocked()
        times = [message.time for message in ear.of(playback.Data)]
        assert len(times) == 200
        assert {later - before for before, later in pairwise(times)} <= {9, 10, 11}


async def test_who_writes_what_comes_from_a_device_never_waits(autojump_clock: MockClock) -> None:
    async with open_ear() as (hall, ear):
        for _ in range(100):
            before = trio.current_time()
            await hall.playback.write(NOISE)
            assert trio.current_time() == before
            await trio.sleep(0.01)
        assert len(ear.data) == 100


async def test_pieces_of_any_size_are_one_sound(autojump_clock: MockClock) -> None:
    async with open_ear(playback_compression=False) as (hall, ear):
        sound = sine(440, 0.2)
        sizes, start = [1, 2, 3, 1917, 5000, 7, 0, 11111], 0
        for size in sizes:
            await hall.write(sound[start : start + size])
            start += size
        await hall.write(bytearray(sound[start:]))
        assert ear.heard == sound


@pytest.mark.parametrize(
    "samples",
    [
        np.frombuffer(NOISE, "<i2"),
        np.frombuffer(NOISE, "<i2").reshape(-1, 2),
        array.array("h", NOISE),
        memoryview(NOISE),
        np.repeat(np.frombuffer(NOISE, "<i2").reshape(-1, 2), 2, axis=0)[::2],
    ],
    ids=["flat", "pairs", "array", "view", "strided"],
)
async def test_buffers_of_samples_are_taken(samples: Any, autojump_clock: MockClock) -> None:
    async with open_ear(playback_compression=False) as (hall, ear):
        await hall.write(samples)
        assert ear.heard == NOISE


@pytest.mark.parametrize("samples", [np.zeros(960, "f4"), np.zeros(960, ">i2"), np.zeros(960, "i4")])
async def test_other_samples_are_refused(samples: Any, autojump_clock: MockClock) -> None:
    async with open_hall() as hall:
        with pytest.raises(ValueError, match="expected bytes or signed 16-bit samples"):
            await hall.playback.write(samples)


async def test_a_buffer_may_be_changed_as_soon_as_it_is_written(autojump_clock: MockClock) -> None:
    async with open_ear(playback_compression=False) as (hall, ear):
        buffer = bytearray(NOISE)
        await hall.playback.write(buffer)
        buffer[:] = bytes(FRAME)
        await wait_all_tasks_blocked()
        assert ear.heard == NOISE


async def test_a_write_that_is_cancelled_was_heard_as_far_as_it_was_due(autojump_clock: MockClock) -> None:
    async with open_ear(playback_compression=False) as (hall, ear):
        with trio.move_on_after(0.5) as scope:
            await hall.playback.write(NOISE * 500 + b"\x01")
        assert scope.cancelled_caught
        await hall.write(NOISE)
        assert len(ear.data) == pytest.approx((0.5 + LEAD) * 100, abs=2)
        assert ear.data[-1] == NOISE


async def test_two_tasks_may_write_and_their_writes_do_not_mix(autojump_clock: MockClock) -> None:
    async with open_ear(playback_compression=False) as (hall, ear):
        others = bytes(reversed(NOISE))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hall.playback.write, NOISE * 30)
            nursery.start_soon(hall.playback.write, others * 30)
        await wait_all_tasks_blocked()
        assert ear.data in ([NOISE] * 30 + [others] * 30, [others] * 30 + [NOISE] * 30)


async def test_writing_to_a_channel_that_is_closed(autojump_clock: MockClock) -> None:
    async with open_rig() as rig:
        async with rig.server.open_playback() as channel:
            await channel.write(NOISE)
        with pytest.raises(trio.ClosedResourceError):
            await channel.write(NOISE)


async def test_there_is_one_playback_at_a_time(autojump_clock: MockClock) -> None:
    async with open_hall() as hall:
        with pytest.raises(ValueError, match="already"):
            async with hall.rig.server.open_playback():
                pass


async def test_a_connection_that_stalls_costs_the_oldest_sound_and_nobody_else_any(autojump_clock: MockClock) -> None:
    gate = Gate()
    async with open_hall(playback_compression=False) as hall, open_viewer(hall.rig.connect) as one:
        ours, theirs = gate.pair()

        async def connect() -> trio.abc.Stream:
            hall.rig.serve(theirs)
            return ours

        quick = await hall.ear(one)
        slow = Ear(await _open_with(one.init.session_id, hall, connect, another=True))
        hall.nursery.start_soon(slow.run)
        await wait_all_tasks_blocked()
        gate.close()
        frames = [number.to_bytes(4, "little") * 480 for number in range(1, 101)]
        for frame in frames:
            await hall.write(frame)
        gate.open()
        await wait_all_tasks_blocked()
        client = hall.playback.clients[1]
        assert quick.data == frames
        assert slow.data[-MOST_WAITING:] == frames[-MOST_WAITING:]
        assert len(slow.data) == 100 - client.dropped < 100 - 3 * MOST_WAITING
        assert slow.kinds == ["Mode", "Start", "Data"]


async def _open_with(session: int, hall: Hall, connect: Any, *, another: bool) -> PeerChannel:
    """The playback channel of another viewer, over a connection of its own."""
    viewer = open_viewer(hall.rig.connect)
    other: Viewer = await hall.nursery.start(_stay, viewer)
    other._connect = connect
    return await other.open(ChannelType.PLAYBACK)


async def _stay(viewer: Any, *, task_status: trio.TaskStatus[Viewer]) -> None:
    async with viewer as opened:
        task_status.started(opened)
        await trio.sleep_forever()


async def test_a_viewer_that_stops_acknowledging_gets_two_windows_and_then_nothing_old(
    autojump_clock: MockClock,
) -> None:
    async with open_ear(playback_compression=False) as (hall, ear):
        ear.channel.acknowledge = False
        for _ in range(3 * ACK_WINDOW):
            await hall.write(NOISE)
        assert len(ear.told) <= 2 * ACK_WINDOW + 1
        assert hall.playback.clients[0].dropped >= ACK_WINDOW - MOST_WAITING - 2


async def test_who_may_only_view_may_listen(autojump_clock: MockClock) -> None:
    tickets = (Ticket("owner's"), Ticket("guest's", Role.VIEW))
    async with open_hall(tickets=tickets) as hall, open_viewer(hall.rig.connect, password="guest's") as guest:
        ear = await hall.ear(guest)
        await hall.write(sine(440, 0.5))
        assert measure(ear.heard).resembles(440)


async def test_a_fault_on_the_playback_channel_ends_that_channel_alone(autojump_clock: MockClock) -> None:
    async with open_hall() as hall, open_viewer(hall.rig.connect) as viewer:
        ear = await hall.ear(viewer)
        await ear.channel.stream.send_all((999).to_bytes(2, "little") + bytes(4))
        await ear.ended.wait()
        await wait_all_tasks_blocked()
        assert hall.playback.listeners.value == 0
        assert len(hall.rig.server.clients.value) == 1
        again = await hall.ear(viewer)
        await hall.write(NOISE)
        assert again.kinds == ["Mode", "Start", "Data"]


async def test_sound_costs_nothing_while_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async with open_hall() as hall:
        monkeypatch.setattr(playback_module, "marshal", None)
        await hall.write(NOISE * 10)
