"""Selections read from the X clients that own them.

To read one is to ask the X server for a conversion (ICCCM 2.4): the owner writes the data to a property of a window of
ours, at once or, if they are large, piece by piece (INCR, ICCCM 2.7.2). Each conversion has a window of its own, so
that what an owner still writes when nobody waits any more goes nowhere.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

import trio

from spicetrio import ClipboardError
from spicetrio.sources.x11.connection import ConnectionLost, Signal, XConnection, XError
from spicetrio.sources.x11.properties import (
    CW_EVENT_MASK,
    NO_ATOM,
    PROPERTY_CHANGE,
    Property,
    TooLargeError,
    read_property,
)

PATIENCE_SECONDS: Final = 10.0
"""How long an X client may take for one step of a transfer."""
MOST_CONVERSIONS: Final = 8
"""Conversions at once; further ones wait."""

INPUT_ONLY: Final = 2


class _Window:
    """What has happened to the window of one conversion."""

    def __init__(self) -> None:
        self.answered = Signal()
        self.refused = False
        self.written = Signal()


class Conversions:
    """The conversions that are under way.

    Args:
        connection: To the X server.
        atoms: Those named in `NAMES`.
    """

    NAMES: Final = ("INCR", "SPICETRIO_SELECTION")

    def __init__(self, connection: XConnection, atoms: Mapping[str, int]) -> None:
        self._connection = connection
        self._incremental = atoms["INCR"]
        self._property = atoms["SPICETRIO_SELECTION"]
        self._windows: dict[int, _Window] = {}
        self._room = trio.CapacityLimiter(MOST_CONVERSIONS)

    def note_answer(self, event: bytes) -> None:
        """Take in a SelectionNotify event."""
        requestor, _, _, answer = struct.unpack_from("=4I", event, 8)
        if window := self._windows.get(requestor):
            window.refused = answer == NO_ATOM
            window.answered.set()

    def note_written(self, event: bytes) -> None:
        """Take in a PropertyNotify event of a new value."""
        (number,) = struct.unpack_from("=I", event, 4)
        if window := self._windows.get(number):
            window.written.set()

    async def convert(self, selection: int, target: int, time: int, limit: int) -> Property:
        """Return a selection as a target.

        Args:
            selection: Its atom.
            target: An atom.
            time: When the owner that is asked owned it, in the X server's time.
            limit: The most bytes that are taken.

        Cancellation: what still comes is dropped.

        Raises:
            ClipboardError: Its owner refuses, is gone or does not answer, or it is larger.
        """
        async with self._room:
            with self._window() as (number, window):
                async with self._connection.room():
                    self._create(number)
                    self._connection.core.ConvertSelection(number, selection, target, self._property, time)
                await _wait(window.answered)
                if window.refused:
                    raise ClipboardError("its owner does not give it")
                window.written.clear()
                try:
                    content = await self._take(number, limit)
                    if content.type == self._incremental:
                        content = await self._take_pieces(number, window, limit)
                except XError as error:  # another client may have destroyed the window
                    raise ClipboardError(f"it cannot be read: {error}") from error
                return content

    async def _take_pieces(self, number: int, window: _Window, limit: int) -> Property:
        """Take pieces until there is one of no bytes; to delete one is to ask for the next."""
        pieces: list[bytes] = []
        size = 0
        while True:
            await _wait(window.written)
            piece = await self._take(number, limit)
            size += len(piece.data)
            if size > limit:
                raise TooLargeError(limit)
            if piece.type == NO_ATOM:
                continue  # it was written in several requests, and all of it taken with the first
            if not piece.data:
                return Property(piece.type, piece.format, b"".join(pieces))
            pieces.append(piece.data)

    async def _take(self, number: int, limit: int) -> Property:
        return await read_property(self._connection, number, self._property, limit, delete=True)

    @contextmanager
    def _window(self) -> Iterator[tuple[int, _Window]]:
        number, window = self._connection.new_id(), _Window()
        self._windows[number] = window
        try:
            yield number, window
        finally:
            del self._windows[number]
            with suppress(ConnectionLost):
                self._connection.core.DestroyWindow(number)
                self._connection.flush()

    def _create(self, number: int) -> None:
        root = self._connection.root
        self._connection.core.CreateWindow(
            0, number, root, 0, 0, 1, 1, 0, INPUT_ONLY, 0, CW_EVENT_MASK, [PROPERTY_CHANGE]
        )


async def _wait(signal: Signal) -> None:
    try:
        with trio.fail_after(PATIENCE_SECONDS):
            await signal.wait()
    except trio.TooSlowError:
        raise ClipboardError("its owner does not answer") from None
