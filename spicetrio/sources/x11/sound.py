"""A desktop's sound, to the viewers' ears and from their microphones. Where it cannot be had, the rest goes on."""

from __future__ import annotations

import logging
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from fcntl import F_SETPIPE_SZ, fcntl
from pathlib import Path
from typing import Final

import trio
from trio_util import AsyncValue, move_on_when

import spicetrio
from spicetrio.sources.errors import SourceError, first_of
from spicetrio.sources.processes import open_group
from spicetrio.sources.x11.pulse import RATE, SoundServer, closed_environment, open_own, open_running

LATE_SECONDS: Final = 0.1
"""How long a viewer's sound may wait here, more or less."""
PAUSE_SECONDS: Final = 1.0
"""After so long without a word from a viewer, the program that speaks for it ends."""
MOST_VOICES: Final = 32
"""Viewers that are spoken for at a time. A PulseAudio takes 64 programs, and those of the desktop are among them."""
_FRAMES_WAITING: Final = 25
_PIPE_SIZE: Final = 4096
_READ_SIZE: Final = 65536
_log = logging.getLogger(__name__)


@asynccontextmanager
async def open_sound(
    server: spicetrio.Server, *, own: bool, playback: bool, record: bool
) -> AsyncIterator[Mapping[str, str]]:
    """Carry sound between a sound server and the viewers while the block runs.

    What is missing, or goes wrong later, is logged; then there is no sound, and the block runs on.

    Args:
        server: Whose viewers hear and speak.
        own: Run a sound server for the desktop alone. Else the one that runs is used.
        playback: Viewers hear the desktop.
        record: The desktop hears the viewers' microphones.

    Yields:
        What is to be added to the environment of the desktop's programs: with a desktop of its own, they reach its
        sound server or none.
    """
    async with AsyncExitStack() as stack:
        environment: Mapping[str, str] = {}
        opening = open_running()
        if own:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spicetrio-x11-")))
            environment = closed_environment(folder)
            opening = open_own(folder)
        if playback or record:
            try:
                sound = await stack.enter_async_context(opening)
            except SourceError as error:
                _log.warning("there is no sound: %s", error)
            else:
                await stack.enter_async_context(_carried(server, sound, playback, record))
        yield environment


@asynccontextmanager
async def _carried(server: spicetrio.Server, sound: SoundServer, playback: bool, record: bool) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        if playback:
            heard = await stack.enter_async_context(server.open_playback(rate=RATE))
            nursery.start_soon(_run, "the desktop is not heard any more", Speaker(sound, heard).run)
        if record:
            said = await stack.enter_async_context(server.open_record(rate=RATE))
            nursery.start_soon(_run, "viewers are not heard any more", Microphone(sound, said).run)
        stack.callback(nursery.cancel_scope.cancel)  # before the channels are closed
        yield


async def _run(consequence: str, part: Callable[[], Awaitable[None]]) -> None:
    """Run one direction, and say so if it ends, which is nobody else's trouble."""
    try:
        await part()
    except* SourceError as group:
        _log.warning("%s: %s", consequence, first_of(group))


class Speaker:
    """Plays to the viewers what the desktop plays, while one of them listens."""

    def __init__(self, sound: SoundServer, playback: spicetrio.Playback) -> None:
        self._sound = sound
        self._playback = playback

    async def run(self) -> None:
        """Play until cancelled.

        Raises:
            SourceError: The sound server has gone.
        """
        listeners = self._playback.listeners
        while True:
            await listeners.wait_value(lambda count: count > 0)
            async with move_on_when(listeners.wait_value, 0):
                await self._play()

    async def _play(self) -> None:
        async with open_group(
            await self._sound.recorder(),
            env=self._sound.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            async with process.stdout as stream:
                while data := await stream.receive_some(_READ_SIZE):
                    # More is there only if we were late, or the sound card is faster than our clock: that is dropped.
                    with trio.move_on_after(LATE_SECONDS):
                        await self._playback.write(data)
        raise SourceError("the sound server has gone")


class Microphone:
    """Speaks into the desktop's microphone what viewers say, while one of the desktop's programs records it."""

    def __init__(self, sound: SoundServer, record: spicetrio.Record) -> None:
        self._sound = sound
        self._record = record
        self._recorded: AsyncValue[bool] = AsyncValue(False)
        self._voices: dict[spicetrio.Client, trio.MemorySendChannel[bytes]] = {}

    async def run(self) -> None:
        """Listen and speak until cancelled.

        Raises:
            SourceError: The sound server has gone.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            while True:
                await self._recorded.wait_value(True)
                async with move_on_when(self._recorded.wait_value, False), trio.open_nursery() as listening:
                    await self._listen(listening)

    async def _watch(self) -> None:
        """Follow whether the microphone is recorded."""
        async with open_group(
            ["pactl", "subscribe"],
            env={**self._sound.environment, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            async with process.stdout as events:
                self._recorded.value = await self._sound.is_recorded()
                async for data in events:
                    if b"source-output" in data:
                        self._recorded.value = await self._sound.is_recorded()
        raise SourceError("the sound server has gone")

    async def _listen(self, nursery: trio.Nursery) -> None:
        """Give viewers that speak a program each, whose sound the sound server mixes; those that are too many wait."""
        with self._record.listen() as recording:
            async for frame in recording:
                if frame.viewer not in self._voices:
                    if len(self._voices) >= MOST_VOICES:
                        continue
                    self._voices[frame.viewer], samples = trio.open_memory_channel[bytes](_FRAMES_WAITING)
                    nursery.start_soon(self._speak, frame.viewer, samples)
                try:
                    self._voices[frame.viewer].send_nowait(frame.samples)
                except trio.WouldBlock:  # the viewer's clock is faster than ours, or we were late
                    continue

    async def _speak(self, viewer: spicetrio.Client, samples: trio.MemoryReceiveChannel[bytes]) -> None:
        try:
            async with open_group(
                self._sound.speaker(),
                env=self._sound.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                assert isinstance(process.stdin, trio.lowlevel.FdStream)
                fcntl(process.stdin.fileno(), F_SETPIPE_SZ, _PIPE_SIZE)  # what waits in a pipe is late
                async with process.stdin as stream:
                    while True:
                        with trio.move_on_after(PAUSE_SECONDS) as silence:
                            said = await samples.receive()
                        if silence.cancelled_caught:
                            return
                        await stream.send_all(said)
        except trio.BrokenResourceError as error:
            raise SourceError("the sound server has gone") from error
        finally:
            del self._voices[viewer]
