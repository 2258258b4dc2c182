"""A desktop's sound with real sound servers: our own, and one that stands for the user's."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio

import spicetrio
from spicetrio.sources.errors import SourceError
from spicetrio.sources.x11 import pulse, sound
from spicetrio.sources.x11.sound import open_sound
from spicetrio.wire import playback, record
from spicetrio.wire.enums import AudioDataMode, ChannelType
from spicetrio.wire.link import Capabilities
from tests.channels.stage import open_stage, receive
from tests.clients.processes import need
from tests.clients.pulse import NO_CARDS, NO_SINKS, ask, open_pipewire, open_pulse, played, recorded
from tests.peer import PeerChannel
from tests.tone import measure, sine

TONE = sine(440, 1.0)


@pytest.fixture(autouse=True)
def sound_server() -> None:
    need("pulseaudio", "pulseaudio")
    need("pactl", "pulseaudio-utils")


SOUND_SERVERS: dict[str, Callable[[Path], AbstractAsyncContextManager[dict[str, str]]]] = {
    "pulseaudio": open_pulse,
    "pulseaudio without a sound card": partial(open_pulse, configured=NO_CARDS),
    "pipewire-pulse": open_pipewire,
}


@pytest.fixture(params=SOUND_SERVERS)
async def user(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[dict[str, str]]:
    """The environment with the sound server of this machine's user."""
    if request.param == "pipewire-pulse":
        need("pipewire-pulse", "pipewire-pulse")
        need("wireplumber", "wireplumber")
    async with SOUND_SERVERS[request.param](tmp_path / "pulse") as changes:
        monkeypatch.setenv("PULSE_SERVER", changes["PULSE_SERVER"])
        yield os.environ | changes


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - another process makes it so
            await trio.sleep(0.02)


async def listen(channel: PeerChannel, seconds: float = 1.0) -> bytes:
    """What a viewer hears that decodes nothing."""
    heard = b""
    with trio.fail_after(10):
        while len(heard) < seconds * 48000 * 4:
            heard += bytes((await receive(channel, playback.Data)).data)
    return heard


async def speak(channel: PeerChannel) -> None:
    """Say a tone in time, until cancelled."""
    await channel.send(record.Mode(0, AudioDataMode.RAW), record.StartMark(0))
    began = trio.current_time()
    while True:
        for start in range(0, len(TONE), 1920):
            await channel.send(record.Data(0, TONE[start : start + 1920]))
            began += 0.01
            await trio.sleep_until(began)


def programs(name: str) -> list[int]:
    """Those that this process has started."""
    listed = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "pid=,comm="], capture_output=True, text=True, check=False
    )
    lines = (line.split() for line in listed.stdout.splitlines())
    return [int(pid) for pid, command, *_ in lines if command == name]


@asynccontextmanager
async def desktop(
    *, own: bool = True
) -> AsyncIterator[tuple[spicetrio.Server, PeerChannel, PeerChannel, dict[str, str]]]:
    """A server that carries sound, one viewer's two channels, and what the desktop's programs run in."""
    async with (
        open_stage() as stage,
        open_sound(stage.server, own=own, playback=True, record=True) as changes,
        stage.viewer() as viewer,
    ):
        ear = await viewer.open(ChannelType.PLAYBACK, capabilities=Capabilities())
        mouth = await viewer.open(ChannelType.RECORD)
        async with ear.stream, mouth.stream:
            yield stage.server, ear, mouth, os.environ | changes


async def test_a_desktop_has_a_sound_server_of_its_own_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    async with desktop() as (_, ear, _, environment):
        address = Path(environment["PULSE_SERVER"].removeprefix("unix:"))
        assert address.parent.stat().st_mode & 0o77 == 0
        assert "Default Sink: viewers" in (await ask(environment | {"LC_ALL": "C"}, "info"))
        async with played(environment, TONE):
            await listen(ear, 0.3)
            assert measure(await listen(ear)).resembles(440)
    assert not address.parent.exists()
    assert not [name for name in ("pulseaudio", "parec", "pacat", "pactl") if programs(name)]


