"""The machine's sound: what it plays, to the viewers, and what they say, to what it records with."""

from __future__ import annotations

import logging
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from typing import Final

import trio
from trio_util import AsyncBool

import spicetrio
from spicetrio.sources.qemu.bus import Bus, BusError, Properties
from spicetrio.sources.qemu.messages import Call, ListenerConnection

AUDIO: Final = "org.qemu.Display1.Audio"
OUT: Final = "org.qemu.Display1.AudioOutListener"
IN: Final = "org.qemu.Display1.AudioInListener"
VM: Final = "org.qemu.Display1.VM"
MIN_RATE: Final = 8000
MAX_RATE: Final = 192_000
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


class Speaker:
    """Plays to the viewers what the machine plays.

    Args:
        server: Whose viewers.
        bus: Where the machine is.
    """

    def __init__(self, server: spicetrio.Server, bus: Bus) -> None:
        self._server = server
        self._bus = bus
        self._rate: int | None = None
        self._changed = trio.Event()
        self._waiting: deque[memoryview] = deque()
        self._bytes = 0

    async def run(self) -> None:
        """Play until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._play)
            await _listen(self._bus, "RegisterOutListener", self._take)

    async def _take(self, connection: ListenerConnection, call: Call) -> None:
        match call.member:
            case "Init":
                self._rate = _rate(call) or self._rate
                self._waiting.clear()
                self._bytes = 0
            case "Write" if self._rate is not None:
                self._waiting.append(call.data("Q"))
                self._bytes += len(self._waiting[-1])
                while self._bytes > self._rate * _SAMPLE_BYTES * LATE_SECONDS and len(self._waiting) > 1:
                    self._bytes -= len(self._waiting.popleft())
                self._changed.set()
        await connection.reply(call)

    async def _play(self) -> None:
        """Play what comes, at the rate at which it comes."""
        while True:
            await self._changed.wait()
            rate = self._rate
            assert rate is not None
            async with self._server.open_playback(rate=rate) as playback:
                while rate == self._rate:
                    if self._waiting:
                        samples = self._waiting.popleft()
                        self._bytes -= len(samples)
                        await playback.write(samples)
                    else:
                        self._changed = trio.Event()
                        await self._changed.wait()


class Microphone:
    """Has the machine record what the viewers say.

    Args:
        server: Whose viewers.
        bus: Where the machine is.
    """

    def __init__(self, server: spicetrio.Server, bus: Bus) -> None:
        self._server = server
        self._bus = bus
        self._rate: int | None = None
        self._enabled = AsyncBool(False)
        self._heard = bytearray()

    async def run(self) -> None:
        """Listen until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow)
            await _listen(self._bus, "RegisterInListener", self._take)

    async def _take(self, connection: ListenerConnection, call: Call) -> None:
        match call.member:
            case "Init":
                self._rate = _rate(call) or self._rate
            case "SetEnabled":
                _, enabled = call.numbers("QI")
                self._enabled.value = bool(enabled)
            case "Read":
                # The machine stands still until it is answered.
                _, size = call.numbers("QQ")
                data = bytes(self._heard[:size])
                del self._heard[:size]
                await connection.reply(call, "ay", data)
                return
        await connection.reply(call)

    async def _follow(self) -> None:
        """Have viewers record while the machine does."""
        await self._enabled.wait_value(True)
        async with self._server.open_record(rate=self._rate or 48000) as record:
            while True:
                await self._enabled.wait_value(True)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._hear, record)
                    await self._enabled.wait_value(False)
                    nursery.cancel_scope.cancel()
                self._heard.clear()

    async def _hear(self, record: spicetrio.Record) -> None:
        """Take in what one viewer says, and then another."""
        speaker, last = None, 0.0
        most = int(record.rate * LATE_SECONDS) * _SAMPLE_BYTES
        with record.listen() as recording:
            async for frame in recording:
                now = trio.current_time()
                if frame.viewer is not speaker and now - last < PAUSE_SECONDS:
                    continue
                speaker, last = frame.viewer, now
                self._heard += frame.samples
                del self._heard[:-most]
