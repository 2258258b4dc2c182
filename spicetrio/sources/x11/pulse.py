"""A desktop's sound server, PulseAudio or PipeWire in its place: one of our own, or the one that runs.

It is spoken to by the programs that everybody has for it (Debian: pulseaudio-utils), which work with both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from spicetrio.sources.errors import SourceError
from spicetrio.sources.processes import open_group

RATE: Final = 48000
"""Samples in a second."""
START_SECONDS: Final = 10.0
"""How long a sound server may take to be ready."""
ANSWER_SECONDS: Final = 5.0
"""How long it may take to do something."""
LATENCY: Final = 20
"""Milliseconds of sound that are handed over at a time."""

_PROGRAMS: Final = ("pactl", "parec", "pacat")
_SAMPLES: Final = ("--raw", "--format=s16le", f"--rate={RATE}", "--channels=2", f"--latency-msec={LATENCY}")
_SINK: Final = f"rate={RATE} format=s16le channels=2".split()
_DEFAULT_SINK: Final = "Default Sink: "
_STAND_IN: Final = "auto_null"
"""What a sound server calls the sink that it has for want of another. It may have none at all."""
_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True)
class SoundServer:
    """A sound server, with a microphone that the viewers speak into."""

    environment: Mapping[str, str]
    """What its clients run in."""
    voices: str
    """The sink whose sound comes out of the microphone."""
    microphone: str
    """The source that the desktop's programs record."""

    async def is_recorded(self) -> bool:
        """Tell whether one of the desktop's programs listens to the microphone.

        Raises:
            SourceError: The sound server is not there.
        """
        sources = await _list(self.environment, "sources")
        index = next((number for number, name, *_ in sources if name == self.microphone), None)
        outputs = await _list(self.environment, "source-outputs")
        return any(source == index for _, source, *_ in outputs)

    async def recorder(self) -> list[str]:
        """Return the program that writes what the desktop plays to its standard output.

        Raises:
            SourceError: The sound server is not there.
        """
        # By name: for PipeWire @DEFAULT_MONITOR@ is the default source, a microphone.
        monitor = f"{await _default_sink(self.environment)}.monitor"
        return ["parec", *_SAMPLES, f"--device={monitor}", "--client-name=spicetrio"]

    def speaker(self) -> list[str]:
        """Return the program that speaks what it reads from standard input into the microphone."""
        return ["pacat", *_SAMPLES, f"--device={self.voices}", "--client-name=spicetrio"]


def closed_environment(folder: Path) -> dict[str, str]:
    """Return what keeps a desktop's programs from the sound server of this machine's user: theirs would be here."""
    return {"PULSE_SERVER": f"unix:{folder / 'pulse'}", "PIPEWIRE_REMOTE": str(folder / "pipewire")}


@asynccontextmanager
async def open_own(folder: Path) -> AsyncIterator[SoundServer]:
    """Run a PulseAudio without sound cards while the block runs. Who can enter the folder can use it.

    Raises:
        SourceError: It is not installed, or does not start.
    """
    _need("pulseaudio", *_PROGRAMS)
    address = folder / "pulse"
    environment = {**os.environ, **closed_environment(folder)}
    # It reads no settings of the user's, and leaves nothing in their home.
    private = {"HOME": str(folder), "PULSE_RUNTIME_PATH": str(folder), "PULSE_STATE_PATH": str(folder)}
    command = ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]
    command += ["--realtime=no", "--high-priority=no"]
    command.append(f"--load=module-native-protocol-unix socket={address} auth-anonymous=1")
    nowhere = subprocess.DEVNULL
    async with open_group(
        command, env={**environment, **private}, stdin=nowhere, stdout=nowhere, stderr=nowhere
    ) as process:
        await _wait_ready(process, address)
        await _load_speakers(environment, "")
        await _load_microphone(environment, "")
        await _ask(environment, "set-default-source", "microphone")
        yield SoundServer(environment, "voices", "microphone")


