"""Sound from a desktop to the loudspeakers of a viewer with a window, and from its microphone to the desktop."""

from __future__ import annotations

import os
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.tone import Tone, measure, sine

from .command import Command, open_command
from .processes import need
from .pulse import open_pulse, played, recorded
from .test_windows import PACKAGES, open_window

TONE = sine(440, 1.0)


@pytest.fixture(autouse=True)
def sound_server() -> None:
    need("pulseaudio", "pulseaudio")
    need("pactl", "pulseaudio-utils")


@asynccontextmanager
async def open_desktop(folder: Path, *options: str) -> AsyncIterator[tuple[Command, dict[str, str]]]:
    """`spicetrio x11 --start`, and the environment of the programs on it."""
    told = folder / "environment"
    script = f"env -0 > {told}.part; mv {told}.part {told}; exec sleep 600"
    start = ["--start", shlex.join(["sh", "-c", script])]
    async with open_command("x11", "--port", "0", "--disable-ticketing", *options, *start) as command:
        with trio.fail_after(10):
            while not told.exists():  # noqa: ASYNC110 - another process makes it
                await trio.sleep(0.02)
        lines = told.read_text().split("\0")
        yield command, dict(line.split("=", 1) for line in lines if line)


async def heard(environment: dict[str, str], *options: str) -> Tone:
    """What can be recorded, once the tone is there; a viewer takes some time to open its devices."""
    tone = measure(await recorded(environment, *options))
    for _ in range(5):
        if tone.resembles(440):
            break
        tone = measure(await recorded(environment, *options))
    return tone


@pytest.mark.parametrize(("client", "compression"), [("remote-viewer", "on"), ("spicy", "off")])
async def test_a_tone_goes_from_the_desktop_to_the_loudspeakers_and_from_the_microphone_to_the_desktop(
    client: str, screen: dict[str, str], tmp_path: Path, compression: str
) -> None:
    need(client, PACKAGES[client])
    async with (
        open_pulse(tmp_path / "pulse") as pulse,
        open_desktop(tmp_path, "--playback-compression", compression) as (command, desktop),
        open_window(client, command.address, screen | pulse, tmp_path),
    ):
        viewer = os.environ | pulse
        async with played(desktop, TONE):
            tone = await heard(viewer, "--device=speakers.monitor")
            assert tone.resembles(440), tone
        async with played(viewer, TONE, "--device=air"):
            tone = await heard(desktop)
            assert tone.resembles(440), tone
