"""Whose microphone is heard, and when."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import spicetrio
from spicetrio import Role, Ticket
from spicetrio.channels.record import MAX_DATA, SECONDS_WAITING
from spicetrio.codecs import opus
from spicetrio.wire import base, record
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import AudioDataMode, ChannelType, RecordCapability
from spicetrio.wire.link import Capabilities
from tests.peer import PeerChannel, Viewer, open_viewer
from tests.server.rig import Rig, open_rig, read_to_end, receive
from tests.tone import measure, sine

FRAME = 1920
"""Bytes of 10 ms."""


@dataclass
class Studio:
    rig: Rig
    record: spicetrio.Record


@asynccontextmanager
async def open_studio(*, rate: int = 48000, **changes: object) -> AsyncIterator[Studio]:
    async with open_rig(**changes) as rig, rig.server.open_record(rate=rate) as channel:
        yield Studio(rig, channel)


@asynccontextmanager
async def open_microphone(
    *, capabilities: Capabilities | None = None, **changes: object
) -> AsyncIterator[tuple[Studio, Viewer, PeerChannel]]:
    async with open_studio(**changes) as studio, open_viewer(studio.rig.connect) as viewer:
        yield studio, viewer, await viewer.open(ChannelType.RECORD, capabilities=capabilities)


async def told(channel: PeerChannel) -> list[Message]:
    """All that has come by now."""
    messages = []
    with trio.move_on_after(0.02):
        while True:
            messages.append(await channel.receive())
    return [message for message in messages if not isinstance(message, base.Ping)]


async def ended(channel: PeerChannel) -> None:
    """Wait until the server has closed it and said why."""
    await read_to_end(channel.stream)
    await wait_all_tasks_blocked(0.01)


async def send_sine(channel: PeerChannel, mode: AudioDataMode, *, rate: int = 48000) -> None:
    """Record a second of it as viewers do."""
    await channel.send(record.Mode(0, mode), record.StartMark(0))
    encoder = opus.Encoder(rate)
    sound = sine(440, 1.0, rate=rate)
    for number, start in enumerate(range(0, len(sound), encoder.frame_size)):
        frame = sound[start : start + encoder.frame_size]
        await channel.send(record.Data(10 * number, encoder.encode(frame) if mode == AudioDataMode.OPUS else frame))


async def take(recording: spicetrio.Recording, size: int) -> bytes:
    sound = b""
    with trio.fail_after(5):
        while len(sound) < size:
            sound += (await anext(recording)).samples
    return sound


@pytest.mark.parametrize("rate", [8000, 48000])
@pytest.mark.parametrize("mode", [AudioDataMode.RAW, AudioDataMode.OPUS])
async def test_a_sine_is_recorded(mode: AudioDataMode, rate: int) -> None:
    async with open_microphone(rate=rate) as (studio, _, channel), trio.open_nursery() as nursery:
        with studio.record.listen() as recording:
            assert await receive(channel, record.Start) == record.Start(2, 1, rate)

            async def send() -> None:
                await send_sine(channel, mode, rate=rate)

            nursery.start_soon(send)
            sound = await take(recording, int(rate * 4 * 0.97))
            assert measure(sound, rate=rate).resembles(440)
            assert recording.lost == 0


async def test_viewers_record_only_while_the_application_listens() -> None:
    async with open_microphone() as (studio, _, channel):
        assert await told(channel) == []
        assert not studio.record.listening.value
        with studio.record.listen():
            assert isinstance(await receive(channel, record.Start), record.Start)
            with studio.record.listen():
                async with open_viewer(studio.rig.connect) as other:
                    late = await other.open(ChannelType.RECORD)
                    assert isinstance(await receive(late, record.Start), record.Start)
            assert await told(channel) == []
        assert await told(channel) == [record.Stop()]
        with studio.record.listen():
            assert [type(message) for message in await told(channel)] == [record.Start]


async def test_what_is_on_its_way_when_the_application_stops_listening_is_not_heard_and_no_fault() -> None:
    async with open_microphone() as (studio, _, channel):
        with studio.record.listen():
            await receive(channel, record.Start)
        await channel.send(record.Data(0, bytes(FRAME)))
        await wait_all_tasks_blocked()
        with studio.record.listen() as recording:
            await channel.send(record.Data(0, b"\x01\x00\x02\x00"))
            frame = await anext(recording)
        assert frame.samples == b"\x01\x00\x02\x00"
        assert frame.viewer is studio.rig.server.clients.value[0]


async def test_the_oldest_is_dropped_and_counted_while_nobody_takes_what_is_recorded() -> None:
    async with open_microphone() as (studio, _, channel):
        with studio.record.listen() as recording, studio.record.listen() as other:
            await receive(channel, record.Start)
            for number in range(100):
                await channel.send(record.Data(0, number.to_bytes(4, "little") * 480))
            await wait_all_tasks_blocked(0.01)
            kept = int(SECONDS_WAITING * 100)
            assert recording.lost == other.lost == 100 - kept
            for number in range(100 - kept, 100):
                assert (await anext(recording)).samples[:4] == number.to_bytes(4, "little")


async def test_sound_of_no_length_is_no_frame() -> None:
    """Of frames without bytes any number would fit into those that may wait."""
    async with open_microphone() as (studio, _, channel):
        with studio.record.listen() as recording:
            await receive(channel, record.Start)
            await channel.send(*[record.Data(0, b"")] * 3, record.Data(0, bytes(4)))
            assert (await anext(recording)).samples == bytes(4)


async def test_no_frame_is_lost_when_waiting_for_it_is_cancelled() -> None:
    async with open_microphone() as (studio, _, channel):
        with studio.record.listen() as recording:
            await receive(channel, record.Start)
            with trio.move_on_after(0.01) as scope:
                await anext(recording)
            assert scope.cancelled_caught
            await channel.send(record.Data(0, bytes(4)))
            await wait_all_tasks_blocked(0.01)
            with trio.move_on_after(0) as scope:
                await anext(recording)
            assert scope.cancelled_caught
            assert (await anext(recording)).samples == bytes(4)


async def test_volume_and_mute_are_told_first_and_when_they_change() -> None:
    async with open_studio() as studio, open_viewer(studio.rig.connect) as viewer:
        studio.record.volume = (3, 4)
        channel = await viewer.open(ChannelType.RECORD)
        assert await told(channel) == [record.Volume((3, 4))]
        studio.record.mute = True
        assert await told(channel) == [record.Mute(True)]
        async with open_viewer(studio.rig.connect) as other:
            unable = await other.open(ChannelType.RECORD, capabilities=Capabilities())
            assert await told(unable) == []


async def test_the_microphone_of_who_may_only_view_is_not_asked_for_and_not_heard() -> None:
    tickets = (Ticket("owner's"), Ticket("guest's", Role.VIEW))
    async with (
        open_studio(tickets=tickets) as studio,
        open_viewer(studio.rig.connect, password="guest's") as guest,
        open_viewer(studio.rig.connect, password="owner's") as owner,
    ):
        quiet, heard = await guest.open(ChannelType.RECORD), await owner.open(ChannelType.RECORD)
        with studio.record.listen() as recording:
            await receive(heard, record.Start)
            assert await told(quiet) == []
            await quiet.send(record.Mode(0, AudioDataMode.RAW), record.Data(0, bytes(FRAME)))
            await wait_all_tasks_blocked(0.01)
            await heard.send(record.Data(0, bytes(4)))
            assert (await anext(recording)).viewer is studio.rig.server.clients.value[1]
        assert len(studio.record.clients) == 2


FAULTS = {
    "odd bytes": ([record.Data(0, bytes(1918))], "got 1918 bytes of raw sound, expected a multiple of 4"),
    "celt": ([record.Mode(0, 2)], "got sound of mode 2, expected 1 or 3"),
    "no mode": ([record.Mode(0, 77)], "got sound of mode 77, expected 1 or 3"),
    "no opus": (
        [record.Mode(0, 3), record.Data(0, b"\xff" * 40)],
        "got 40 bytes that are no Opus packet (Invalid data found when processing input)",
    ),
    "nothing": ([record.Mode(0, 3), record.Data(0, b"")], "got an empty packet, expected Opus"),
    "huge": (
        [record.Data(0, bytes(MAX_DATA))],
        f"got message 101 of {MAX_DATA + 4} bytes, expected at most {MAX_DATA}",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_faults_end_the_channel_with_one_clear_line_and_leave_the_viewer(
    fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    messages, line = FAULTS[fault]
    async with open_microphone() as (studio, viewer, channel):
        with studio.record.listen() as recording:
            await receive(channel, record.Start)
            await channel.send(record.Data(0, bytes(4)))
            assert (await anext(recording)).samples == bytes(4)
            await channel.send(*messages)
            await ended(channel)
            (warning,) = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
            assert line in warning
            assert "\n" not in warning
            assert len(studio.rig.server.clients.value) == 1
            again = await viewer.open(ChannelType.RECORD)
            await receive(again, record.Start)
            await again.send(record.Data(0, bytes(8)))
            assert (await anext(recording)).samples == bytes(8)


async def test_sound_that_nobody_asked_for_ends_the_channel(caplog: pytest.LogCaptureFixture) -> None:
    async with open_microphone() as (studio, _, channel):
        await channel.send(record.StartMark(0), record.Data(0, bytes(4)))
        await ended(channel)
        assert "got sound from a viewer that was not asked to record" in caplog.text
        assert len(studio.rig.server.clients.value) == 1


async def test_without_pyav_opus_is_not_offered_and_not_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(opus, "AVAILABLE", False)
    async with open_microphone() as (studio, _, channel):
        assert studio.record.capabilities == Capabilities({RecordCapability.VOLUME})
        with studio.record.listen():
            await receive(channel, record.Start)
            await channel.send(record.Mode(0, AudioDataMode.OPUS))
            await ended(channel)
    assert "got sound of mode 3, expected 1\n" in caplog.text


async def test_a_flood_of_sound_does_not_hold_up_the_others() -> None:
    async with open_microphone() as (studio, _, channel), open_viewer(studio.rig.connect) as other:
        with studio.record.listen() as recording:
            await receive(channel, record.Start)
            packet = opus.Encoder(48000).encode(bytes(FRAME))
            await channel.send(record.Mode(0, AudioDataMode.OPUS), *[record.Data(0, packet)] * 2000)
            channel_of_other = await other.open(ChannelType.RECORD)
            await receive(channel_of_other, record.Start)
            assert recording.lost < 2000 - 2 * SECONDS_WAITING * 100
