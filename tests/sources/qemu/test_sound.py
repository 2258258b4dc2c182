from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing

import spicetrio
from spicetrio.sources.qemu import Place
from spicetrio.sources.qemu.sound import IN, OUT, Microphone, Speaker
from tests.sources.qemu.machine import open_machine
from tests.sources.qemu.peer import Peer, RegisteringBus, registered
from tests.sources.qemu.stage import open_stage

INIT = "tybbuyuub"


def stream(number: int, *, rate: int = 48000, bits: int = 16, channels: int = 2) -> tuple[Any, ...]:
    """The arguments with which a stream begins."""
    return number, bits, True, False, rate, channels, 4, 4 * rate, False


class Sounds:
    """Stands in for a server: remembers what is played, and lets a test speak."""

    def __init__(self) -> None:
        self.played: list[tuple[int, bytes]] = []
        self.written = trio.Event()
        self.viewers_speak, self._frames = trio.open_memory_channel[Any](100)
        self.rate = 0
        self.listening = 0
        self.may_write = trio.Event()
        self.may_write.set()
        self.volume: tuple[int, int] | None = None
        self.mute = False

    @property
    def server(self) -> spicetrio.Server:
        return cast(spicetrio.Server, self)

    @asynccontextmanager
    async def open_playback(self, *, rate: int) -> AsyncIterator[Sounds]:
        self.rate = rate
        yield self

    @asynccontextmanager
    async def open_record(self, *, rate: int) -> AsyncIterator[Sounds]:
        self.rate = rate
        yield self

    @contextmanager
    def listen(self) -> Any:
        self.listening += 1
        try:
            yield self._frames
        finally:
            self.listening -= 1

    async def write(self, samples: memoryview) -> None:
        await self.may_write.wait()
        self.played.append((self.rate, bytes(samples)))
        self.written.set()
        self.written = trio.Event()


class Frame:
    def __init__(self, viewer: object, samples: bytes) -> None:
        self.viewer = viewer
        self.samples = samples


@asynccontextmanager
async def speaker(sounds: Sounds) -> AsyncIterator[Peer]:
    bus = RegisteringBus("RegisterOutListener")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Speaker(sounds.server, bus.bus).run)
        async with registered(bus) as peer:
            yield peer
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def microphone(sounds: Sounds) -> AsyncIterator[Peer]:
    bus = RegisteringBus("RegisterInListener")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Microphone(sounds.server, bus.bus).run)
        async with registered(bus) as peer:
            yield peer
        nursery.cancel_scope.cancel()


async def test_what_the_machine_plays_is_written_at_its_rate() -> None:
    sounds = Sounds()
    async with speaker(sounds) as peer:
        await peer.call(OUT, "Init", INIT, *stream(1, rate=44100))
        await peer.call(OUT, "SetEnabled", "tb", 1, True)
        await peer.call(OUT, "Write", "tay", 1, b"abcd" * 10)
        await trio.testing.wait_all_tasks_blocked()
        await peer.call(OUT, "Init", INIT, *stream(2, rate=32000))
        await peer.call(OUT, "Write", "tay", 2, b"efgh" * 10)
        await trio.testing.wait_all_tasks_blocked()
    assert sounds.played == [(44100, b"abcd" * 10), (32000, b"efgh" * 10)]


async def test_of_sound_that_nobody_takes_the_oldest_is_dropped() -> None:
    sounds = Sounds()
    sounds.may_write = trio.Event()
    async with speaker(sounds) as peer:
        await peer.call(OUT, "Init", INIT, *stream(1, rate=8000))
        for number in range(50):  # 2.5 s
            await peer.call(OUT, "Write", "tay", 1, bytes([number]) * 1600)
        sounds.may_write.set()
        await trio.testing.wait_all_tasks_blocked()
    assert len(sounds.played) <= 5
    assert sounds.played[-1] == (8000, bytes([49]) * 1600)


@pytest.mark.parametrize("other", [{"bits": 32}, {"channels": 1}, {"rate": 4000}])
async def test_sound_that_viewers_do_not_take_is_not_played(other: Any, caplog: pytest.LogCaptureFixture) -> None:
    sounds = Sounds()
    async with speaker(sounds) as peer:
        await peer.call(OUT, "Init", INIT, *stream(1, **other))
        await peer.call(OUT, "Write", "tay", 1, bytes(40))
        await trio.testing.wait_all_tasks_blocked()
    assert not sounds.played
    assert "not passed on" in caplog.text


async def test_the_volume_of_the_guest_is_that_of_the_viewers() -> None:
    sounds = Sounds()
    async with speaker(sounds) as peer:
        await peer.call(OUT, "Init", INIT, *stream(1))
        await peer.call(OUT, "SetVolume", "tbay", 1, True, b"\x80\xff")
        await peer.call(OUT, "Write", "tay", 1, b"abcd")
        await trio.testing.wait_all_tasks_blocked()
        assert (sounds.volume, sounds.mute) == ((0x8080, 0xFFFF), True)
        await peer.call(OUT, "SetVolume", "tbay", 1, False, b"\x01")
        assert (sounds.volume, sounds.mute) == ((0x0101, 0x0101), False)
    async with microphone(sounds) as peer:
        await peer.call(IN, "Init", INIT, *stream(1))
        await peer.call(IN, "SetEnabled", "tb", 1, True)
        await trio.testing.wait_all_tasks_blocked()
        await peer.call(IN, "SetVolume", "tbay", 1, True, b"\xff\0")
        assert (sounds.volume, sounds.mute) == ((0xFFFF, 0), True)


