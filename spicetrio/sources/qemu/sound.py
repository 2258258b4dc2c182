"""The machine's sound: what it plays, to the viewers, and what they say, to what it records with."""

from __future__ import annotations

import logging
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from functools import partial
from operator import ne
from typing import Final

import trio
from trio_util import AsyncValue, move_on_when

import spicetrio
from spicetrio.channels.sound import LOUDEST, MAX_RATE, MIN_RATE
from spicetrio.sources.qemu.bus import Bus, BusError, Properties
from spicetrio.sources.qemu.messages import Call, ListenerConnection

AUDIO: Final = "org.qemu.Display1.Audio"
OUT: Final = "org.qemu.Display1.AudioOutListener"
IN: Final = "org.qemu.Display1.AudioInListener"
VM: Final = "org.qemu.Display1.VM"
MOST_VOICES: Final = 64
"""That are remembered."""
LATE_SECONDS: Final = 0.2
"""How much of the machine's sound may wait here; of more the oldest is dropped."""
PAUSE_SECONDS: Final = 1.0
"""When a viewer has said nothing for so long, the machine hears another one."""

_PATH: Final = "/org/qemu/Display1/Audio"
_VM_PATH: Final = "/org/qemu/Display1/VM"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
_SAMPLE_BYTES: Final = 4
"""Of both channels."""
_log = logging.getLogger(__name__)


@asynccontextmanager
async def open_sound(
    server: spicetrio.Server,
    bus: Bus,
    objects: Mapping[str, Mapping[str, Properties]],
    *,
    playback: bool,
    record: bool,
) -> AsyncIterator[None]:
    """Carry sound between a machine and the viewers while the block runs, if the machine has some for D-Bus.

    Args:
        server: Whose viewers.
        bus: Where the machine is.
        objects: All that it has.
        playback: Viewers hear the machine.
        record: The machine hears viewers.
    """
    if AUDIO not in objects.get(_PATH, {}) or not (playback or record):
        yield
        return
    if bus.straight and "Interfaces" not in objects[_VM_PATH][VM]:
        # To be asked for it would be the end of a QEMU before 8.0. It is known by what it does not tell about itself.
        _log.warning("there is no sound: without a bus, this QEMU is too old for it; use --dbus-address")
        yield
        return
    async with trio.open_nursery() as nursery:
        if playback:
            nursery.start_soon(Speaker(server, bus).run)
        if record:
            nursery.start_soon(Microphone(server, bus).run)
        yield
        nursery.cancel_scope.cancel()


async def _listen(bus: Bus, method: str, take: Callable[[ListenerConnection, Call], Awaitable[None]]) -> None:
    """Have QEMU call a listener until it hangs up, or cancelled."""
    ours, theirs = socket.socketpair()
    with closing(ListenerConnection(ours)) as connection:
        with theirs:
            await connection.greet()
            try:
                await bus.call(_PATH, AUDIO, method, "h", theirs.fileno())
            except BusError as error:
                _log.warning("there is no sound: %s", error)
                return
        await connection.read_answer()
        while (call := await connection.receive()) is not None:
            if call.interface == _PROPERTIES and call.member == "GetAll":
                await connection.reply(call, "a{sv}", {})
            else:
                await take(connection, call)


def _rate(call: Call) -> int | None:
    """Return the samples in a second that a stream begins with; None if they are not as viewers take them."""
    _, bits, signed, floating, rate, channels, _, _, big = call.numbers("QBxxxIIIBxxxIII")
    if (bits, signed, floating, channels, big) == (16, 1, 0, 2, 0) and MIN_RATE <= rate <= MAX_RATE:
        return rate
    _log.warning(
        "sound of %d bits in %d channels at %d Hz is not passed on: leave the format to -audiodev dbus",
        bits,
        channels,
        rate,
    )
    return None


