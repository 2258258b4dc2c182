"""The strip with sound, with a viewer that plays, hears and speaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import pytest
import trio
from PIL import Image

import spicetrio
from spicetrio.sources.demo import serve_demo
from spicetrio.sources.demo.layout import Layout
from spicetrio.sources.demo.notes import FREQUENCIES
from spicetrio.sources.demo.sound import MICROPHONE_KEY, NOTE_KEYS, peak
from spicetrio.wire import inputs, playback, record
from spicetrio.wire.enums import ChannelType
from spicetrio.wire.link import Capabilities
from tests.channels.stage import Stage, open_stage, receive, until
from tests.peer import PeerChannel, Viewer
from tests.tone import measure, sine

SIZE = (640, 480)


@dataclass
class Strip:
    stage: Stage
    viewer: Viewer
    keyboard: PeerChannel

    async def tap(self, code: int) -> None:
        await self.keyboard.send(inputs.KeyDown(code), inputs.KeyUp(code | 0x80))

    async def picture(self) -> Image.Image:
        """What is shown of the strip."""
        display = self.stage.server._channels[ChannelType.DISPLAY, 0]
        pixels = await display.read()  # type: ignore[attr-defined]
        box = Layout.of(*SIZE).sound
        image = Image.frombytes("RGB", SIZE, pixels, "raw", "BGRX")
        return image.crop((box.x, box.y, box.right, box.bottom))

    async def changed_from(self, picture: Image.Image) -> Image.Image:
        """Wait until the strip looks otherwise."""
        while (now := await self.picture()).tobytes() == picture.tobytes():  # noqa: ASYNC110 - nothing tells
            await trio.sleep(0.01)
        return now

    async def same_as(self, picture: Image.Image) -> None:
        while (await self.picture()).tobytes() != picture.tobytes():  # noqa: ASYNC110 - nothing tells
            await trio.sleep(0.01)


@asynccontextmanager
async def open_strip(**options: bool) -> AsyncIterator[Strip]:
    async with open_stage() as stage:
        await stage.nursery.start(partial(serve_demo, stage.server, size=SIZE, **options))
        async with stage.viewer() as viewer:
            keyboard = await viewer.open(ChannelType.INPUTS)
            async with keyboard.stream:
                yield Strip(stage, viewer, keyboard)
        stage.nursery.cancel_scope.cancel()


async def test_a_key_plays_a_note_and_lights_up() -> None:
    async with open_strip() as strip:
        ear = await strip.viewer.open(ChannelType.PLAYBACK, capabilities=Capabilities())
        async with ear.stream:
            await receive(ear, playback.Mode)
            dark = await strip.picture()
            for code, note in list(NOTE_KEYS.items())[:2]:
                await strip.tap(code)
                await strip.changed_from(dark)
                sound = b""
                while len(sound) < 48000 * 4 // 2:
                    sound += bytes((await receive(ear, playback.Data)).data)
                assert measure(sound).left == pytest.approx(FREQUENCIES[note], abs=10)
                await strip.same_as(dark)


async def test_the_level_of_the_microphone_is_shown_while_it_is_on() -> None:
    async with open_strip() as strip:
        mouth = await strip.viewer.open(ChannelType.RECORD)
        async with mouth.stream:
            off = await strip.picture()
            await strip.tap(MICROPHONE_KEY)
            await receive(mouth, record.Start)
            silent = await strip.changed_from(off)
            loud = sine(440, 0.01, level=0.9)
            await mouth.send(record.Data(0, loud))
            await strip.changed_from(silent)
            await strip.same_as(silent)
            await strip.tap(MICROPHONE_KEY)
            await receive(mouth, record.Stop)
            await strip.same_as(off)


async def test_what_is_switched_off_is_not_there() -> None:
    async with open_strip(playback=False, record=False) as strip:
        kinds = {kind for kind, _ in strip.stage.server.channels}
        assert kinds.isdisjoint({ChannelType.PLAYBACK, ChannelType.RECORD})
        before = await strip.picture()
        await strip.tap(MICROPHONE_KEY)
        for code in NOTE_KEYS:
            await strip.tap(code)
        events = strip.stage.server._channels[ChannelType.INPUTS, 0]
        await until(lambda: not events._events)  # type: ignore[attr-defined]
        await trio.sleep(0.1)
        assert (await strip.picture()).tobytes() == before.tobytes()


async def test_keys_and_meter_answer_to_clicks() -> None:
    async with open_strip() as strip:
        ear = await strip.viewer.open(ChannelType.PLAYBACK, capabilities=Capabilities())
        mouth = await strip.viewer.open(ChannelType.RECORD)
        async with ear.stream, mouth.stream:
            await receive(ear, playback.Mode)
            box = Layout.of(*SIZE).sound
            for x in (box.x + 80, box.right - 30):
                viewer = strip.stage.server.clients.value[0]
                events = strip.stage.server._channels[ChannelType.INPUTS, 0]
                for event in (
                    spicetrio.PointerPosition(x, box.y + 20, 0, viewer),
                    spicetrio.ButtonEvent(1, True, viewer),
                    spicetrio.ButtonEvent(1, False, viewer),
                ):
                    events.put(event)  # type: ignore[attr-defined]
            await receive(ear, playback.Data)
            await receive(mouth, record.Start)


@pytest.mark.parametrize(
    ("samples", "level"),
    [
        (b"", 0),
        (bytes(40), 0),
        (b"\x00\x80\x00\x00", 1),
        (b"\x00\x00\x00\x40", 0.5),
        (b"\xff\x7f\x01\x80", 32767 / 32768),
    ],
)
def test_the_peak_of_samples(samples: bytes, level: float) -> None:
    assert peak(samples) == level
