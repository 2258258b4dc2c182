"""Sound servers of a test's own, with no sound card: what is played and recorded there can be measured."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import trio

from .processes import open_child

SAMPLES = ("--raw", "--format=s16le", "--rate=48000", "--channels=2", "--latency-msec=20")
CONFIGURATION = """\
load-module module-null-sink sink_name=speakers rate=48000 format=s16le channels=2
load-module module-null-sink sink_name=air rate=48000 format=s16le channels=2
load-module module-remap-source source_name=microphone master=air.monitor
set-default-sink speakers
set-default-source microphone
load-module module-native-protocol-unix socket={socket} auth-anonymous=1
"""
NO_SINKS = """\
load-module module-native-protocol-unix socket={socket} auth-anonymous=1
"""
NO_CARDS = f"""\
load-module module-always-sink
{NO_SINKS}"""


@asynccontextmanager
async def open_pulse(folder: Path, configured: str = CONFIGURATION) -> AsyncIterator[dict[str, str]]:
    """Run a PulseAudio; gives what its clients need in their environment.

    What is played to `air` comes from its microphone.
    """
    socket, configuration = folder / "socket", folder / "configuration"
    await trio.Path(folder).mkdir()
    await trio.Path(configuration).write_text(configured.format(socket=socket))
    private = {"HOME": str(folder), "PULSE_RUNTIME_PATH": str(folder), "PULSE_STATE_PATH": str(folder)}
    command = ["pulseaudio", "-n", "-F", str(configuration), "--daemonize=no", "--use-pid-file=no"]
    command += ["--exit-idle-time=-1", "--realtime=no", "--high-priority=no"]
    async with open_child(command, env=os.environ | private, stderr=subprocess.DEVNULL):
        with trio.fail_after(10):
            while not socket.exists():  # noqa: ASYNC110 - another process makes it
                await trio.sleep(0.02)
        yield {"PULSE_SERVER": f"unix:{socket}"}


@asynccontextmanager
async def open_pipewire(folder: Path) -> AsyncIterator[dict[str, str]]:
    """Run a PipeWire that stands in for PulseAudio; gives what its clients need in their environment."""
    await trio.Path(folder).mkdir(mode=0o700)
    bus = f"unix:path={folder}/bus"
    environment = os.environ | {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "DBUS_SESSION_BUS_ADDRESS": bus}
    clients = {"PULSE_SERVER": f"unix:{folder}/pulse/native"}
    programs = {
        "bus": ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={bus}"],
        "pipewire-0": ["pipewire"],
        "pulse/native": ["pipewire-pulse"],
    }
    async with AsyncExitStack() as stack:
        with trio.fail_after(20):
            for made, program in programs.items():
                await stack.enter_async_context(open_child(program, env=environment, stderr=subprocess.DEVNULL))
                while not (folder / made).exists():  # noqa: ASYNC110 - another process makes it
                    await trio.sleep(0.02)
            await stack.enter_async_context(open_child(["wireplumber"], env=environment, stderr=subprocess.DEVNULL))
            while "auto_null" not in await ask(os.environ | clients, "info"):  # noqa: ASYNC110 - as above
                await trio.sleep(0.05)
        yield clients


async def ask(environment: Mapping[str, str], *question: str) -> str:
    """The answer of a sound server."""
    answer = await trio.run_process(["pactl", *question], env=dict(environment), capture_stdout=True)
    return answer.stdout.decode()


@asynccontextmanager
async def played(environment: Mapping[str, str], sound: bytes, *options: str) -> AsyncIterator[None]:
    """Play a sound, again and again, while the block runs."""
    pacat = open_child(["pacat", *SAMPLES, *options], env=dict(environment), stdin=subprocess.PIPE)
    async with pacat as process, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def play() -> None:
            assert process.stdin is not None
            with suppress(trio.BrokenResourceError):  # the sound server has gone
                while True:
                    await process.stdin.send_all(sound)

        yield
        nursery.cancel_scope.cancel()


async def recorded(environment: Mapping[str, str], *options: str, skip: float = 1.0, seconds: float = 1.0) -> bytes:
    """So many seconds of what can be recorded, after those that are skipped."""
    sound, skipped = b"", round(skip * 48000) * 4
    parec = open_child(["parec", *SAMPLES, *options], env=dict(environment), stdout=subprocess.PIPE)
    with trio.fail_after(15 + skip + seconds):
        async with parec as process:
            assert process.stdout is not None
            while len(sound) < skipped + round(seconds * 48000) * 4:
                sound += await process.stdout.receive_some(65536)
    return sound[skipped:]