async def test_what_viewers_say_comes_from_the_microphone_mixed() -> None:
    async with (
        open_stage() as stage,
        open_sound(stage.server, own=True, playback=False, record=True) as changes,
        stage.viewer() as one,
        stage.viewer() as two,
        trio.open_nursery() as nursery,
    ):
        assert (ChannelType.PLAYBACK, 0) not in stage.server.channels
        for viewer in (one, two):
            mouth = await viewer.open(ChannelType.RECORD)
            nursery.start_soon(_speak_when_asked, mouth)
        tone = measure(await recorded(os.environ | changes))
        assert (round(tone.left, -1), round(tone.right, -1)) == (440, 880)
        assert tone.level > 0.1
        assert len(programs("pacat")) == 2
        nursery.cancel_scope.cancel()


async def test_of_viewers_that_speak_only_so_many_are_heard_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "MOST_VOICES", 1)
    monkeypatch.setattr(sound, "PAUSE_SECONDS", 0.1)
    async with (
        open_stage() as stage,
        open_sound(stage.server, own=True, playback=False, record=True) as changes,
        stage.viewer() as one,
        stage.viewer() as two,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(partial(recorded, os.environ | changes, skip=0, seconds=20))
        async with trio.open_nursery() as speaking:
            speaking.start_soon(_speak_when_asked, await one.open(ChannelType.RECORD))
            await until(lambda: len(programs("pacat")) == 1)
            (first,) = programs("pacat")
            nursery.start_soon(_speak_when_asked, await two.open(ChannelType.RECORD))
            await trio.sleep(0.2)
            assert programs("pacat") == [first]
            speaking.cancel_scope.cancel()
        await until(lambda: programs("pacat") not in ([], [first]))
        assert len(programs("pacat")) == 1
        nursery.cancel_scope.cancel()


async def _speak_when_asked(mouth: PeerChannel) -> None:
    async with mouth.stream:
        await receive(mouth, record.Start)
        await speak(mouth)


async def test_microphones_are_on_only_while_the_desktop_records() -> None:
    async with desktop() as (_, _, mouth, environment):
        for _ in range(2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(recorded, environment, skip=0, seconds=0.2))
                with trio.fail_after(10):
                    await receive(mouth, record.Start)
            with trio.fail_after(10):
                await receive(mouth, record.Stop)


async def test_the_desktop_is_recorded_only_while_somebody_listens() -> None:
    async with (
        open_stage() as stage,
        open_sound(stage.server, own=True, playback=True, record=False),
        stage.viewer() as viewer,
    ):
        assert not programs("parec")
        ear = await viewer.open(ChannelType.PLAYBACK)
        await until(lambda: len(programs("parec")) == 1)
        await ear.stream.aclose()
        await until(lambda: not programs("parec"))


async def test_the_users_sound_server_has_another_microphone_meanwhile(user: dict[str, str]) -> None:
    before = await ask(user, "list", "short")
    async with desktop(own=False) as (_, ear, mouth, environment), trio.open_nursery() as nursery:
        assert environment["PULSE_SERVER"] == user["PULSE_SERVER"]
        async with played(user, TONE):
            await listen(ear, 0.3)
            assert measure(await listen(ear)).resembles(440)
        nursery.start_soon(_speak_when_asked, mouth)
        microphone = f"--device=spicetrio-{os.getpid()}-microphone"
        assert measure(await recorded(user, microphone)).resembles(440)
        nursery.cancel_scope.cancel()
    after = await ask(user, "list", "short")
    assert [line for line in after.splitlines() if "spicetrio" in line] == []
    assert len(after.splitlines()) <= len(before.splitlines())


@pytest.mark.parametrize("configured", [NO_CARDS, NO_SINKS], ids=["stand-in", "none"])
async def test_a_sound_server_without_outputs_does_not_play_to_what_viewers_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: str
) -> None:
    async with open_pulse(tmp_path / "pulse", configured) as changes:
        monkeypatch.setenv("PULSE_SERVER", changes["PULSE_SERVER"])
        async with pulse.open_running() as server:
            assert f"--device=spicetrio-{os.getpid()}-viewers.monitor" in await server.recorder()