@asynccontextmanager
async def open_running() -> AsyncIterator[SoundServer]:
    """Use the sound server that runs, as `pactl` finds it. It has another microphone while the block runs.

    Where there is no sound card, it has speakers as well: its own stand-in gives way to the first sink that comes, and
    that would be the one that viewers speak to.

    Raises:
        SourceError: There is none.
    """
    _need(*_PROGRAMS)
    prefix = f"spicetrio-{os.getpid()}-"
    try:
        if not await _has_speakers(os.environ):
            await _load_speakers(os.environ, prefix)
        await _load_microphone(os.environ, prefix)
        yield SoundServer(os.environ, f"{prefix}voices", f"{prefix}microphone")
    finally:
        with trio.CancelScope(shield=True):  # bounded by ANSWER_SECONDS
            await _unload(prefix)


async def _load_speakers(environment: Mapping[str, str], prefix: str) -> None:
    """Make a sink that desktops play to, whose monitor is what viewers hear."""
    await _load(environment, "module-null-sink", f"sink_name={prefix}viewers", *_SINK, _described("sink", "Viewers"))
    await _ask(environment, "set-default-sink", f"{prefix}viewers")


async def _load_microphone(environment: Mapping[str, str], prefix: str) -> None:
    """Make a sink, and a source that has its sound: programs do not offer monitors of sinks as microphones."""
    await _load(environment, "module-null-sink", f"sink_name={prefix}voices", *_SINK, _described("sink", "Voices"))
    await _load(
        environment,
        "module-remap-source",
        f"source_name={prefix}microphone",
        f"master={prefix}voices.monitor",
        _described("source", "Microphone"),
    )


def _described(kind: str, description: str) -> str:
    return f"{kind}_properties=device.description={description}"


async def _has_speakers(environment: Mapping[str, str]) -> bool:
    return any(name != _STAND_IN for _, name, *_ in await _list(environment, "sinks"))


async def _default_sink(environment: Mapping[str, str]) -> str:
    lines = (await _ask(environment, "info")).splitlines()
    names = [line.removeprefix(_DEFAULT_SINK) for line in lines if line.startswith(_DEFAULT_SINK)]
    if not names:
        raise SourceError("the sound server has nothing to play to")
    return names[0]


async def _list(environment: Mapping[str, str], things: str) -> list[list[str]]:
    """Return what there is of a kind: of each its number, its name, and more."""
    return [line.split("\t") for line in (await _ask(environment, "list", "short", things)).splitlines()]


async def _load(environment: Mapping[str, str], *module: str) -> None:
    await _ask(environment, "load-module", *module)


async def _unload(prefix: str) -> None:
    """Unload the modules with names of ours, the last one first: who loads one may not live to hear its number."""
    try:
        modules = (await _ask(os.environ, "list", "short", "modules")).splitlines()
        for module in reversed(modules):
            if f"_name={prefix}" in module:
                await _ask(os.environ, "unload-module", module.partition("\t")[0])
    except SourceError:  # the sound server has gone, and they with it
        return


async def _ask(environment: Mapping[str, str], *question: str) -> str:
    with trio.move_on_after(ANSWER_SECONDS):
        # Words in the user's language could not be read.
        done = await trio.run_process(
            ["pactl", *question],
            env={**environment, "LC_ALL": "C"},
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        if done.returncode:
            reason = done.stderr.decode(errors="replace").strip().splitlines() or ["it gives no reason"]
            raise SourceError(f"the sound server does not do {question[0]}: {reason[-1]}")
        return done.stdout.decode(errors="replace")
    raise SourceError(f"the sound server does not answer {question[0]}")


def _need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise SourceError(f"{', '.join(missing)} not found (Debian: apt-get install pulseaudio pulseaudio-utils)")


async def _wait_ready(process: trio.Process, address: Path) -> None:
    with trio.move_on_after(START_SECONDS):
        while process.poll() is None:
            try:
                stream = await trio.open_unix_socket(str(address))
            except OSError:  # it tells nobody when it is ready
                await trio.sleep(_POLL_SECONDS)
            else:
                await stream.aclose()
                return
        raise SourceError(f"pulseaudio does not start: exit status {process.returncode}")
    raise SourceError(f"pulseaudio was not ready after {START_SECONDS:.0f} s")
