"""What viewers do with keyboards and mice."""

from __future__ import annotations

from spicetrio.wire import inputs as inputs_wire
from spicetrio.wire.enums import MouseMode
from tests.model import commands as c
from tests.model.state import Desk, State
from tests.model.viewers import LOCK_KEYS, Connection, Viewer


class Input(State):
    """Keys, buttons and pointers."""

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
                if desk.typist is not viewer:
                    await self.calm_inputs()
                    self._begin_typing(viewer, desk)
                    self.inputs_under_way = True
                lock = next((lock for lock, key in LOCK_KEYS.items() if key == code), 0)
                desk.locks ^= lock
                desk.told = None if lock else desk.told
                self.locks_under_way |= bool(lock)
                viewer.lights = None if viewer.lights is None else viewer.lights ^ lock
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
        viewer.lights = command.locks
        if desk.typist is viewer or desk.typist not in self.viewers:
            self._begin_typing(viewer, desk)
        self.inputs_under_way = True
        await connection.send(inputs_wire.ClientKeyModifiers(command.locks))

    def _begin_typing(self, viewer: Viewer, desk: Desk) -> None:
        """Take in that the lights of this viewer count from now on."""
        if not viewer.controls or viewer.state != "here":
            return
        desk.typist = viewer
        lights = desk.locks if viewer.lights is None else viewer.lights
        for lock, code in LOCK_KEYS.items():
            if (lights ^ desk.locks) & lock and code not in viewer.holds("key"):
                viewer.expect(("key", code, True), ("key", code, False))
                desk.locks ^= lock
                desk.told = None
                self.locks_under_way = True