@pytest.mark.parametrize("fault", [None, SourceError("no")], ids=["cancelled", "refused"])
async def test_of_what_was_begun_at_the_users_sound_server_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: SourceError | None
) -> None:
    ask_server, asked, last = pulse._ask, 0, 0

    async def ask_and_fail(environment: Mapping[str, str], *question: str) -> str:
        nonlocal asked
        answer = await ask_server(environment, *question)
        asked += 1
        if asked == last:
            if fault is not None:
                raise fault
            scope.cancel()
            await trio.lowlevel.checkpoint()
        return answer

    async with open_pulse(tmp_path / "pulse", NO_CARDS) as changes:
        monkeypatch.setenv("PULSE_SERVER", changes["PULSE_SERVER"])
        monkeypatch.setattr(pulse, "_ask", ask_and_fail)
        for last in range(1, 6):  # noqa: B007 - the outputs, the speakers, their choice, voices, the microphone
            asked = 0
            with trio.CancelScope() as scope, suppress(SourceError):
                async with pulse.open_running():
                    pytest.fail("it has opened all the same")
            assert "spicetrio" not in await ask(os.environ, "list", "short", "modules")


@pytest.mark.parametrize("own", [True, False])
async def test_without_sound_programs_it_says_what_to_install_and_the_rest_goes_on(
    own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with open_stage() as stage, open_sound(stage.server, own=own, playback=True, record=True) as changes:
        assert len(stage.server.channels) == 1
        assert ("PULSE_SERVER" in changes) is own
    (line,) = [one.getMessage() for one in caplog.records if "x11" in one.name]
    assert line.startswith("there is no sound: ")
    assert "apt-get install pulseaudio pulseaudio-utils" in line


async def test_a_sound_server_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pulseaudio = tmp_path / "pulseaudio"
    pulseaudio.write_text("#!/bin/sh\nexit 7\n")
    pulseaudio.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    async with open_stage() as stage, open_sound(stage.server, own=True, playback=True, record=True):
        assert len(stage.server.channels) == 1
    assert "there is no sound: pulseaudio does not start: exit status 7" in caplog.text


async def test_a_user_without_a_sound_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path / 'nobody'}")
    async with open_stage() as stage, open_sound(stage.server, own=False, playback=True, record=True):
        assert len(stage.server.channels) == 1
    assert "there is no sound: the sound server does not do list: " in caplog.text


async def test_when_the_sound_server_dies_it_is_said_and_the_rest_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async with desktop() as (server, ear, _, environment):
        async with played(environment, TONE):
            await listen(ear, 0.3)
            (pulseaudio,) = programs("pulseaudio")
            os.kill(pulseaudio, signal.SIGKILL)
            await until(lambda: len(_warnings(caplog)) == 2)
        assert len(server.clients.value) == 1
        assert (ChannelType.PLAYBACK, 0) in server.channels
    assert sorted(_warnings(caplog)) == [
        "the desktop is not heard any more: the sound server has gone",
        "viewers are not heard any more: the sound server has gone",
    ]


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if "x11" in one.name and one.levelno >= logging.WARNING]


async def test_a_desktop_without_sound_does_not_find_the_users(user: dict[str, str]) -> None:
    async with open_stage() as stage, open_sound(stage.server, own=True, playback=False, record=False) as changes:
        assert len(stage.server.channels) == 1
        answer = await trio.run_process(["pactl", "info"], env={**user, **changes}, check=False, capture_stderr=True)
        assert answer.returncode != 0
