"""The selections of an X server (ICCCM 2), shared with the viewers' clipboards.

What an X client owns is offered to viewers, and read from it when one of them pastes. What a viewer offers is owned by
a window of ours, and read from the viewer when an X client pastes. XFIXES tells who owns what, and our own window is
never taken for an owner whose things could be offered; so nothing goes round in circles.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import aclosing, suppress
from functools import partial
from typing import Final

import trio

from spicetrio import Clipboard, ClipboardError, ClipboardType, Selection
from spicetrio.sources.copiedfiles import CopiedFiles
from spicetrio.sources.x11.connection import ConnectionLost, Signal, XConnection
from spicetrio.sources.x11.conversion import INPUT_ONLY, Conversions
from spicetrio.sources.x11.requestors import CURRENT_TIME, MOST_REQUESTS, Holding, Request, Requestors
from spicetrio.sources.x11.targets import Targets

OFFER_INTERVAL: Final = 0.1
"""Seconds between two offers: a text that is selected with the mouse has a new owner with each motion."""
MOST_TARGET_BYTES: Final = 4096

_NOBODY: Final = 0
_EVERY_CHANGE: Final = 7
_NEW_VALUE: Final = 0
_DESTROY_NOTIFY: Final = 17
_PROPERTY_NOTIFY: Final = 28
_SELECTION_REQUEST: Final = 30
_SELECTION_NOTIFY: Final = 31


class SharedSelection:
    """One selection, and the viewers' clipboard of the same name."""

    def __init__(
        self,
        connection: XConnection,
        clipboard: Clipboard,
        window: int,
        atoms: Mapping[str, int],
        targets: Targets,
        conversions: Conversions,
        requestors: Requestors,
    ) -> None:
        self._connection = connection
        self._clipboard = clipboard
        self._window = window
        self._atom = atoms[clipboard.selection.name]
        self._targets_atom = atoms["TARGETS"]
        self._targets = targets
        self._conversions = conversions
        self._requestors = requestors
        self._owner = _NOBODY
        self._time = CURRENT_TIME
        self._changed = Signal()
        self._asking = trio.CancelScope()

    def begin(self, owner: int) -> None:
        """Take in who owns it at first."""
        if self._owner == _NOBODY:
            self.note_owner(owner, CURRENT_TIME)

    def note_owner(self, owner: int, time: int) -> None:
        """Take in who owns it now, and since when."""
        self._owner, self._time = owner, time
        self._requestors.holdings.pop(self._atom, None)
        if owner == self._window and (offer := self._clipboard.offered.value) is not None:
            self._requestors.holdings[self._atom] = Holding(offer, self._targets.of(offer.types), time)
        self._asking.cancel()
        self._changed.set()

    async def run(self) -> None:
        """Share it until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_owner)
            nursery.start_soon(self._follow_viewers)

    async def _follow_owner(self) -> None:
        """Offer viewers what X clients own."""
        while True:
            await self._changed.wait()
            if self._owner == self._window:
                continue
            kinds: dict[ClipboardType, int] = {}
            with trio.CancelScope() as self._asking:
                kinds = await self._ask_targets()
            if self._asking.cancelled_caught:
                continue
            if kinds:
                self._clipboard.offer(list(kinds), partial(self._read, kinds, self._time))
            else:
                self._clipboard.withdraw()
            await trio.sleep(OFFER_INTERVAL)

    async def _ask_targets(self) -> dict[ClipboardType, int]:
        """What the owner has that viewers can take."""
        if self._owner == _NOBODY:
            return {}
        with suppress(ClipboardError):
            answer = await self._conversions.convert(self._atom, self._targets_atom, self._time, MOST_TARGET_BYTES)
            return self._targets.readable(answer.words())
        return {}

    async def _read(self, kinds: Mapping[ClipboardType, int], time: int, kind: ClipboardType) -> bytes:
        answer = await self._conversions.convert(self._atom, kinds[kind], time, self._clipboard.limit)
        return self._targets.decode(kind, answer.type, answer.data)

    async def _follow_viewers(self) -> None:
        """Own what a viewer offers, as long as it does."""
        async with aclosing(self._clipboard.offered.eventual_values()) as offers:
            async for offer in offers:
                if offer is not None and self._targets.of(offer.types):
                    self._connection.core.SetSelectionOwner(self._window, self._atom, CURRENT_TIME)
                elif self._owner == self._window:
                    # If another client has become the owner by now, it did so later than this time, and stays so.
                    self._connection.core.SetSelectionOwner(_NOBODY, self._atom, self._time)
                await self._connection.settle()  # by then it is noted who owns it


class Selections:
    """All selections of an X server.

    Args:
        connection: To the X server.
        clipboards: Those of the viewers.
        files: Has what viewers copy as files; without, those are not taken.
    """

    def __init__(
        self, connection: XConnection, clipboards: Mapping[Selection, Clipboard], files: CopiedFiles | None = None
    ) -> None:
        self._connection = connection
        self._clipboards = clipboards
        self._files = files

    async def run(self) -> None:
        """Share them until cancelled; then we own none."""
        connection, clipboards = self._connection, self._clipboards.values()
        names = {selection.name for selection in Selection}.union(Targets.NAMES, Conversions.NAMES, Requestors.NAMES)
        atoms = await connection.atoms(names)
        conversions = Conversions(connection, atoms)
        targets = Targets(atoms, files=self._files is not None)
        limit = max(clipboard.limit for clipboard in clipboards)
        requestors = Requestors(connection, atoms, targets, limit, self._files)
        window = connection.new_id()
        connection.core.CreateWindow(0, window, connection.root, 0, 0, 1, 1, 0, INPUT_ONLY, 0, 0, [])
        shared = {
            atoms[clipboard.selection.name]: SharedSelection(
                connection, clipboard, window, atoms, targets, conversions, requestors
            )
            for clipboard in clipboards
        }
        send, requests = trio.open_memory_channel[Request](MOST_REQUESTS)

        def note_request(event: bytes) -> None:
            with suppress(trio.WouldBlock):
                send.send_nowait(Request.of_event(event))

        def note_property(event: bytes) -> None:
            if event[16] == _NEW_VALUE:
                conversions.note_written(event)
            else:
                requestors.note_deleted(event)

        def note_owner(event: bytes) -> None:
            owner, selection, _, time = struct.unpack_from("=4I", event, 8)
            if selection in shared:
                shared[selection].note_owner(owner, time)

        connection.take_events(_SELECTION_REQUEST, note_request)
        connection.take_events(_SELECTION_NOTIFY, conversions.note_answer)
        connection.take_events(_PROPERTY_NOTIFY, note_property)
        connection.take_events(_DESTROY_NOTIFY, requestors.note_destroyed)
        connection.take_events(connection.first_event(connection.xfixes), note_owner)
        try:
            async with trio.open_nursery() as nursery:
                for atom, selection in shared.items():
                    connection.xfixes.SelectSelectionInput(window, atom, _EVERY_CHANGE)
                    reply = await connection.ask(connection.core.GetSelectionOwner(atom))
                    selection.begin(reply.owner)
                    nursery.start_soon(selection.run)
                async for request in requests:
                    nursery.start_soon(requestors.answer, request)
        finally:
            with suppress(ConnectionLost):
                connection.core.DestroyWindow(window)
                connection.flush()
