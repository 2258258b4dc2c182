"""Viewers' keys and pointers, passed on to an X server."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import trio

import spicetrio
from spicetrio.sources.x11.connection import REQUESTS_UNANSWERED, ConnectionLost, XConnection
from spicetrio.sources.x11.keyboard import LOCK_KEYS, Keyboard, LockLights, warn_of_other_keycodes
from spicetrio.sources.x11.pointer import Pointer

RELEASE_SECONDS: Final = 1.0
"""How long the X server may take to let go of what is held, when the source ends."""


class Input:
    """Passes on what viewers do, and what of it they need to see."""

    def __init__(self, connection: XConnection, display: spicetrio.Display, inputs: spicetrio.Inputs) -> None:
        self._connection = connection
        self._inputs = inputs
        self._keyboard = Keyboard(connection)
        self._pointer = Pointer(connection, display)
        self._lights = LockLights(connection, inputs)

    async def run(self) -> None:
        """Pass on input until cancelled; then nothing stays pressed."""
        connection = self._connection
        # A program that grabs the X server, a menu say, does not stop this connection.
        connection.xtest.GrabControl(True)
        await self._pointer.count_buttons()
        await warn_of_other_keycodes(connection)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._lights.run)
            nursery.start_soon(self._pointer.follow)
            try:
                await self._pass_on()
            finally:
                with suppress(ConnectionLost), trio.move_on_after(RELEASE_SECONDS, shield=True):
                    self._keyboard.release_all()
                    self._pointer.release_all()
                    await connection.settle()
            nursery.cancel_scope.cancel()

    async def _pass_on(self) -> None:
        connection = self._connection
        unanswered = 0
        async for event in self._inputs:
            unanswered += self._apply(event)
            connection.flush()
            if unanswered >= REQUESTS_UNANSWERED:
                # An X server that is stopped is not given more than its socket holds.
                await connection.settle()
                unanswered = 0

    def _apply(self, event: spicetrio.InputEvent) -> int:
        match event:
            case spicetrio.PointerPosition():
                return self._pointer.place(event)
            case spicetrio.KeyEvent():
                requests = self._keyboard.apply(event)
                if event.code in LOCK_KEYS:
                    # The server took it for granted that the light changes, which not every keymap does.
                    self._lights.check()
                return requests
            case spicetrio.ButtonEvent():
                return self._pointer.press(event)
            case spicetrio.WheelEvent():
                return self._pointer.turn(event)
            case spicetrio.PointerMotion():
                return self._pointer.move(event)
