"""Sound to and from spice-gtk: what it would give to its sound card, and what it sends of its microphone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

import spicetrio
from spicetrio import Role, Ticket
from tests.tone import measure, sine

from .gtk import GtkClient, OpenGtk

compressions = pytest.mark.parametrize("compression", [False, True], ids=["raw", "opus"])


@asynccontextmanager
async def playing(playback: spicetrio.Playback, sound: bytes) -> AsyncIterator[None]:
    """Play a sound again and again while the block runs."""

    async def play() -> None:
        while True:
            await playback.write(sound)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(play)
        yield
        nursery.cancel_scope.cancel()


async def heard_by(playback: spicetrio.Playback, listeners: int) -> None:
    with trio.fail_after(10):
        await playback.listeners.wait_value(listeners)


async def listen(viewer: GtkClient) -> bytes:
    """A second of what is heard from now on; what was decoded first is not right yet."""
    await viewer.sound(0.2)  # and with it all that was heard before
    return await viewer.sound(1.0)


@compressions
async def test_two_viewers_hear_a_sine_and_one_that_comes_later_too(gtk: OpenGtk, compression: bool) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True, playback_compression=compression) as server,
        server.open_playback() as playback,
        gtk(server.addresses[0], channels=["playback"], picture=False) as one,
    ):
        await heard_by(playback, 1)
        async with playing(playback, sine(440, 1.0)):
            await one.wait_event("playback-start", format=1, channels=2, frequency=48000)
            assert measure(await listen(one)).resembles(440)
            async with gtk(server.addresses[0], channels=["playback"], picture=False) as two:
                for viewer in (two, one):
                    await viewer.wait_channels("playback:0")
                    before = (await viewer.read_bytes())["playback:0"]
                    assert measure(await listen(viewer)).resembles(440)
                    received = (await viewer.read_bytes())["playback:0"] - before
        await one.wait_event("playback-stop")
        assert (received < 100_000) is compression


async def test_opus_is_switched_on_and_off_while_a_viewer_listens(gtk: OpenGtk) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True, playback_compression=False) as server,
        server.open_playback() as playback,
        gtk(server.addresses[0], channels=["playback"], picture=False) as viewer,
    ):
        await heard_by(playback, 1)
        async with playing(playback, sine(440, 1.0)):
            for _ in range(2):
                for compression in (True, False):
                    seen = len(viewer.events)
                    playback.compression = compression
                    await viewer.wait_event("playback-start", after=seen)
                    before = (await viewer.read_bytes())["playback:0"]
                    assert measure(await listen(viewer)).resembles(440)
                    received = (await viewer.read_bytes())["playback:0"] - before
                    assert (received < 100_000) is compression


async def test_volume_mute_and_latency_reach_a_viewer(gtk: OpenGtk) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_playback() as playback,
        server.open_record() as record,
    ):
        playback.volume = record.volume = (65535, 1234)
        async with gtk(server.addresses[0], channels=["playback", "record"], picture=False) as viewer:
            for kind in ("playback", "record"):
                await viewer.wait_event(f"{kind}-volume", volume=[65535, 1234])
            playback.mute = record.mute = True
            for kind in ("playback", "record"):
                await viewer.wait_event(f"{kind}-mute", mute=True)
            playback.volume = (5, 6)
            playback.mute = False
            await viewer.wait_event("playback-volume", volume=[5, 6])
            await viewer.wait_event("playback-mute", mute=False)
            playback.latency = 350
            await playback.write(sine(440, 0.02))
            await viewer.wait_event("playback-latency", latency=350)


@pytest.mark.parametrize(("rate", "opus"), [(48000, True), (44100, False), (16000, False), (8000, True)])
async def test_a_viewers_microphone_is_heard_while_the_application_listens(gtk: OpenGtk, rate: int, opus: bool) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_record(rate=rate) as record,
        gtk(server.addresses[0], channels=["record"], picture=False) as viewer,
    ):
        await viewer.wait_channels("record:0")
        for frequency in (440, 700):
            seen = len(viewer.events)
            with record.listen() as recording:
                await viewer.wait_event("record-start", after=seen, format=1, channels=2, frequency=rate)
                sound = b""
                with trio.fail_after(20):
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(partial(viewer.record, sine(frequency, 1.2, rate=rate), seconds=1.2))
                        async for frame in recording:
                            sound += frame.samples
                            if len(sound) >= rate * 4:
                                break
                assert measure(sound, rate=rate).resembles(frequency)
                assert frame.viewer is server.clients.value[0]
                decoder = record.clients[0]._decoder
                assert (decoder is not None) is opus
                assert recording.lost == 0
            await viewer.wait_event("record-stop", after=seen)


async def test_who_may_only_view_listens_and_is_not_recorded(gtk: OpenGtk) -> None:
    tickets = (Ticket("owner's"), Ticket("guest's", Role.VIEW))
    async with (
        spicetrio.open_server(port=0, tickets=tickets) as server,
        server.open_playback() as playback,
        server.open_record() as record,
        gtk(server.addresses[0], password="guest's", channels=["playback", "record"], picture=False) as viewer,
    ):
        await viewer.wait_channels("playback:0", "record:0")
        with record.listen():
            async with playing(playback, sine(440, 1.0)):
                assert measure(await listen(viewer)).resembles(440)
        assert "record-start" not in {event["event"] for event in viewer.events}
