"""Viewers' keys and pointers, passed on to a virtual machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import trio

import spicetrio
from spicetrio.sources.qemu.bus import Bus
from spicetrio.sources.qemu.console import Console
from spicetrio.sources.qemu.keyboard import Keyboard
from spicetrio.sources.qemu.mouse import Mouse

RELEASE_SECONDS: Final = 1.0
"""How long QEMU may take to let go of what is held, when the source ends."""


class Input:
    """Passes on what viewers do.

    Args:
        bus: Where the consoles are.
        consoles: Where there is a keyboard and a mouse; what is typed goes to the first.
        inputs: What viewers do.
    """

    def __init__(self, bus: Bus, consoles: Sequence[Console], inputs: spicetrio.Inputs) -> None:
        self._bus = bus
        self._inputs = inputs
        self._keyboard = Keyboard(bus, consoles[0].path, inputs)
        self._mouse = Mouse(bus, consoles, inputs)

    async def run(self) -> None:
        """Pass on input until cancelled; then nothing stays pressed."""
        await self._keyboard.follow_lights()
        await self._mouse.follow_mode()
        try:
            async for event in self._inputs:
                await self._apply(event)
        finally:
            if not self._bus.gone:
                with trio.move_on_after(RELEASE_SECONDS, shield=True):
                    await self._keyboard.release_all()
                    await self._mouse.release_all()

    async def _apply(self, event: spicetrio.InputEvent) -> None:
        match event:
            case spicetrio.PointerPosition():
                await self._mouse.place(event)
            case spicetrio.KeyEvent():
                await self._keyboard.apply(event)
            case spicetrio.ButtonEvent():
                await self._mouse.press(event)
            case spicetrio.WheelEvent():
                await self._mouse.turn(event)
            case spicetrio.PointerMotion():
                await self._mouse.move(event)