class Line:
    """The machine's sound in one direction, and the viewers' channel for it.

    QEMU mixes the sound of all devices into one voice. If it was told not to, there are several, and the one that began
    last counts.

    Args:
        server: Whose viewers.
        bus: Where the machine is.
    """

    def __init__(self, server: spicetrio.Server, bus: Bus) -> None:
        self._server = server
        self._bus = bus
        self._rates: dict[int, int] = {}
        self._voice: int | None = None
        self._rate: AsyncValue[int | None] = AsyncValue(None)
        self._enabled: AsyncValue[bool] = AsyncValue(False)
        self._channel: spicetrio.Playback | spicetrio.Record | None = None
        self._volume: tuple[int, int] | None = None
        self._mute = False

    def _counts(self, call: Call) -> bool:
        """Return whether a call is about the voice that counts."""
        return call.numbers("Q")[0] == self._voice

    def _take_state(self, call: Call) -> None:
        """Take in what QEMU tells of a voice besides its sound."""
        match call.member:
            case "Init":
                self._begin(call)
            case "Fini":
                self._end(*call.numbers("Q"))
            case "SetEnabled":
                voice, enabled = call.numbers("QI")
                if enabled:
                    self._choose(voice)
                if voice == self._voice:
                    self._enabled.value = bool(enabled)
            case "SetVolume":
                _, mute = call.numbers("QI")
                volumes = bytes(call.data("QI")) or b"\xff"
                # Of each channel, a byte.
                self._volume = LOUDEST * volumes[0] // 0xFF, LOUDEST * volumes[-1] // 0xFF
                self._mute = bool(mute)
                self._tell_loudness()

    def _begin(self, call: Call) -> None:
        (voice,) = call.numbers("Q")
        self._end(voice)
        rate = _rate(call)
        if rate is not None and len(self._rates) < MOST_VOICES:
            self._rates[voice] = rate
            self._choose(voice)

    def _end(self, voice: int) -> None:
        self._rates.pop(voice, None)
        if voice == self._voice:
            self._voice = None
            self._enabled.value = False

    def _choose(self, voice: int) -> None:
        if voice in self._rates:
            self._voice = voice
            self._rate.value = self._rates[voice]

    def _open(self, channel: spicetrio.Playback | spicetrio.Record) -> None:
        """Take in which channel viewers have for it now."""
        self._channel = channel
        self._tell_loudness()

    def _tell_loudness(self) -> None:
        """Leave the guest's volume to viewers, as QEMU does."""
        if self._channel is not None and self._volume is not None:
            self._channel.volume = self._volume
            self._channel.mute = self._mute


class Speaker(Line):
    """Plays to the viewers what the machine plays."""

    def __init__(self, server: spicetrio.Server, bus: Bus) -> None:
        super().__init__(server, bus)
        self._changed = trio.Event()
        self._waiting: deque[memoryview] = deque()
        self._bytes = 0

    async def run(self) -> None:
        """Play until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._play)
            await _listen(self._bus, "RegisterOutListener", self._take)

    async def _take(self, connection: ListenerConnection, call: Call) -> None:
        if call.member != "Write":
            before = self._rate.value
            self._take_state(call)
            if before != self._rate.value:
                self._waiting.clear()
                self._bytes = 0
        elif self._counts(call) and self._rate.value is not None:
            self._waiting.append(call.data("Q"))
            self._bytes += len(self._waiting[-1])
            while self._bytes > self._rate.value * _SAMPLE_BYTES * LATE_SECONDS and len(self._waiting) > 1:
                self._bytes -= len(self._waiting.popleft())
            self._changed.set()
        await connection.reply(call)

    async def _play(self) -> None:
        """Play what comes, at the rate at which it comes."""
        while True:
            await self._changed.wait()
            rate = self._rate.value
            assert rate is not None
            async with self._server.open_playback(rate=rate) as playback:
                self._open(playback)
                while rate == self._rate.value:
                    if self._waiting:
                        samples = self._waiting.popleft()
                        self._bytes -= len(samples)
                        await playback.write(samples)
                    else:
                        self._changed = trio.Event()
                        await self._changed.wait()


class Microphone(Line):
    """Has the machine record what the viewers say."""

    def __init__(self, server: spicetrio.Server, bus: Bus) -> None:
        super().__init__(server, bus)
        self._heard = bytearray()

    async def run(self) -> None:
        """Listen until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow)
            await _listen(self._bus, "RegisterInListener", self._take)

    async def _take(self, connection: ListenerConnection, call: Call) -> None:
        if call.member != "Read":
            self._take_state(call)
            await connection.reply(call)
            return
        # The machine stands still until it is answered.
        _, size = call.numbers("QQ")
        data = b""
        if self._counts(call):
            data = bytes(self._heard[:size])
            del self._heard[:size]
        await connection.reply(call, "ay", data)

    async def _follow(self) -> None:
        """Have viewers record from the first time on that the machine does, at the rate at which it does."""
        while True:
            await self._enabled.wait_value(True)
            rate = self._rate.value
            assert rate is not None
            async with self._server.open_record(rate=rate) as record:
                self._open(record)
                async with move_on_when(self._rate.wait_value, partial(ne, rate)):
                    await self._record(record)

    async def _record(self, record: spicetrio.Record) -> None:
        """Have viewers record while the machine does."""
        while True:
            await self._enabled.wait_value(True)
            async with move_on_when(self._enabled.wait_value, False):
                await self._hear(record)

    async def _hear(self, record: spicetrio.Record) -> None:
        """Take in what one viewer says, and then another."""
        speaker, last = None, 0.0
        most = int(record.rate * LATE_SECONDS) * _SAMPLE_BYTES
        try:
            with record.listen() as recording:
                async for frame in recording:
                    now = trio.current_time()
                    if frame.viewer is not speaker and now - last < PAUSE_SECONDS:
                        continue
                    speaker, last = frame.viewer, now
                    self._heard += frame.samples
                    del self._heard[:-most]
        finally:
            self._heard.clear()
