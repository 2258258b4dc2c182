"""What was copied, at one of the viewers or on this side, and how it gets to where it is pasted.

Copying moves no data. Who copies says which types there are to be had: an `Offer`, of which each selection has one at
most, the latest. Who pastes asks the one that offers. So a viewer can paste what was copied at another viewer, and
nothing is kept here but what is on its way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import trio
from trio_util import AsyncValue

from spicetrio.server.client import Client
from spicetrio.wire.enums import ClipboardType, Selection

Read = Callable[[ClipboardType], Awaitable[bytes]]
"""Returns what was copied, as the type that is asked for; raises `ClipboardError` if it cannot."""


class ClipboardError(Exception):
    """What was copied cannot be had: it is gone, refused, too large, or did not come in time."""


class Offer:
    """Something that was copied, and can be pasted as long as nothing else is copied.

    Args:
        types: What it can be had as, best first.
        read: Returns it.
        limit: The most bytes that are taken.
        viewer: At whom it was copied, if it was at a viewer.
    """

    def __init__(self, types: Sequence[ClipboardType], read: Read, *, limit: int, viewer: Client | None = None) -> None:
        self.types: Final[tuple[ClipboardType, ...]] = tuple(types)
        """What it can be had as, best first."""
        self.viewer: Final[Client | None] = viewer
        """At whom it was copied; None if it was on this side, or in a guest."""
        self._read = read
        self._limit = limit
        self._current = True

    def __repr__(self) -> str:
        return f"<Offer of {', '.join(kind.name for kind in self.types)}>"

    def end(self) -> None:
        """Take in that something else was copied, or that this is not there any more."""
        self._current = False

    async def read(self, kind: ClipboardType) -> bytes:
        """Return what was copied, from where it was copied.

        Args:
            kind: One of `types`.

        Cancellation: what still comes is dropped.

        Raises:
            ClipboardError: It is gone, refused, too large, or did not come in time.
        """
        await trio.lowlevel.checkpoint()
        if not self._current:
            raise ClipboardError("it is gone: something else was copied since, or who copied it has left")
        if kind not in self.types:
            raise ClipboardError(f"it is not to be had as {kind!r}, only as {self.types}")
        data = await self._read(kind)
        if len(data) > self._limit:
            raise ClipboardError(f"it is of {len(data)} bytes, more than the {self._limit} that are taken")
        return data


class Clipboard:
    """One selection: what this side offers to viewers, and what they offer.

    Args:
        selection: Which one.
        limit: The most bytes that are taken of what was copied.
        nursery: Where what this side offers is read.
        changed: Called when there is another offer, or none.
    """

    def __init__(
        self,
        selection: Selection,
        *,
        limit: int,
        nursery: trio.Nursery,
        changed: Callable[[Selection], None],
    ) -> None:
        self.selection: Final[Selection] = selection
        """Which one."""
        self.limit: Final[int] = limit
        """The most bytes that are taken of what was copied."""
        self.current: Offer | None = None
        """The latest offer of all, if it still stands."""
        self.offered: Final[AsyncValue[Offer | None]] = AsyncValue(None)
        """What a viewer offers now; None if no viewer does, or this side has offered something since."""
        self._own: Offer | None = None
        self._nursery = nursery
        self._changed = changed

    def offer(self, types: Sequence[ClipboardType], read: Read) -> None:
        """Let viewers paste what was copied on this side, until something else is copied anywhere.

        Args:
            types: What it can be had as, best first.
            read: Called with one of them when a viewer pastes, as a task of the agent, several times at once if
                several viewers do. What it raises besides `ClipboardError` ends the agent.

        Raises:
            ValueError: There are no types.
        """
        if not types or ClipboardType.NONE in types:
            raise ValueError(f"got types {list(types)}, expected one or more, and NONE is no type")
        self._own = Offer(types, partial(_read_in, self._nursery, read), limit=self.limit)
        self.grab(self._own)

    def withdraw(self) -> None:
        """Offer viewers nothing any more; what a viewer has offered since stays."""
        if self._own is not None:
            self.release(self._own)
            self._own = None

    def grab(self, offer: Offer) -> None:
        """Let an offer be the latest one, whoever makes it."""
        self._replace(offer)

    def release(self, offer: Offer) -> None:
        """Take in that an offer does not stand any more; if it was not the latest, nothing changes."""
        offer.end()
        if self.current is offer:
            self._replace(None)

    def _replace(self, offer: Offer | None) -> None:
        if self.current is not None:
            self.current.end()
        self.current = offer
        self.offered.value = None if offer is self._own else offer
        self._changed(self.selection)


async def _read_in(nursery: trio.Nursery, read: Read, kind: ClipboardType) -> bytes:
    """Read as a task of a nursery, so that what goes wrong there comes out there.

    Cancellation: cancels the task.
    """
    outcome: list[bytes | ClipboardError] = []
    done = trio.Event()
    scope = trio.CancelScope()

    async def run() -> None:
        try:
            with scope:
                outcome.append(await read(kind))
        except ClipboardError as error:
            outcome.append(error)
        finally:
            done.set()

    nursery.start_soon(run, name="read what was copied")
    try:
        await done.wait()
    finally:
        scope.cancel()
    result = outcome[0] if outcome else ClipboardError("the agent has ended")
    if isinstance(result, ClipboardError):
        raise result
    return result