async def test_sound_of_a_voice_that_viewers_do_not_take_is_not_played_at_the_rate_of_another() -> None:
    sounds = Sounds()
    async with speaker(sounds) as peer:
        await peer.call(OUT, "Init", INIT, *stream(1, rate=44100))
        await peer.call(OUT, "Init", INIT, *stream(2, bits=32))
        await peer.call(OUT, "Write", "tay", 2, b"xxxx")
        await peer.call(OUT, "Write", "tay", 1, b"abcd")
        await trio.testing.wait_all_tasks_blocked()
        await peer.call(OUT, "Init", INIT, *stream(1, bits=32))
        await peer.call(OUT, "Write", "tay", 1, b"xxxx")
        await trio.testing.wait_all_tasks_blocked()
    assert sounds.played == [(44100, b"abcd")]


async def test_of_several_voices_the_one_that_began_last_is_heard() -> None:
    sounds = Sounds()
    async with speaker(sounds) as peer:
        await peer.call(OUT, "Init", INIT, *stream(1, rate=44100))
        await peer.call(OUT, "Init", INIT, *stream(2, rate=32000))
        await peer.call(OUT, "Write", "tay", 1, b"xxxx")
        await peer.call(OUT, "Write", "tay", 2, b"abcd")
        await trio.testing.wait_all_tasks_blocked()
        await peer.call(OUT, "SetEnabled", "tb", 1, True)
        await peer.call(OUT, "Write", "tay", 1, b"efgh")
        await trio.testing.wait_all_tasks_blocked()
    assert sounds.played == [(32000, b"abcd"), (44100, b"efgh")]


async def read(peer: Peer, size: int, *, voice: int = 1) -> bytes:
    answer = await peer.call(IN, "Read", "tt", voice, size)
    return bytes(answer.body[0])


async def test_the_machine_is_answered_at_once_whether_somebody_speaks_or_not() -> None:
    sounds = Sounds()
    async with microphone(sounds) as peer:
        await peer.call(IN, "Init", INIT, *stream(1, rate=44100))
        assert await read(peer, 100) == b""
        assert not sounds.listening
        await peer.call(IN, "SetEnabled", "tb", 1, True)
        await trio.testing.wait_all_tasks_blocked()
        assert (sounds.listening, sounds.rate) == (1, 44100)
        viewer = object()
        await sounds.viewers_speak.send(Frame(viewer, b"abcdefgh"))
        await trio.testing.wait_all_tasks_blocked()
        assert await read(peer, 4) == b"abcd"
        assert await read(peer, 100) == b"efgh"
        await peer.call(IN, "SetEnabled", "tb", 1, False)
        await trio.testing.wait_all_tasks_blocked()
        assert not sounds.listening


async def test_viewers_record_at_the_rate_at_which_the_machine_does() -> None:
    sounds = Sounds()
    async with microphone(sounds) as peer:
        for voice, rate in ((1, 44100), (2, 16000)):
            await peer.call(IN, "Init", INIT, *stream(voice, rate=rate))
            await peer.call(IN, "SetEnabled", "tb", voice, True)
            await trio.testing.wait_all_tasks_blocked()
            assert (sounds.listening, sounds.rate) == (1, rate)
            await sounds.viewers_speak.send(Frame(object(), b"abcdefgh"))
            await trio.testing.wait_all_tasks_blocked()
        assert await read(peer, 100) == b"", "it is not the voice that records"
        assert await read(peer, 100, voice=2) == b"abcdefgh", "what was recorded at the other rate is forgotten"
        await peer.call(IN, "Fini", "t", 2)
        await trio.testing.wait_all_tasks_blocked()
        assert not sounds.listening


async def test_the_machine_hears_one_viewer_at_a_time() -> None:
    sounds = Sounds()
    one, other = object(), object()
    async with microphone(sounds) as peer:
        await peer.call(IN, "Init", INIT, *stream(1))
        await peer.call(IN, "SetEnabled", "tb", 1, True)
        for viewer, samples in ((one, b"abcd"), (other, b"xxxx"), (one, b"efgh")):
            await sounds.viewers_speak.send(Frame(viewer, samples))
        await trio.testing.wait_all_tasks_blocked()
        assert await read(peer, 100) == b"abcdefgh"


async def test_a_machine_that_would_not_survive_it_is_not_asked_for_sound(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """QEMU before 8.0 ends when a listener for sound registers without a bus."""
    sound = ("-audiodev", "dbus,id=sound")
    async with open_machine(tmp_path, *sound, display="dbus,p2p=yes,audiodev=sound") as machine:
        version = (await machine.monitor.execute("query-version"))["qemu"]["major"]
        async with open_stage(Place(qmp=machine.qmp)) as stage:
            await stage.wait_shows(await machine.stop_booted())
        assert ("too old for it" in caplog.text) == (version < 8)
        assert machine.process.returncode is None
