"""What a session is made of: the server, and the model of its application, its viewers and its readers."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final
from uuid import uuid4

import trio
from trio.testing import MockClock

from spicetrio.api import Server
from spicetrio.channels import inputs as inputs_channel
from spicetrio.channels.display import Display
from spicetrio.channels.inputs import Inputs
from spicetrio.server.events import ConnectionEvent, EventReader
from spicetrio.server.settings import Settings, WhenFull
from spicetrio.server.tickets import Role, Ticket
from spicetrio.wire.enums import ChannelType, ImageCompression, MouseMode
from tests.model import commands as c
from tests.model.pictures import Pixels, Shape
from tests.model.viewers import Connection, Dialer, Event, Viewer
from tests.server.rig import StockedKeys

PATIENCE: Final = 10.0
"""Real seconds in which nothing at all happens before that is a failure. Nothing that works takes that long."""
IMPATIENCE: Final = 1.0
"""The same once there was a failure, which is to be made smaller."""
GRACE: Final = 0.5
LINK_TIMEOUT: Final = 60.0
PING: Final = 15.0
SILENCE: Final = 60.0
TICKETS: Final = (Ticket("one", name="one"), Ticket("two", Role.VIEW, "two"), Ticket("three", name="three"))
TYPES: Final = {
    "main": ChannelType.MAIN, "display": ChannelType.DISPLAY, "cursor": ChannelType.CURSOR,
    "inputs": ChannelType.INPUTS,
}  # fmt: skip

LAST: Final = inputs_channel.WheelEvent(0, None)  # type: ignore[arg-type]
"""Tells the task that takes input that there is no more."""


class Keys(StockedKeys):
    """Keys without the thread that makes them: hundreds of servers a minute need too many."""

    async def run(self) -> None:
        await trio.sleep_forever()


class Faults(logging.Handler):
    """Collects what the server calls a fault of its own."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(logging.Formatter().format(record))


@dataclass(eq=False)
class Room:
    """A display that is open."""

    display: Display
    pixels: Pixels
    shape: Shape | None = None
    position: tuple[int, int] = (0, 0)
    visible: bool = True
    leave: trio.Event = field(default_factory=trio.Event)
    left: trio.Event = field(default_factory=trio.Event)


@dataclass(eq=False)
class Desk:
    """Inputs that are open."""

    inputs: Inputs
    locks: int = 0
    told: int | None = 0
    typist: Viewer | None = None
    going_on: trio.Event = field(default_factory=trio.Event)
    leave: trio.Event = field(default_factory=trio.Event)
    left: trio.Event = field(default_factory=trio.Event)


