"""What viewers do, and others who connect; and what the server's owner does about them."""

from __future__ import annotations

import pytest
import trio

from spicetrio.server.tickets import Role, Ticket
from spicetrio.wire import display as display_wire
from spicetrio.wire import main
from spicetrio.wire.base import ClientDisconnecting
from spicetrio.wire.enums import ChannelType, ImageCompression, LinkErrorCode, MouseMode
from tests.model import commands as c
from tests.model.pictures import Pointer, Screen
from tests.model.state import PING, TICKETS, Ear, State
from tests.model.viewers import Connection, Viewer
from tests.peer import RefusedError


class Audience(State):
    """Everybody outside of the server."""

    async def on_Join(self, command: c.Join) -> None:
        if len(self.viewers) >= 6:
            return
        if self.setup.max_viewers < 100:
            await self.on_Settle(c.Settle())
        ticket = TICKETS[command.ticket]
        full = len(self.viewers) >= self.setup.max_viewers
        # Who may only view takes over from its like alone.
        giving_way = [viewer for viewer in self.viewers if ticket.role in (Role.CONTROL, viewer.ticket.role)]
        refused = ticket not in self.valid or self.closed or (full and not (self.setup.take_over and giving_way))
        if full and not refused:
            self.doom(giving_way[0])

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

    async def _join(self, command: c.Join, ticket: Ticket) -> Viewer:
        key = (int(ChannelType.MAIN), 0)
        viewer = Viewer(next(self._numbers), ticket, command.caps, command.lz4, command.transport)
        channel = await self.dialer.link(viewer, command.transport, key, password=ticket.password, common=viewer.common)
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
        with pytest.raises(RefusedError) as refusal:
            await self.dialer.link(None, "pair", key, password=password, connection_id=connection_id)
        assert refusal.value.code == expected

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

    async def on_Drop(self, command: c.Drop) -> None:
        await self.calm_locks()
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

    # The owner of the server.

    async def on_End(self, command: c.End) -> None:
        await self.calm_locks()
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
