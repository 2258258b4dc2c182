"""Selections that we own for viewers, given to the X clients that ask for them.

An X client names a property of a window of its own, and we write there what it asks for (ICCCM 2.2). What is large goes
in pieces, each when the one before it was read and deleted (INCR, ICCCM 2.7.2). A requestor that does not go on costs
what it asked for until our patience ends, and all of them together are given no more at a time than one may be given.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import trio

from spicetrio import ClipboardError, ClipboardType, Offer
from spicetrio.sources.copiedfiles import CopiedFiles
from spicetrio.sources.x11.connection import PIECE_BYTES, ConnectionLost, Signal, XConnection, XError
from spicetrio.sources.x11.conversion import PATIENCE_SECONDS
from spicetrio.sources.x11.properties import (
    CW_EVENT_MASK,
    NO_ATOM,
    PROPERTY_CHANGE,
    Property,
    TooLargeError,
    read_property,
    write_property,
)
from spicetrio.sources.x11.targets import Targets

READ_SECONDS: Final = 60.0
"""How long a viewer may take to send what is pasted."""
MOST_REQUESTS: Final = 32
"""Requests answered at once; further ones are refused."""
MOST_PAIRS: Final = 64
"""Targets that one MULTIPLE request may name."""

CURRENT_TIME: Final = 0
STRUCTURE_NOTIFY: Final = 1 << 17
MOST_WORD: Final = 0xFFFFFFFF
_SELECTION_NOTIFY: Final = 31
_NOTICE: Final = struct.Struct("=B3x5I8x")

_log = logging.getLogger(__name__)


class Request(NamedTuple):
    """A SelectionRequest event."""

    time: int
    owner: int
    requestor: int
    selection: int
    target: int
    property: int

    @classmethod
    def of_event(cls, event: bytes) -> Self:
        """Read it from its event."""
        return cls(*struct.unpack_from("=6I", event, 4))


@dataclass(frozen=True)
class Holding:
    """A selection that we own."""

    offer: Offer
    """Who has what it holds."""
    targets: Mapping[int, ClipboardType]
    """What it can be had as."""
    time: int
    """Since when we own it, in the X server's time."""

    def was_held(self, time: int) -> bool:
        """Whether we owned it at a time; times wrap around after 50 days."""
        return time == CURRENT_TIME or (time - self.time) % (1 << 32) < 1 << 31


class _Transfer:
    """Something large on its way to a requestor."""

    def __init__(self) -> None:
        self.taken = Signal()
        """Raised when the requestor has deleted the property."""
        self.scope = trio.CancelScope()


