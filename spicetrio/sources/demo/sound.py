"""The strip with things to hear: keys that sound, and how loud microphones are."""

from __future__ import annotations

import sys
from array import array
from functools import partial
from typing import TYPE_CHECKING, Final

import trio
from PIL import Image
from trio_util import AsyncBool

from spicetrio.sources.demo import cursors, theme
from spicetrio.sources.demo.layout import Box
from spicetrio.sources.demo.notes import FREQUENCIES, Notes
from spicetrio.sources.demo.panel import PADDING, Panel

if TYPE_CHECKING:
    from spicetrio import Display, Playback, Record
    from spicetrio.sources.demo.cursors import Shape
    from spicetrio.sources.demo.guests import Guest
    from spicetrio.sources.demo.journal import Journal

NOTE_KEYS: Final = {code: note for note, code in enumerate((0x3F, 0x40, 0x41, 0x42, 0x43, 0x44, 0x57, 0x58))}
"""F5 to F12 are a scale."""
MICROPHONE_KEY: Final = 0x3E
"""F4."""
SEGMENTS: Final = 16
FADE: Final = 2
"""Segments that the level may sink between two pictures."""
INTERVAL: Final = 1 / 20
_KEY: Final = 23
_TITLE: Final = 62
_SAMPLE_MAX: Final = 32768


class SoundPanel(Panel):
    """Keys to strike, and the level of whoever speaks. Microphones are off until somebody turns them on.

    Args:
        display: Where it is drawn.
        box: Its place.
        playback: Where notes are heard; None for nowhere.
        record: Whose microphones there are; None for nobody's.
        journal: Told when microphones are turned on and off.
    """

    title = "Sound"

    def __init__(
        self, display: Display, box: Box, playback: Playback | None, record: Record | None, journal: Journal
    ) -> None:
        super().__init__(display, box)
        self._playback = playback
        self._record = record
        self._journal = journal
        self._notes = Notes()
        self._struck = trio.Event()
        self._listening: AsyncBool = AsyncBool(False)
        self._level = 0
        x, y, height = box.x + PADDING + _TITLE, box.y + 8, box.height - 16
        self._keys = [Box(x + note * _KEY, y, _KEY, height) for note in range(len(FREQUENCIES))]
        left = self._keys[-1].right + PADDING
        self._meter = Box(left, y, box.right - PADDING - left, height)

    # Input

    def key(self, guest: Guest, code: int, down: bool) -> None:
        """Take in that a key went down or came up."""
        if down and code in NOTE_KEYS and code not in guest.keys:
            self._strike(NOTE_KEYS[code])
        elif down and code == MICROPHONE_KEY and code not in guest.keys:
            self._turn(guest)

    def shape(self, guest: Guest) -> Shape:
        """Return a hand over what can be pressed."""
        places = (*self._keys, self._meter)
        return cursors.hand() if any(place.holds(guest.x, guest.y) for place in places) else cursors.arrow()

    def press(self, guest: Guest, button: int) -> None:
        """Strike a key, or turn microphones on or off."""
        for note, place in enumerate(self._keys):
            if place.holds(guest.x, guest.y):
                self._strike(note)
        if self._meter.holds(guest.x, guest.y):
            self._turn(guest)

    def _strike(self, note: int) -> None:
        if self._playback is not None:
            self._notes.strike(note)
            self._struck.set()
            self.wake()

    def _turn(self, guest: Guest) -> None:
        if self._record is not None:
            self._listening.value = not self._listening.value
            self._journal.add(f"microphones {'on' if self._listening.value else 'off'}", guest.color)
            self.wake()

    # Sound

    async def run(self) -> None:
        """Draw what has changed, play what is struck, and listen."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(super().run)
            if self._playback is not None:
                nursery.start_soon(self._play, self._playback)
            if self._record is not None:
                nursery.start_soon(self._listen, self._record)

    async def _play(self, playback: Playback) -> None:
        while True:
            await self._struck.wait()
            self._struck = trio.Event()
            while self._notes:
                sounding = self._notes.sounding
                await playback.write(self._notes.mix())
                if sounding != self._notes.sounding:
                    self.wake()

    async def _listen(self, record: Record) -> None:
        while True:
            await self._listening.wait_value(True)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._measure, record)
                nursery.start_soon(self._fade)
                await self._listening.wait_value(False)
                nursery.cancel_scope.cancel()
            self._level = 0
            self.wake()

    async def _measure(self, record: Record) -> None:
        with record.listen() as recording:
            async for frame in recording:
                level = round(peak(frame.samples) * SEGMENTS)
                if level > self._level:
                    self._level = level
                    self.wake()

    async def _fade(self) -> None:
        while True:
            await trio.sleep(INTERVAL)
            if self._level:
                self._level = max(self._level - FADE, 0)
                self.wake()

    # Output

    def frame(self) -> Image.Image:
        """Return the empty strip."""
        box = Box(0, 0, self.box.width, self.box.height)
        image = theme.plain(box.width, box.height, theme.GROUND)
        theme.round_box(image, box, theme.RADIUS, theme.PANEL, theme.EDGE)
        theme.write(image, PADDING, box.height / 2, self.title, 16, theme.TEXT)
        return image

    async def update(self) -> None:
        """Draw the keys and the level that have changed."""
        sounding = self._notes.sounding
        for note, place in enumerate(self._keys):
            look = self._playback is not None, note in sounding
            await self.draw_part(place, look, partial(_key, place, note, *look))
        state = self._record is not None, self._listening.value, self._level
        await self.draw_part(self._meter, state, partial(_meter, self._meter, *state))


def peak(samples: bytes) -> float:
    """Return how loud the loudest of some samples is, from 0 to 1."""
    values = array("h", samples)
    if sys.byteorder == "big":
        values.byteswap()
    return max(max(values), -min(values)) / _SAMPLE_MAX if values else 0.0


def _key(box: Box, note: int, heard: bool, sounds: bool) -> Image.Image:
    image = theme.plain(box.width, box.height, theme.PANEL)
    color = theme.AMBER if sounds else theme.mix(theme.PANEL, theme.PAPER, 0.85 if heard else 0.2)
    theme.round_box(image, Box(1, 0, box.width - 2, box.height), 4, color)
    theme.write(image, box.width / 2, box.height - 8, f"F{note + 5}", 10, theme.GROUND, "middle")
    return image


def _meter(box: Box, there: bool, on: bool, level: int) -> Image.Image:
    image = theme.plain(box.width, box.height, theme.PANEL)
    theme.round_box(image, Box(0, 0, box.width, box.height), 6, theme.WELL, theme.EDGE)
    if not on:
        text = "F4: microphone" if there else "no microphone"
        theme.write(
            image, box.width / 2, box.height / 2, theme.shorten(text, 12, box.width - 8), 12, theme.MUTED, "middle"
        )
        return image
    step = (box.width - 8) / SEGMENTS
    for segment in range(SEGMENTS):
        color = theme.GREEN if segment < 0.6 * SEGMENTS else theme.AMBER if segment < 0.85 * SEGMENTS else theme.ROSE
        shown = color if segment < level else theme.mix(theme.WELL, color, 0.18)
        left = round(4 + segment * step)
        image.paste(theme.rgb(shown), (left, 5, max(round(4 + (segment + 1) * step) - 1, left + 1), box.height - 5))
    return image
