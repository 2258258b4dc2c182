"""Runs the commands of a session against a real server, and holds it to the model after each time all settle."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, Final
from unittest import mock
from uuid import uuid4

import numpy as np
import trio
from trio.testing import MockClock

from spicetrio.api import Server
from spicetrio.canvas import backlog, picture, region
from spicetrio.channels import cursor as cursor_channel
from spicetrio.channels import display as display_channel
from spicetrio.channels import inputs as inputs_channel
from spicetrio.channels.display import Display
from spicetrio.channels.inputs import Inputs
from spicetrio.server import worker, writer
from spicetrio.server.events import ConnectionEvent, EventKind, EventReader
from spicetrio.server.settings import Settings, WhenFull
from spicetrio.server.tickets import Role, Ticket
from spicetrio.wire import display as display_wire
from spicetrio.wire import inputs as inputs_wire
from spicetrio.wire import main
from spicetrio.wire.base import ClientDisconnecting, Disconnecting, Notify
from spicetrio.wire.enums import ChannelType, ImageCompression, LinkErrorCode, Locks, MouseMode
from spicetrio.wire.geometry import Rect
from tests.model import commands as c
from tests.model.pictures import Pixels, Pointer, Screen, Shape, area, black, copy_area, pattern, pixels_of, shape
from tests.model.viewers import LOCK_KEYS, Connection, Dialer, Event, Viewer, event_of
from tests.peer import RefusedError
from tests.server.rig import StockedKeys, descriptors

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

# Limits that pictures of this size reach.
LIMITS: Final[Sequence[tuple[Any, str, int]]] = (
    (picture, "BATCH_SIZE", 8192), (backlog, "MAX_COMMANDS", 8), (backlog, "STRIP_PIXELS", 1024),
    (region, "MAX_RECTS", 12), (region, "FEW_RECTS", 8), (region, "COARSE_RECTS", 4),
    (worker, "MAX_JOBS", 8), (worker, "MAX_BYTES", 65536), (worker, "PROMPT", 0.0002),
    (display_channel, "COPIED_BYTES", 4096), (cursor_channel, "CACHE_SIZE", 3),
    (inputs_channel, "QUEUE_LENGTH", 8), (writer, "BATCH_SIZE", 4096),
)  # fmt: skip


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
    going_on: trio.Event = field(default_factory=trio.Event)
    leave: trio.Event = field(default_factory=trio.Event)
    left: trio.Event = field(default_factory=trio.Event)


@dataclass(eq=False)
class Ear:
    """A reader of the server's connection events."""

    since: int
    heard: list[ConnectionEvent] = field(default_factory=list)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Session:
    """One server, its application, its viewers, and the model of all of them."""

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
        self.got: dict[int, list[Event]] = {}
        self._numbers = count()
        self._events_heard = 0
        self.nursery: trio.Nursery
        self.dialer: Dialer

    # The frame.

    async def run(self, commands: Sequence[c.Command]) -> None:
        async with trio.open_nursery() as self.nursery:
            tasks = trio.lowlevel.current_statistics().tasks_living
            self.dialer = Dialer(self.server, self.nursery)
            # The log outlives the server: the last connections end with that.
            with self.server.events() as reader:
                self.nursery.start_soon(self._listen, self.log, reader)
                async with self.server.opened():
                    for command in commands:
                        await getattr(self, f"on_{type(command).__name__}")(command)
                        self.look()
                    await self.on_Settle(c.Settle())
                    await self.resume_all()
                    await self.on_Settle(c.Settle())
                    await self._close_application()
                    for scope in self.drains:
                        scope.cancel()
                    for ear in self.ears:
                        ear.scope.cancel()
                for stream in self.knocks[::2]:  # those are pairs, which the server has no listener for
                    await trio.aclose_forcefully(stream)
                await self.until(self._everybody_left)
                self.log.scope.cancel()
            self.check_log()
            for stream in self.knocks[1::2]:
                await trio.aclose_forcefully(stream)
            await self.until(
                lambda: f"{extra} tasks are left"
                if (extra := trio.lowlevel.current_statistics().tasks_living - tasks)
                else ""
            )

    async def _close_application(self) -> None:
        while self.rooms:
            await self.on_CloseDisplay(c.CloseDisplay(0))
        await self.on_CloseInputs(c.CloseInputs())

    def _everybody_left(self) -> str:
        for viewer in self.viewers:
            for connection in viewer.connections.values():
                if not connection.ended:
                    return f"{viewer} still has {connection.key} after the server has ended"
        connected = sum(event.kind is EventKind.CONNECTED for event in self.log.heard)
        left = sum(event.kind is EventKind.DISCONNECTED for event in self.log.heard)
        return "" if connected == left else f"{connected} CONNECTED, {left} DISCONNECTED"

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

    # What can happen: the application.

    async def on_OpenDisplay(self, command: c.OpenDisplay) -> None:
        if len(self.rooms) >= 3:
            return
        await self.calm_inputs()
        opened: list[Room] = []
        ready = trio.Event()

        async def hold() -> None:
            async with self.server.open_display(command.width, command.height) as display:
                room = Room(display, black(command.width, command.height))
                opened.append(room)
                ready.set()
                await room.leave.wait()
            room.left.set()

        self.nursery.start_soon(hold)
        await ready.wait()
        room = opened[0]
        assert room.display.id == next(number for number in count() if number not in self.rooms)
        self.rooms[room.display.id] = room

    def room(self, number: int) -> Room | None:
        return list(self.rooms.values())[number % len(self.rooms)] if self.rooms else None

    async def on_CloseDisplay(self, command: c.CloseDisplay) -> None:
        if room := self.room(command.display):
            await self.calm_inputs()
            del self.rooms[room.display.id]
            self._channels_close(ChannelType.DISPLAY, ChannelType.CURSOR, number=room.display.id)
            room.leave.set()
            await self.until(
                lambda: "" if room.left.is_set() else "the display does not close", impatient=self.somebody_stalls
            )
            self._modes_changed()
            for draw in (room.display.fill(0, 0, 1, 1, 0), room.display.read()):
                try:
                    await draw
                except trio.ClosedResourceError:
                    pass
                else:
                    raise AssertionError("a closed display was drawn on")

    async def on_Resize(self, command: c.Resize) -> None:
        if room := self.room(command.display):
            await room.display.resize(command.width, command.height)
            room.pixels = black(command.width, command.height)

    async def on_Fill(self, command: c.Fill) -> None:
        if room := self.room(command.display):
            await self._fill(room, area(room.display.width, room.display.height, command.area), command.color)

    async def _fill(self, room: Room, rect: Rect, color: int) -> None:
        await room.display.fill(rect.left, rect.top, rect.width, rect.height, color)
        room.pixels[rect.top : rect.bottom, rect.left : rect.right] = color

    async def on_DrawImage(self, command: c.DrawImage) -> None:
        if room := self.room(command.display):
            rect = area(room.display.width, room.display.height, command.area)
            with trio.CancelScope() as scope:
                if command.cancelled:
                    scope.cancel()
                await self._draw_image(room, rect, command.seed)

    async def _draw_image(self, room: Room, rect: Rect, seed: int) -> None:
        content = pattern(seed, rect.width, rect.height)
        data = bytearray(content.tobytes())
        await room.display.draw_image(rect.left, rect.top, data, width=rect.width, height=rect.height)
        room.pixels[rect.top : rect.bottom, rect.left : rect.right] = content
        data[:] = bytes(len(data))  # the buffer is free again

    async def on_CopyArea(self, command: c.CopyArea) -> None:
        if room := self.room(command.display):
            rect = area(room.display.width, room.display.height, command.area)
            await self._copy_area(room, rect, command.src_x, command.src_y)

    async def _copy_area(self, room: Room, rect: Rect, x: int, y: int) -> None:
        x %= room.display.width - rect.width + 1
        y %= room.display.height - rect.height + 1
        await room.display.copy_area(rect.left, rect.top, rect.width, rect.height, x, y)
        copy_area(room.pixels, rect, x, y)

    async def on_DrawFrame(self, command: c.DrawFrame) -> None:
        if not (room := self.room(command.display)):
            return
        width, height = room.display.width, room.display.height
        frame = room.pixels.copy()
        damage: list[Rect] = []
        if command.scrolled:
            rect = area(width, height, command.scrolled)
            part = frame[rect.top : rect.bottom, rect.left : rect.right]
            frame[rect.top : rect.bottom, rect.left : rect.right] = np.roll(part, (command.dy, command.dx), (0, 1))
            damage.append(rect)
        for number, changed in enumerate(command.changed):
            rect = area(width, height, changed)
            frame[rect.top : rect.bottom, rect.left : rect.right] = pattern(
                command.seed + number, rect.width, rect.height
            )
            damage.append(rect)
        if command.damage == "more":
            damage += [Rect(-5, -5, width // 2, 9), Rect(width // 3, 0, width + 9, height + 9), Rect(0, 0, 0, 0)]
        data = bytearray(frame.tobytes())
        await room.display.draw_frame(data, None if command.damage == "unknown" else damage)
        room.pixels = frame
        data[:] = bytes(len(data))

    async def on_Burst(self, command: c.Burst) -> None:
        if not (room := self.room(command.display)):
            return
        random = Random(command.seed)
        for _ in range(command.count):
            numbers = (random.randrange(120), random.randrange(90), random.randrange(40), random.randrange(40))
            rect = area(room.display.width, room.display.height, numbers)
            match random.choice(["fill", "copy", "copy", "image"]):
                case "fill":
                    await self._fill(room, rect, random.randrange(1 << 24))
                case "copy":
                    await self._copy_area(room, rect, random.randrange(120), random.randrange(90))
                case _:
                    await self._draw_image(room, rect, random.randrange(1 << 16))

    async def on_Read(self, command: c.Read) -> None:
        if room := self.room(command.display):
            rect = area(room.display.width, room.display.height, command.area)
            got = pixels_of(await room.display.read(rect), rect.width, rect.height)
            assert (got == room.pixels[rect.top : rect.bottom, rect.left : rect.right]).all(), "the picture is wrong"

    async def on_MovePointer(self, command: c.MovePointer) -> None:
        if not (room := self.room(command.display)):
            return
        cursor = room.display.cursor
        match command.how:
            case "set":
                room.shape = shape(command.seed)
                cursor.set(
                    room.shape.pixels, room.shape.hot_x, room.shape.hot_y,
                    width=room.shape.width, height=room.shape.height,
                )  # fmt: skip
            case "move":
                room.position, room.visible = (command.seed, 2 * command.seed), True
                cursor.move(*room.position)
            case "hide":
                room.visible = False
                cursor.hide()
            case "show":
                room.visible = True
                cursor.show()

    async def on_OpenInputs(self, command: c.OpenInputs) -> None:
        if self.desk is not None:
            return
        opened: list[Desk] = []
        ready = trio.Event()

        async def hold() -> None:
            async with self.server.open_inputs(absolute=command.absolute) as inputs:
                desk = Desk(inputs)
                desk.going_on.set()
                opened.append(desk)
                self.nursery.start_soon(self._take_inputs, desk)
                ready.set()
                await desk.leave.wait()
            desk.left.set()

        self.nursery.start_soon(hold)
        await ready.wait()
        self.desk = opened[0]

    async def _take_inputs(self, desk: Desk) -> None:
        async for event in desk.inputs:
            if event is LAST:
                return
            self._events_heard += 1
            self.got.setdefault(event.viewer.connection_id, []).append(event_of(event))
            await desk.going_on.wait()

    async def on_CloseInputs(self, command: c.CloseInputs) -> None:
        if (desk := self.desk) is None:
            return
        await self.calm_inputs()
        for viewer in self.viewers:
            for connection in viewer.of(ChannelType.INPUTS):
                connection.leaving = True
        self.desk = None
        desk.going_on.set()
        desk.leave.set()
        await self.until(
            lambda: "" if desk.left.is_set() else "the inputs do not close", impatient=self.somebody_stalls
        )
        desk.inputs.put(LAST)  # what was left before is still taken
        self._modes_changed()
        await self.on_Settle(c.Settle())

    async def on_PauseInputs(self, command: c.PauseInputs) -> None:
        if self.desk is not None and self.desk.going_on.is_set():
            self.desk.going_on = trio.Event()

    async def on_SetLocks(self, command: c.SetLocks) -> None:
        if self.desk is not None:
            await self.calm_inputs()
            self.desk.locks = self.desk.told = command.locks
            self.desk.inputs.set_locks(Locks(command.locks))

    # What can happen: viewers.

    def viewer(self, number: int) -> Viewer | None:
        here = [viewer for viewer in self.viewers if viewer.state == "here"]
        return here[number % len(here)] if here else None

    async def on_Join(self, command: c.Join) -> None:
        if len(self.viewers) >= 6:
            return
        if self.setup.max_viewers < 100:
            await self.on_Settle(c.Settle())
        ticket = TICKETS[command.ticket]
        full = len(self.viewers) >= self.setup.max_viewers
        refused = ticket not in self.valid or self.closed or (full and not self.setup.take_over)
        if full and not refused:
            self.doom(self.viewers[0])

        async def join() -> None:
            try:
                viewer = await self._join(command, ticket)
            except RefusedError:
                assert refused, "a viewer was refused that has a ticket, and for whom there is a place"
            else:
                assert not refused, "a viewer was let in that should have been refused"
                self.viewers.append(viewer)
                await self._attach(viewer, initialise=not command.withhold_init)

        await self.patiently(join)

    @property
    def closed(self) -> bool:
        """Somebody drains the server, or has."""
        return bool(self.drains or self.drained)

    async def _join(self, command: c.Join, ticket: Ticket) -> Viewer:
        key = (int(ChannelType.MAIN), 0)
        viewer = Viewer(next(self._numbers), None, ticket, command.caps, command.lz4, command.transport)
        channel = await self.dialer.link(
            viewer, command.transport, key, password=ticket.password, common=viewer.common
        )
        init = await channel.receive()
        assert isinstance(init, main.Init)
        viewer.client = next(one for one in self.server.clients.value if one.connection_id == init.session_id)
        connection = Connection(channel, key)
        connection.messages.append(init)
        viewer.connections[key] = connection
        self.nursery.start_soon(connection.run)
        await trio.testing.wait_all_tasks_blocked()
        await connection.send(main.AttachChannels())
        return viewer

    async def on_Attach(self, command: c.Attach) -> None:
        if viewer := self.viewer(command.viewer):
            await self._attach(viewer, initialise=True)

    async def _attach(self, viewer: Viewer, *, initialise: bool) -> None:
        for key in self.server.channels:
            if key in viewer.connections or viewer.state != "here":
                continue
            try:
                channel = await self.dialer.link(
                    viewer, viewer.transport, key,
                    password=viewer.ticket.password, common=viewer.common, connection_id=viewer.client.connection_id,
                )  # fmt: skip
            except RefusedError:
                assert viewer.ticket not in self.valid, f"{viewer} was refused {key}"
                return
            assert viewer.ticket in self.valid, f"{viewer} was let to {key} without a valid ticket"
            connection = Connection(channel, key)
            if key[0] == ChannelType.DISPLAY:
                connection.screen = Screen(monitors_config=viewer.caps != "none")
                connection.wanted = viewer.effective(ImageCompression[self.setup.compression])
                connection.screen.allowed = {connection.wanted}
            elif key[0] == ChannelType.CURSOR:
                connection.pointer = Pointer()
            viewer.connections[key] = connection
            if initialise and not connection.initialised:
                await connection.initialise()
            self.nursery.start_soon(connection.run)

    async def on_Knock(self, command: c.Knock) -> None:
        match command.how:
            case "silent" | "partial":
                if len(self.knocks) < 8:
                    stream = await self.dialer.connect("tcp" if len(self.knocks) % 2 else "pair")
                    if command.how == "partial":
                        await stream.send_all(b"REDQ\2\0\0\0\2")
                    self.knocks.append(stream)
            case "gone":
                async with await self.dialer.connect("unix") as stream:
                    await stream.send_all(b"REDQ\2\0\0\0\2")
            case "garbage":
                async with await self.dialer.connect("unix") as stream:
                    await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
                    assert (await stream.receive_some())[:4] == b"REDQ"
            case _:
                await self._knock_wrongly(command.how)

    async def _knock_wrongly(self, how: str) -> None:
        key, connection_id, password = (int(ChannelType.MAIN), 0), 0, "wrong"
        expected = LinkErrorCode.PERMISSION_DENIED
        if how != "wrong ticket":
            password = TICKETS[0].password
        if how == "wrong id":
            key, connection_id = (int(ChannelType.DISPLAY), min(self.rooms, default=0)), 12345
            if not self.rooms:
                expected = LinkErrorCode.CHANNEL_NOT_AVAILABLE
            elif TICKETS[0] in self.valid:
                expected = LinkErrorCode.BAD_CONNECTION_ID
        elif how == "wrong channel":
            key, expected = (int(ChannelType.DISPLAY), 99), LinkErrorCode.CHANNEL_NOT_AVAILABLE
        try:
            await self.dialer.link(None, "pair", key, password=password, connection_id=connection_id)
        except RefusedError as error:
            assert error.code == expected
        else:
            raise AssertionError("a link was accepted that is wrong")

    def connection(self, number: int, channel: str) -> tuple[Viewer, Connection] | None:
        """A connection that is there, of a viewer that is there."""
        if viewer := self.viewer(number):
            for connection in viewer.of(TYPES[channel]):
                if not connection.leaving:
                    return viewer, connection
        return None

    async def on_Stall(self, command: c.Stall) -> None:
        if found := self.connection(command.viewer, command.channel):
            found[1].stall(command.how)

    async def on_Resume(self, command: c.Resume) -> None:
        if viewer := self.viewer(command.viewer):
            for connection in viewer.connections.values():
                await connection.resume()

    async def resume_all(self) -> None:
        for viewer in self.viewers:
            for connection in viewer.connections.values():
                await connection.resume()

    async def on_Prefer(self, command: c.Prefer) -> None:
        if not (viewer := self.viewer(command.viewer)):
            return
        compression = ImageCompression[command.compression]
        for connection in viewer.of(ChannelType.DISPLAY):
            if connection.initialised and not connection.leaving:
                if compression != ImageCompression.GLZ:  # which the server does not have: it changes nothing
                    assert connection.screen is not None
                    connection.wanted = viewer.effective(compression)
                    connection.screen.allowed.add(connection.wanted)
                await connection.send(display_wire.PreferredCompression(compression))

    async def on_ChooseMode(self, command: c.ChooseMode) -> None:
        if found := self.connection(command.viewer, "main"):
            viewer, connection = found
            await self.calm_inputs()
            mode = MouseMode.CLIENT if command.client else MouseMode.SERVER
            await connection.send(main.MouseModeRequest(mode))
            if mode in self.modes:
                viewer.mode = mode
                viewer.moved_itself |= command.client
            await self.on_Settle(c.Settle())

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

    def inputs_of(self, number: int) -> tuple[Viewer, Connection, Desk] | None:
        found = self.connection(number, "inputs")
        return (*found, self.desk) if found and self.desk else None

    async def on_Type(self, command: c.Type) -> None:
        if not (found := self.inputs_of(command.viewer)):
            return
        viewer, connection, desk = found
        self.inputs_under_way = True
        for code, down in command.keys:
            if down and code not in viewer.holds("key") and viewer.controls:
                desk.locks ^= next((lock for lock, key in LOCK_KEYS.items() if key == code), 0)
                desk.told = None if code in LOCK_KEYS.values() else desk.told
            viewer.expect(("key", code, down))
            codes = [byte for byte in code.to_bytes(3, "big") if byte]
            if not down:
                codes = [byte if byte in (0xE0, 0xE1) else byte | 0x80 for byte in codes]
            word = int.from_bytes(bytes(codes), "little")
            await connection.send(inputs_wire.KeyDown(word) if down else inputs_wire.KeyUp(word))

    async def on_Point(self, command: c.Point) -> None:
        if not (found := self.inputs_of(command.viewer)):
            return
        viewer, connection, _ = found
        self.inputs_under_way = True
        held = viewer.holds("button")
        mask = sum(1 << button - 1 for button in held) if command.truthful else 0
        let_go = [] if command.truthful else [("button", button, False) for button in held]
        if viewer.mode == MouseMode.CLIENT:
            x, y, room = abs(command.x), abs(command.y), min(self.rooms)
            viewer.expect(("position", x, y, room), *let_go)
            await connection.send(inputs_wire.MousePosition(x, y, mask, room))
        else:
            viewer.expect(*let_go, ("motion", command.x, command.y))
            await connection.send(inputs_wire.MouseMotion(command.x, command.y, mask))

    async def on_Click(self, command: c.Click) -> None:
        if not (found := self.inputs_of(command.viewer)):
            return
        viewer, connection, _ = found
        self.inputs_under_way = True
        if command.button in (4, 5):
            if command.down:
                viewer.expect(("wheel", 2 * command.button - 9))
        elif command.down or command.button in viewer.holds("button"):
            viewer.expect(("button", command.button, command.down))
        kind = inputs_wire.MousePress if command.down else inputs_wire.MouseRelease
        await connection.send(kind(command.button, 0))

    async def on_TellLocks(self, command: c.TellLocks) -> None:
        if not (found := self.inputs_of(command.viewer)):
            return
        viewer, connection, desk = found
        await self.calm_inputs()
        if viewer.controls and viewer.state == "here":
            for lock, code in LOCK_KEYS.items():
                if (command.locks ^ desk.locks) & lock and code not in viewer.holds("key"):
                    viewer.expect(("key", code, True), ("key", code, False))
                    desk.locks ^= lock
                    desk.told = None
        self.inputs_under_way = True
        await connection.send(inputs_wire.ClientKeyModifiers(command.locks))

    async def on_Drop(self, command: c.Drop) -> None:
        if not (found := self.connection(command.viewer, command.channel)):
            return
        viewer, connection = found
        self.inputs_under_way = True
        mini = viewer.caps == "mini"
        match command.how:
            case "garbage":
                await connection.send_bytes(b"\xff" * 64)
            case "oversize":  # a PONG of a gigabyte
                header = (3).to_bytes(2, "little") + (1 << 30).to_bytes(4, "little")
                await connection.send_bytes(header if mini else bytes(8) + header + bytes(4))
            case "goodbye":
                await connection.send(ClientDisconnecting(0, 0))
                connection.close()
            case "half":
                await connection.send_bytes(b"\1\0\x08")
                connection.close()
            case "close":
                connection.close()
            case "reset":
                connection.reset()
        connection.leaving = True
        if command.how in ("garbage", "oversize") or command.channel == "main":
            self.doom(viewer)
        else:
            viewer.state = "unsure"  # if the server noticed when it wrote, it was a failure

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

    # What can happen: the server.

    async def on_End(self, command: c.End) -> None:
        if viewer := self.viewer(command.viewer):
            viewer.client.end(command.reason)
            self.doom(viewer)
            if not self.somebody_stalls():
                viewer.farewell = command.reason

    async def on_SetTickets(self, command: c.SetTickets) -> None:
        self.valid = [ticket for ticket, valid in zip(TICKETS, command.valid, strict=True) if valid]
        self.server.tickets = self.valid

    async def on_BeginDrain(self, command: c.BeginDrain) -> None:
        await self.on_Settle(c.Settle())
        if self.viewers and len(self.drains) < 2:
            scope = trio.CancelScope()

            async def drain() -> None:
                with scope:
                    await self.server.drain()
                if not scope.cancelled_caught:
                    self.drained += 1
                    self.drains.remove(scope)

            self.drains.append(scope)
            self.nursery.start_soon(drain)
            await trio.testing.wait_all_tasks_blocked()

    async def on_CancelDrain(self, command: c.CancelDrain) -> None:
        await self.on_Settle(c.Settle())
        if self.drains:
            self.drains.pop(0).cancel()
            await trio.testing.wait_all_tasks_blocked()

    async def on_OpenReader(self, command: c.OpenReader) -> None:
        if len(self.ears) < 3:
            await self.on_Settle(c.Settle())
            ear = Ear(len(self.log.heard))

            async def listen() -> None:
                with self.server.events() as reader:
                    await self._listen(ear, reader)

            self.ears.append(ear)
            self.nursery.start_soon(listen)
            await trio.testing.wait_all_tasks_blocked()

    async def on_CloseReader(self, command: c.CloseReader) -> None:
        if self.ears:
            self.ears.pop(command.reader % len(self.ears)).scope.cancel()

    async def _listen(self, ear: Ear, reader: EventReader) -> None:
        with ear.scope:
            async for event in reader:
                ear.heard.append(event)

    async def on_PassTime(self, command: c.PassTime) -> None:
        await self.on_Settle(c.Settle())
        silent = [viewer for viewer in self.viewers if viewer.stalled]
        self.time_passes = True
        for _ in range(7):
            for viewer in silent:
                if viewer.state == "here":
                    viewer.state = "unsure"
            self.clock.jump(PING)
            await trio.testing.wait_all_tasks_blocked()  # all are asked for a sign of life
            await self.on_Settle(c.Settle())
        self.time_passes = False
        for viewer in silent:  # others may still have been heard
            if viewer in self.viewers and any(not one.reading.is_set() for one in viewer.connections.values()):
                self.doom(viewer)
        knocks, self.knocks = self.knocks, []
        await self.on_Settle(c.Settle())
        for stream in knocks:
            await trio.aclose_forcefully(stream)

    # What must hold.

    def look(self) -> None:
        """What holds at any moment, however much is under way."""
        assert len(self.server.clients.value) <= self.setup.max_viewers
        for figures in self.server.statistics().connections:
            kind = figures.channel[0]
            most = {ChannelType.DISPLAY: 20_000, ChannelType.CURSOR: 3_000}.get(ChannelType(kind), 10_000)
            assert figures.queued <= figures.queued_peak <= most, f"{figures.queued_peak} bytes wait at {figures.channel}"
        for room in self.rooms.values():
            assert room.display.worker._bytes <= 65536 + 4 * c.WIDEST * c.HIGHEST

    async def on_Settle(self, command: c.Settle) -> None:
        """Everybody who can comes to have what they are due; then who left is forgotten."""
        if self.desk is not None:
            self.desk.going_on.set()
        for number, room in self.rooms.items():
            width, height = room.display.width, room.display.height
            assert (height, width) == room.pixels.shape
            got = pixels_of(await room.display.read(), width, height)
            assert (got == room.pixels).all(), f"the picture of display {number} is wrong"
        await self.until(lambda: next(self.missing(), ""), impatient=self._ends_somebody_stalled)
        self.inputs_under_way = False
        for viewer in self.viewers:
            for key, connection in list(viewer.connections.items()):
                if connection.leaving:
                    await self._forget(viewer, key, connection)
                elif connection.screen is not None and not connection.stalled:
                    connection.screen.allowed = {connection.wanted}
            viewer.certain = len(viewer.expected)
        self.viewers = [viewer for viewer in self.viewers if viewer.state == "here"]
        self._check_workers()

    def _ends_somebody_stalled(self) -> bool:
        return any(
            viewer.state != "here" or any(connection.leaving for connection in viewer.connections.values())
            for viewer in self.viewers
            if viewer.stalled
        )

    async def _forget(self, viewer: Viewer, key: tuple[int, int], connection: Connection) -> None:
        """Take leave of a connection that the server has let go."""
        if viewer.farewell is not None and key[0] == ChannelType.MAIN:
            await self.until(lambda: "" if connection.ended else f"{viewer} sees no end")
            assert isinstance(connection.messages[-1], Disconnecting), "it was not told that it is over"
            notes = [message.text for message in connection.messages if isinstance(message, Notify)]
            assert notes == ([viewer.farewell] if viewer.farewell else []), "it was not told why"
        if not connection.ended:
            connection.close()
            await self.until(lambda: "" if connection.ended else "a task of the test does not end")
        if key[0] == ChannelType.INPUTS:
            got = self.got.pop(viewer.client.connection_id, [])
            assert not (wrong := viewer.explain(got)), f"{viewer}: {wrong}"
            viewer.expected = []
        del viewer.connections[key]

    def missing(self) -> Iterator[str]:
        """What has not come about yet, in words; nothing if all has."""
        there = {
            (client.client.connection_id, key): client
            for key, channel in self.server._channels.items()
            for client in channel.clients
        }
        for viewer in self.viewers:
            number = viewer.client.connection_id
            for key, connection in viewer.connections.items():
                # A channel lists those that it can post to, a viewer also those that are still ending.
                if connection.leaving and ((number, key) in there or key in viewer.client.channels):
                    yield f"{viewer} still has {key}"
            if viewer.state == "unsure":
                if viewer.client.nursery.cancel_scope.cancel_called:
                    self.doom(viewer)
                else:
                    viewer.state = "here"
        here = [viewer.client for viewer in self.viewers if viewer.state == "here"]
        if list(self.server.clients.value) != here:
            yield f"viewers {self.server.clients.value}, expected {here}"
        expected = {
            (viewer.client.connection_id, key)
            for viewer in self.viewers
            for key, connection in viewer.connections.items()
            if not connection.leaving
        }
        if set(there) != expected:
            yield f"connections {sorted(set(there) ^ expected)} are too many or missing"
        if not self.time_passes and self.server.statistics().half_open != len(self.knocks):
            yield f"{self.server.statistics().half_open} half-open connections, expected {len(self.knocks)}"
        kinds = [event.kind for event in self.log.heard]
        open_now = kinds.count(EventKind.CONNECTED) - kinds.count(EventKind.DISCONNECTED)
        if not self.time_passes and open_now != len(expected) + len(self.knocks):
            yield f"events tell of {open_now} connections, expected {len(expected)} and {len(self.knocks)}"
        yield from self._missing_figures()
        for viewer in self.viewers:
            if viewer.state == "here":
                for key, connection in viewer.connections.items():
                    if not connection.leaving:
                        yield from self._missing_at(viewer, key, connection)
                yield from self._missing_input(viewer)
            else:
                yield from self._missing_releases(viewer)
        if self.desk is not None and self.desk.inputs.locks.value != self.desk.locks:
            yield f"locks are {self.desk.inputs.locks.value}, expected {self.desk.locks}"
        if self.drains and not self.viewers:
            yield "a drained server goes on draining"
        for ear in self.ears:
            if ear.heard != self.log.heard[ear.since :]:
                yield "two readers heard different events"

    def _missing_figures(self) -> Iterator[str]:
        """The server's statistics and the viewers' own are about the same connections, and agree."""
        figures = {(one.client.connection_id, one.channel): one for one in self.server.statistics().connections}
        for viewer in self.viewers:
            for key, connection in viewer.connections.items():
                if connection.leaving:
                    continue
                one = figures.pop((viewer.client.connection_id, key))
                if one.received != connection.sent:
                    yield f"{viewer} sent {connection.sent} to {key}, and {one.received} arrived"
                if not connection.stalled and (one.queued or one.sent != connection.channel.received):
                    yield f"{viewer} got {connection.channel.received} from {key} of {one.sent}, {one.queued} wait"
        if figures:
            yield f"statistics of {list(figures)}, which are gone"

    def _missing_at(self, viewer: Viewer, key: tuple[int, int], connection: Connection) -> Iterator[str]:
        if connection.ended:
            raise AssertionError(f"{viewer} was disconnected from {key} and did nothing wrong")
        if connection.stalled:
            return
        if connection.screen is not None:
            if wrong := connection.screen.shows(self.rooms[key[1]].pixels):
                yield f"{viewer}: display {key[1]} shows {wrong}"
        elif connection.pointer is not None:
            yield from self._missing_pointer(viewer, self.rooms[key[1]], connection.pointer)
        elif key[0] == ChannelType.MAIN:
            if extra := viewer.announced() ^ {one for one in self.server.channels if one[0] != ChannelType.MAIN}:
                # Nothing tells a viewer that a channel is gone.
                if extra - viewer.announced():
                    yield f"{viewer} was not told of {extra}"
            if viewer.client.mouse_mode.value != viewer.mode or viewer.told_mode() != viewer.mode:
                yield f"{viewer} has mouse mode {viewer.client.mouse_mode.value}, expected {viewer.mode}"
        elif self.desk is not None and self.desk.told is not None:
            lights = [message.modifiers for message in connection.messages if hasattr(message, "modifiers")]
            if lights[-1] != self.desk.told:
                yield f"{viewer} shows lock lights {lights[-1]}, expected {self.desk.told}"

    def _missing_pointer(self, viewer: Viewer, room: Room, pointer: Pointer) -> Iterator[str]:
        if not pointer.begun:
            yield f"{viewer} has no pointer"
        if pointer.shape != room.shape or pointer.visible != room.visible:
            yield f"{viewer} has the pointer {pointer.shape}, {pointer.visible}"
        if not viewer.moved_itself and room.visible and pointer.position != room.position:
            yield f"{viewer} has the pointer at {pointer.position}, expected {room.position}"

    def _missing_input(self, viewer: Viewer) -> Iterator[str]:
        got = self.got.get(viewer.client.connection_id, [])
        if any(connection.leaving for connection in viewer.of(ChannelType.INPUTS)):
            yield from self._missing_releases(viewer)
        elif got != viewer.expected:
            yield f"{viewer}: input {got}, expected {viewer.expected}"

    def _missing_releases(self, viewer: Viewer) -> Iterator[str]:
        if wrong := viewer.explain(self.got.get(viewer.client.connection_id, [])):
            yield f"{viewer}: {wrong}"

    def _check_workers(self) -> None:
        """The Workers know the viewers that are there, and what they keep for those who do not read is bounded."""
        for number, room in self.rooms.items():
            worker = room.display.worker
            known = sum(
                connection.initialised
                for viewer in self.viewers
                for connection in viewer.of(ChannelType.DISPLAY)
                if connection.key[1] == number
            )
            assert len(worker._viewers) == known, f"{len(worker._viewers)} viewers attached, expected {known}"
            assert worker._sated <= worker._viewers.keys()
            assert set(worker._credits) <= worker._viewers.keys()
            assert len(worker._credits) == len(set(worker._credits))
            for one in list(worker._picture._viewers.values()):
                assert len(one.backlog._commands) <= backlog.MAX_COMMANDS
                assert len(one.backlog._dirty) <= 4 * region.MAX_RECTS

    def check_log(self) -> None:
        """Each connection has a first and a last event, and says why it ended."""
        stories: dict[int, list[ConnectionEvent]] = {}
        for event in self.log.heard:
            stories.setdefault(event.connection, []).append(event)
        assert sorted(stories) == list(range(1, len(stories) + 1))
        order = list(EventKind)
        for story in stories.values():
            kinds = [event.kind for event in story]
            assert kinds[0] is EventKind.CONNECTED
            assert kinds[-1] is EventKind.DISCONNECTED
            assert kinds[:-1] == order[: len(kinds) - 1], kinds
            assert story[-1].reason
            assert "fault of ours" not in story[-1].reason
            assert all(event.kind is not EventKind.INITIALISED or event.client for event in story)


@contextmanager
def limits() -> Iterator[None]:
    with ExitStack() as stack:
        for module, name, value in LIMITS:
            stack.enter_context(mock.patch.object(module, name, value))
        yield


def run(setup: c.Setup, commands: Sequence[c.Command], *, patience: float = PATIENCE) -> None:
    """Run a session from the beginning to the end; afterwards nothing of it is left."""
    faults = Faults()
    logger = logging.getLogger("spicetrio")
    before = descriptors()
    logger.addHandler(faults)
    clock = MockClock(rate=1.0)
    session = Session(setup, clock, patience)
    try:
        with limits():
            trio.run(session.run, commands, clock=clock)
    except BaseException as error:
        for event in session.log.heard[-20:]:
            error.add_note(f"{event.kind.name} {event.connection} {event.channel} {event.client}: {event.reason}")
        error.add_note(f"replay: run({setup!r}, {commands!r})")
        raise
    finally:
        logger.removeHandler(faults)
    assert not faults.seen, faults.seen[0]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("spicetrio")]
    if descriptors() != before:
        gc.collect()
    assert descriptors() == before, "descriptors are left"
