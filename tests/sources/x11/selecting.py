"""An X client of the tests' own that owns selections and asks for them, well or badly."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import trio
import xcffib
from xcffib import xproto

_Connection: Any = xcffib.Connection
_Notify: Any = xproto.SelectionNotifyEvent
SECONDS = 10


class SelectionClient:
    """It waits for its events by looking for them now and then: its connection is a blocking one."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.core = connection.core
        self.root = connection.setup.roots[0].root
        self._atoms: dict[str, int] = {}
        self.requests: list[Any] = []
        """The SelectionRequest events that it got as an owner."""

    def atom(self, name: str) -> int:
        if name not in self._atoms:
            self._atoms[name] = self.core.InternAtom(False, len(name), name).reply().atom
        return self._atoms[name]

    def name(self, atom: int) -> str:
        return self.core.GetAtomName(atom).reply().name.to_string()

    def window(self) -> int:
        window: int = self.connection.generate_id()
        mask = [xproto.EventMask.PropertyChange]
        self.core.CreateWindow(
            0, window, self.root, 0, 0, 1, 1, 0, xproto.WindowClass.InputOnly, 0, xproto.CW.EventMask, mask
        )
        self.settle()
        return window

    def destroy(self, window: int) -> None:
        self.core.DestroyWindow(window)
        self.settle()

    def settle(self) -> None:
        self.core.GetInputFocus().reply()

    def owner(self, selection: str) -> int:
        return int(self.core.GetSelectionOwner(self.atom(selection)).reply().owner)

    async def until_owned(self, selection: str, by_someone: bool = True) -> int:
        with trio.fail_after(SECONDS):
            while bool(self.owner(selection)) is not by_someone:  # noqa: ASYNC110  (the X server knows)
                await trio.sleep(0.01)
        return self.owner(selection)

    async def event(self, kind: Any, **fields: int) -> Any:
        """The next event of a kind with these fields; others are dropped."""
        with trio.fail_after(SECONDS):
            while True:
                self.connection.flush()
                try:
                    event = self.connection.poll_for_event()
                except xproto.WindowError:  # another client's window was gone before we wrote to it
                    continue
                if isinstance(event, kind) and all(getattr(event, name) == fields[name] for name in fields):
                    return event
                if event is None:
                    await trio.sleep(0.005)

    # -- as one who asks

    def ask(self, window: int, selection: str, target: str, place: str = "PLACE", time: int = 0) -> None:
        self.core.ConvertSelection(window, self.atom(selection), self.atom(target), self.atom(place), time)
        self.connection.flush()

    async def answer(self, **fields: int) -> str | None:
        """The property in which the answer is; None if it was refused."""
        event = await self.event(xproto.SelectionNotifyEvent, **fields)
        return self.name(event.property) if event.property else None

    def take(self, window: int, place: str = "PLACE") -> tuple[str, bytes]:
        """Type and content of a property, which is deleted."""
        reply = self.core.GetProperty(True, window, self.atom(place), xproto.Atom.Any, 0, 1 << 24).reply()
        return (self.name(reply.type) if reply.type else ""), bytes(reply.value.raw)

    def atoms(self, window: int, place: str = "PLACE") -> list[str]:
        """The names of the atoms in a property."""
        reply = self.core.GetProperty(False, window, self.atom(place), xproto.Atom.Any, 0, 1 << 16).reply()
        return [self.name(atom) if atom else "" for atom in reply.value.to_atoms()]

    async def paste(self, selection: str, target: str, window: int | None = None) -> tuple[str, bytes] | None:
        """Type and content of a selection as a target; None if it is refused."""
        window = self.window() if window is None else window
        self.ask(window, selection, target)
        if await self.answer(requestor=window) is None:
            return None
        kind, data = self.take(window)
        if kind != "INCR":
            return kind, data
        data = b""
        while True:
            await self.piece(window)
            kind, piece = self.take(window)
            data += piece
            if not piece:
                return kind, data

    async def piece(self, window: int, place: str = "PLACE") -> None:
        """Wait until a property is written."""
        await self.event(
            xproto.PropertyNotifyEvent, window=window, atom=self.atom(place), state=xproto.Property.NewValue
        )

    # -- as an owner

    def own(self, selection: str, window: int | None = None) -> int:
        window = self.window() if window is None else window
        self.core.SetSelectionOwner(window, self.atom(selection), 0)
        self.settle()
        return window

    async def request(self) -> Any:
        """The next request for a selection of its own."""
        request = await self.event(xproto.SelectionRequestEvent)
        self.requests.append(request)
        return request

    def write(self, request: Any, type_: str, data: bytes, format_: int = 8) -> None:
        """Write the property that a request names; reading it is not waited for."""
        self.core.ChangeProperty(
            xproto.PropMode.Replace, request.requestor, request.property, self.atom(type_), format_,
            len(data) * 8 // format_, data,
        )  # fmt: skip

    def notify(self, request: Any, *, refused: bool = False) -> None:
        place = 0 if refused else request.property
        event = _Notify.synthetic(request.time, request.requestor, request.selection, request.target, place)
        self.core.SendEvent(False, request.requestor, 0, event.pack().ljust(32, b"\0"))
        self.settle()

    def name_targets(self, request: Any, *names: str) -> None:
        data = struct.pack(f"={len(names)}I", *(self.atom(name) for name in names))
        self.write(request, "ATOM", data, 32)
        self.notify(request)

    async def serve(self, contents: Mapping[str, tuple[str, bytes]]) -> None:
        """Answer requests until cancelled: a type and data for each target."""
        while True:
            request = await self.request()
            target = self.name(request.target)
            if target == "TARGETS":
                self.name_targets(request, "TARGETS", *contents)
            elif target in contents:
                self.write(request, *contents[target])
                self.notify(request)
            else:
                self.notify(request, refused=True)


@contextmanager
def open_selection_client(environment: Mapping[str, str]) -> Iterator[SelectionClient]:
    connection = _Connection(environment["DISPLAY"])
    try:
        yield SelectionClient(connection)
    finally:
        connection.disconnect()
