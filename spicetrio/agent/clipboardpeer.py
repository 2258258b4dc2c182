"""The clipboards as one other end shares them: a viewer, or the guest's agent.

All ends are equal here. What one of them copies is an `Offer` of the `Clipboard` that all share; each other end is told
of it by a GRAB, and what it asks for then is read from the offer, wherever that comes from.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Protocol

import trio

from spicetrio.agent.clipboard import Clipboard, ClipboardError, Offer
from spicetrio.server.client import Client
from spicetrio.wire import agent
from spicetrio.wire.agent import Dialect
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import ClipboardType, Selection
from spicetrio.wire.errors import RemoteProtocolError

logger: Final = logging.getLogger("spicetrio.agent")

MAX_ANSWERS: Final = 4
"""Requests of one end that are answered at a time; one more is refused."""
SILENCE: Final = 10.0
"""Seconds without any part of an answer, after which it is not waited for."""
PATIENCE: Final = 120.0
"""Seconds after which an answer is not waited for, however much of it has come."""
OVERHEAD: Final = 8
"""The most bytes of a CLIPBOARD besides the data."""
_KNOWN: Final = frozenset(ClipboardType) - {ClipboardType.NONE}


class Line(Protocol):
    """The way to the other end."""

    async def room(self) -> None:
        """Return once not much waits there."""
        ...

    def post(self, message: Message) -> None:
        """Leave a message."""
        ...

    def post_latest(self, topic: object, make: Callable[[], Message | None]) -> None:
        """Leave a message that tells how things stand when it is sent; one about a topic is enough."""
        ...


class _Request:
    """Something that was asked for and did not come yet."""

    def __init__(self, selection: Selection, kind: ClipboardType) -> None:
        self.selection = selection
        self.kind = kind
        self.data: bytes | None = None
        self.error = "it did not come in time"
        self._end = trio.current_time() + PATIENCE
        self._scope = trio.CancelScope()
        self.heard()

    def heard(self) -> None:
        """Take in that a part of it has come."""
        self._scope.deadline = min(trio.current_time() + SILENCE, self._end)

    def answer(self, data: bytes | None, error: str = "") -> None:
        """Take in the answer."""
        self.data, self.error = data, error
        self._scope.cancel()

    async def wait(self) -> bytes:
        """Return what has come, or raise a `ClipboardError`."""
        with self._scope:
            await trio.sleep_forever()
        if self.data is None:
            raise ClipboardError(self.error)
        return self.data


class ClipboardPeer:
    """One other end. What it may not do is left out silently, as if it did not happen (spec AG-14).

    Args:
        name: What the log calls it.
        clipboards: All selections.
        line: The way to it.
        nursery: Where its requests are answered.
        gives: What is copied there may be pasted elsewhere.
        takes: What is copied elsewhere may be pasted there.
        yields: If both ends copy at the same time, what was copied here stands (spec AG-7, GRAB_SERIAL).
        viewer: Who it is, if it is a viewer. It is not told of lists of files: it has no way to another's files.
        gives_files: Lists of files that are copied there may be pasted elsewhere.
    """

    def __init__(
        self,
        name: str,
        clipboards: Mapping[Selection, Clipboard],
        line: Line,
        nursery: trio.Nursery,
        *,
        gives: bool,
        takes: bool,
        yields: bool,
        viewer: Client | None = None,
        gives_files: bool = False,
    ) -> None:
        self.dialect = Dialect()
        """Which fields messages have on the way, by `agree`."""
        self._agreed = False
        self.max_size: int | None = None
        """The most bytes that it takes of what was copied; None for any number."""
        self._name = name
        self._clipboards = clipboards
        self._line = line
        self._nursery = nursery
        self._gives = gives
        self._takes = takes
        self._yields = yields
        self._viewer = viewer
        self._known = _KNOWN if gives_files else _KNOWN - {ClipboardType.FILE_LIST}
        self._serials = dict.fromkeys(Selection, 0)
        self._offers: dict[Selection, Offer] = {}
        self._told: set[Selection] = set()
        self._answers = 0
        self._request: _Request | None = None
        self._turn = trio.Lock()
        self._ended = False

    def begin_anew(self) -> None:
        """Take in that it forgets what it was told: its grabs are counted from the beginning (spec AG-7)."""
        self._serials = dict.fromkeys(Selection, 0)
        self._told.clear()

    def agree(self, dialect: Dialect) -> None:
        """Take in that both ends have told what they can do. Only then it can read what it is told of offers."""
        self.dialect = dialect
        self._agreed = True
        for selection in Selection:
            self.tell(selection)

    def tell(self, selection: Selection) -> None:
        """Tell it of the latest offer, or that there is none any more."""
        if self._agreed and self._takes and (self.dialect.selection or selection == Selection.CLIPBOARD):
            self._line.post_latest(("offer", selection), partial(self._news, selection))

    def end(self) -> None:
        """Take in that it has left: what it offered is gone."""
        self._ended = True
        if self._request is not None:
            self._request.answer(None, "who copied it has left")
        for selection in Selection:
            self._drop(selection)

    def expects(self, size: int) -> bool:
        """Tell whether a CLIPBOARD of so many bytes is to be kept: one that was asked for, and is not too large."""
        if self._request is None:
            return False
        limit = self._clipboards[self._request.selection].limit
        if size > limit + OVERHEAD:
            self._request.answer(None, f"it is of {size} bytes, more than the {limit} that are taken")
            return False
        return True

    def heard(self) -> None:
        """Take in that a part of a CLIPBOARD has come."""
        if self._request is not None:
            self._request.heard()

    def grab(self, message: agent.ClipboardGrab) -> None:
        """Take in that something was copied there."""
        selection = _selection(message.selection)
        if self.dialect.serial:
            if self._yields and message.serial != self._serials[selection]:
                return  # it did not know yet of what was copied here
            self._serials[selection] = (message.serial + 1) & 0xFFFFFFFF
        if not self._gives:
            return
        self._told.discard(selection)
        types = [ClipboardType(number) for number in message.types if number in self._known]
        if not types:
            self._drop(selection)
            return
        clipboard = self._clipboards[selection]
        offer = self._offers[selection] = Offer(
            types, partial(self._ask, selection), limit=clipboard.limit, viewer=self._viewer
        )
        clipboard.grab(offer)

    def release(self, message: agent.ClipboardRelease) -> None:
        """Take in that what was copied there is gone."""
        self._drop(_selection(message.selection))

    def request(self, message: agent.ClipboardRequest) -> None:
        """Answer with what was copied elsewhere, in a task."""
        selection = _selection(message.selection)
        if not self._takes or self._answers >= MAX_ANSWERS:
            self._refuse(selection)
            return
        self._answers += 1
        self._nursery.start_soon(self._answer, selection, message.kind)

    def data(self, message: agent.ClipboardMessage) -> None:
        """Take in the answer to a request. Others are of requests that are not waited for any more."""
        request = self._request
        if request is None or message.selection != request.selection:
            return
        if message.kind == request.kind:
            request.answer(bytes(message.data))
        elif message.kind == ClipboardType.NONE:
            request.answer(None, "who copied it does not give it")

    def _drop(self, selection: Selection) -> None:
        if offer := self._offers.pop(selection, None):
            self._clipboards[selection].release(offer)

    def _news(self, selection: Selection) -> Message | None:
        """Return what there is to tell of a selection now."""
        offer = self._clipboards[selection].current
        if offer is not None and offer is self._offers.get(selection):
            return None
        if offer is not None and (types := self._useful(offer)):
            self._told.add(selection)
            serial = self._serials[selection]
            self._serials[selection] = (serial + 1) & 0xFFFFFFFF
            return agent.ClipboardGrab(selection, serial, types)
        if selection in self._told:
            self._told.discard(selection)
            return agent.ClipboardRelease(selection)
        return None

    def _useful(self, offer: Offer) -> tuple[ClipboardType, ...]:
        """Return the types of an offer that the other end can do something with."""
        if self._viewer is None:
            return offer.types
        return tuple(kind for kind in offer.types if kind is not ClipboardType.FILE_LIST)

    async def _answer(self, selection: Selection, number: int) -> None:
        try:
            offer = self._clipboards[selection].current
            if offer is None or offer is self._offers.get(selection) or number not in self._useful(offer):
                raise ClipboardError(f"nothing is offered as type {number}")
            kind = ClipboardType(number)
            data = await offer.read(kind)
            if self.max_size is not None and len(data) > self.max_size:
                raise ClipboardError(f"it is of {len(data)} bytes, more than the {self.max_size} that are taken there")
            await self._line.room()
        except ClipboardError as error:
            logger.info("%s cannot paste: %s", self._name, error)
            self._refuse(selection)
        else:
            self._line.post(agent.ClipboardMessage(selection, kind, data))
        finally:
            self._answers -= 1

    def _refuse(self, selection: Selection) -> None:
        self._line.post(agent.ClipboardMessage(selection, ClipboardType.NONE, b""))

    async def _ask(self, selection: Selection, kind: ClipboardType) -> bytes:
        """Return what it offers. One request is under way at a time: answers do not say what they answer."""
        async with self._turn:
            if self._ended:
                raise ClipboardError("who copied it has left")
            self._request = _Request(selection, kind)
            try:
                self._line.post(agent.ClipboardRequest(selection, kind))
                return await self._request.wait()
            finally:
                self._request = None


def _selection(number: int) -> Selection:
    try:
        return Selection(number)
    except ValueError:
        raise RemoteProtocolError(f"got selection {number}, expected 0 to {len(Selection) - 1}") from None
