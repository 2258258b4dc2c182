"""What the application does: displays, pictures, pointers, inputs."""

from __future__ import annotations

from itertools import count
from random import Random

import numpy as np
import trio

from spicetrio.wire.enums import ChannelType, Locks
from spicetrio.wire.geometry import Rect
from tests.model import commands as c
from tests.model.pictures import area, black, copy_area, pattern, pixels_of, shape
from tests.model.state import LAST, Desk, Room, State
from tests.model.viewers import event_of


class Application(State):
    """The application's side of a session."""

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