@dataclass(eq=False)
class Ear:
    """A reader of the server's connection events."""

    since: int
    heard: list[ConnectionEvent] = field(default_factory=list)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class State:
    """One server and the model of it, with what everything that happens to them needs.

    Args:
        setup: How the server begins.
        clock: Lets pass what the server waits for.
        patience: Real seconds without anything happening that are a failure.
    """

    def __init__(self, setup: c.Setup, clock: MockClock, patience: float) -> None:
        self.setup = setup
        self.patience = patience
        self.clock = clock
        settings = Settings(
            port=0,
            unix=f"@spicetrio-model-{uuid4()}",
            tickets=TICKETS,
            image_compression=ImageCompression[setup.compression],
            ack_window=setup.ack_window,
            max_viewers=setup.max_viewers,
            when_full=WhenFull.TAKE_OVER if setup.take_over else WhenFull.REFUSE,
            grace=GRACE,
            link_timeout=LINK_TIMEOUT,
            ping_interval=PING,
            silence_timeout=SILENCE,
            failure_delay=0,
        )
        self.server = Server(settings)
        self.server._keys = Keys()  # type: ignore[assignment]
        self.rooms: dict[int, Room] = {}
        self.desk: Desk | None = None
        self.viewers: list[Viewer] = []
        self.gone: list[Viewer] = []
        self.valid = list(TICKETS)
        self.knocks: list[trio.SocketStream] = []
        self.log = Ear(0)
        self.ears: list[Ear] = []
        self.drains: list[trio.CancelScope] = []
        self.drained = 0
        self.time_passes = False
        self.inputs_under_way = False
        self.locks_under_way = False
        self.got: dict[int, list[Event]] = {}
        self._numbers = count()
        self._events_heard = 0
        self.nursery: trio.Nursery
        self.dialer: Dialer

    async def on_Settle(self, command: c.Settle) -> None:
        raise NotImplementedError

    async def until(self, missing: Callable[[], str], *, impatient: Callable[[], bool] | None = None) -> None:
        """Wait until nothing is missing.

        Args:
            missing: What is; it is asked again and again.
            impatient: Whether viewers are being ended who do not read. The server gives them its grace, in a time
                that is passed over once nothing else happens.
        """
        last, since, jumps = self._progress(), time.monotonic(), 0
        while True:
            await trio.sleep(0.0005)
            if not (reason := missing()):
                return
            if (now := self._progress()) != last:
                last, since = now, time.monotonic()
            silent = time.monotonic() - since
            if impatient is not None and silent > 0.03 * (jumps + 1) and jumps < 5 and impatient():
                jumps += 1
                self.clock.jump(GRACE * 1.01)
            assert silent < self.patience, reason

    def _progress(self) -> object:
        received = sum(
            connection.channel.received + connection.sent
            for viewer in self.viewers
            for connection in viewer.connections.values()
        )
        return received, self._events_heard, len(self.log.heard), len(self.server.clients.value)

    async def patiently(self, call: Callable[[], Awaitable[None]]) -> None:
        """Do something that may have to wait for viewers that do not read."""
        done = trio.Event()

        async def run() -> None:
            await call()
            done.set()

        self.nursery.start_soon(run)
        await self.until(lambda: "" if done.is_set() else f"{call} is not done", impatient=self.somebody_stalls)

    def somebody_stalls(self) -> bool:
        return any(viewer.stalled for viewer in self.viewers)

    def room(self, number: int) -> Room | None:
        return list(self.rooms.values())[number % len(self.rooms)] if self.rooms else None

    def viewer(self, number: int) -> Viewer | None:
        here = [viewer for viewer in self.viewers if viewer.state == "here"]
        return here[number % len(here)] if here else None

    def connection(self, number: int, channel: str) -> tuple[Viewer, Connection] | None:
        """A connection that is there, of a viewer that is there."""
        if viewer := self.viewer(number):
            for connection in viewer.of(TYPES[channel]):
                if not connection.leaving:
                    return viewer, connection
        return None

    @property
    def closed(self) -> bool:
        """Somebody drains the server, or has."""
        return bool(self.drains or self.drained)

    @property
    def modes(self) -> MouseMode:
        absolute = self.desk is not None and self.desk.inputs.absolute and self.rooms
        return MouseMode.SERVER | MouseMode.CLIENT if absolute else MouseMode.SERVER

    def _modes_changed(self) -> None:
        for viewer in self.viewers:
            if viewer.mode not in self.modes:
                viewer.mode = MouseMode.SERVER

    async def calm_inputs(self) -> None:
        """Wait for the input that is under way, before something happens that gives it another meaning."""
        if self.inputs_under_way:
            await self.on_Settle(c.Settle())

    async def calm_locks(self) -> None:
        """Wait for the lock keys that are under way, before who typed them may go: with them some may not arrive."""
        if self.locks_under_way:
            await self.on_Settle(c.Settle())

    def doom(self, viewer: Viewer) -> None:
        viewer.state = "doomed"
        self.inputs_under_way = True
        for connection in viewer.connections.values():
            connection.leaving = True

    def _channels_close(self, *kinds: int, number: int) -> None:
        for viewer in self.viewers:
            for kind in kinds:
                if connection := viewer.connections.get((int(kind), number)):
                    connection.leaving = True

    async def _listen(self, ear: Ear, reader: EventReader) -> None:
        with ear.scope:
            async for event in reader:
                ear.heard.append(event)