class Requestors:
    """Answers the X clients that ask for a selection of ours.

    Args:
        connection: To the X server.
        atoms: Those named in `NAMES`.
        targets: What selections can be had as.
        limit: The most bytes that are on their way to them at a time.
        files: Has what viewers copy as files, if that is taken.
    """

    NAMES: Final = ("INCR", "TARGETS", "MULTIPLE", "TIMESTAMP", "ATOM_PAIR", "ATOM", "INTEGER")

    def __init__(
        self,
        connection: XConnection,
        atoms: Mapping[str, int],
        targets: Targets,
        limit: int,
        files: CopiedFiles | None,
    ) -> None:
        self.holdings: Final[dict[int, Holding]] = {}
        """What we own, by the selection's atom."""
        self._connection = connection
        self._atoms = atoms
        self._targets = targets
        self._limit = limit
        self._files = files
        self._transfers: dict[tuple[int, int], _Transfer] = {}
        self._reading = trio.Lock()
        self._requests = 0
        self._under_way = 0

    def note_deleted(self, event: bytes) -> None:
        """Take in a PropertyNotify event of a deletion."""
        transfer = self._transfers.get(struct.unpack_from("=II", event, 4))
        if transfer is not None:
            transfer.taken.set()

    def note_destroyed(self, event: bytes) -> None:
        """Take in a DestroyNotify event."""
        (gone,) = struct.unpack_from("=I", event, 8)
        for (window, _), transfer in self._transfers.items():
            if window == gone:
                transfer.scope.cancel()

    async def answer(self, request: Request) -> None:
        """Answer a request. It lasts until what was asked for was taken, or our patience ends."""
        place = request.property or request.target  # old clients name no property
        holding = self._holding(request)
        self._requests += 1
        try:
            async with trio.open_nursery() as nursery:
                if holding is None:
                    written = False
                elif request.target == self._atoms["MULTIPLE"]:
                    written = await self._write_several(request.requestor, place, holding, nursery)
                else:
                    written = await self._write(request.requestor, place, request.target, holding, nursery)
                await self._notify(request, place if written else NO_ATOM)
        finally:
            self._requests -= 1

    def _holding(self, request: Request) -> Holding | None:
        """What is asked for, if it is given."""
        holding = self.holdings.get(request.selection)
        if holding is None or not holding.was_held(request.time) or self._requests >= MOST_REQUESTS:
            return None
        # Others here choose which events come of the root window.
        return None if request.requestor == self._connection.root else holding

    async def _write_several(self, window: int, place: int, holding: Holding, nursery: trio.Nursery) -> bool:
        """Write targets to a property each, as the pairs in this one say; where one cannot be, say so there."""
        try:
            pairs = await read_property(self._connection, window, place, 8 * MOST_PAIRS, delete=False)
        except (XError, TooLargeError):
            return False
        atoms = pairs.words()
        for index in range(1, len(atoms), 2):
            target, each = atoms[index - 1], atoms[index]
            if not each or not await self._write(window, each, target, holding, nursery):
                atoms[index] = NO_ATOM
        await write_property(self._connection, window, place, Property.of_words(self._atoms["ATOM_PAIR"], *atoms))
        return True

    async def _write(self, window: int, place: int, target: int, holding: Holding, nursery: trio.Nursery) -> bool:
        """Write a selection as a target to a property, or begin to; False if that cannot be."""
        content = await self._content(holding, target)
        if content is None:
            return False
        if len(content.data) <= PIECE_BYTES:
            await write_property(self._connection, window, place, content)
            return True
        begun: bool = await nursery.start(self._transfer, window, place, content)
        return begun

    async def _content(self, holding: Holding, target: int) -> Property | None:
        if target == self._atoms["TARGETS"]:
            known = [self._atoms[name] for name in ("TARGETS", "MULTIPLE", "TIMESTAMP")]
            return Property.of_words(self._atoms["ATOM"], *known, *holding.targets)
        if target == self._atoms["TIMESTAMP"]:
            return Property.of_words(self._atoms["INTEGER"], holding.time)
        if target not in holding.targets:
            return None
        kind = holding.targets[target]
        try:
            if kind is ClipboardType.FILE_LIST and self._files is not None:
                type_, data = self._targets.encode_files(target, await self._files.fetch(holding.offer))
            else:
                type_, data = self._targets.encode(target, await self._read(holding.offer, kind))
        except ClipboardError as error:
            _log.warning("a viewer's %s cannot be pasted: %s", kind.name, error)
            return None
        return Property(type_, 8, data)

    async def _read(self, offer: Offer, kind: ClipboardType) -> bytes:
        try:
            with trio.fail_after(READ_SECONDS):
                async with self._reading:  # one at a time, or many could be in memory before one is refused
                    return await offer.read(kind)
        except trio.TooSlowError:
            raise ClipboardError("it does not come") from None

    async def _transfer(
        self, window: int, place: int, content: Property, *, task_status: trio.TaskStatus[bool]
    ) -> None:
        """Write a property piece by piece; it has begun once the requestor can be told so."""
        size = len(content.data)
        if self._under_way + size > self._limit or (window, place) in self._transfers:
            _log.warning("%d bytes cannot be pasted while %d are on their way", size, self._under_way)
            task_status.started(False)
            return
        transfer = self._transfers[window, place] = _Transfer()
        self._under_way += size
        try:
            begun = await self._announce(window, place, size)
            task_status.started(begun)
            if begun:
                with transfer.scope, trio.move_on_after(PATIENCE_SECONDS) as patience:
                    for start in [*range(0, size, PIECE_BYTES), size]:
                        await transfer.taken.wait()
                        patience.deadline = trio.current_time() + PATIENCE_SECONDS
                        piece = content.data[start : start + PIECE_BYTES]
                        await write_property(self._connection, window, place, content._replace(data=piece))
                if patience.cancelled_caught:
                    _log.info("a program does not take all of the %d bytes that it pastes", size)
        finally:
            del self._transfers[window, place]
            self._under_way -= size
            if not any(window == other for other, _ in self._transfers):
                with suppress(ConnectionLost):
                    self._select(window, 0)

    async def _announce(self, window: int, place: int, size: int) -> bool:
        """Write that something comes in pieces; False if there is no such window."""
        connection = self._connection
        self._select(window, STRUCTURE_NOTIFY | PROPERTY_CHANGE)
        await write_property(connection, window, place, Property.of_words(self._atoms["INCR"], min(size, MOST_WORD)))
        try:
            await connection.ask(connection.core.GetGeometry(window))
        except XError:
            return False
        return True

    def _select(self, window: int, events: int) -> None:
        """Have these events of a window come, once something else is sent."""
        self._connection.core.ChangeWindowAttributes(window, CW_EVENT_MASK, [events])

    async def _notify(self, request: Request, place: int) -> None:
        """Tell a requestor where the answer is."""
        event = _NOTICE.pack(
            _SELECTION_NOTIFY, request.time, request.requestor, request.selection, request.target, place
        )
        async with self._connection.room():
            self._connection.core.SendEvent(False, request.requestor, 0, event)
