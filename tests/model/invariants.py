"""What must hold: at any moment, once all have settled, and in the end."""

from __future__ import annotations

from collections.abc import Iterator

from spicetrio.canvas import backlog, region
from spicetrio.server.events import ConnectionEvent, EventKind
from spicetrio.wire.base import Disconnecting, Notify
from spicetrio.wire.enums import ChannelType
from tests.model import commands as c
from tests.model.pictures import Pointer, pixels_of
from tests.model.state import Room, State
from tests.model.viewers import Connection, Viewer


class Invariants(State):
    """The model, held against the server and the viewers."""

    def look(self) -> None:
        """What holds at any moment, however much is under way."""
        assert len(self.server.clients.value) <= self.setup.max_viewers
        for figures in self.server.statistics().connections:
            kind = figures.channel[0]
            # A batch of 8192 bytes, and one image: each message has some 100 bytes, and is taken to cost 256 besides.
            most = {ChannelType.DISPLAY: 34_000, ChannelType.CURSOR: 3_000}.get(ChannelType(kind), 10_000)
            assert figures.queued <= figures.queued_peak <= most, (
                f"{figures.queued_peak} bytes wait at {figures.channel}"
            )
        for channel in self.server._channels.values():
            for served in channel._clients:
                over = served.client.nursery.cancel_scope.cancel_called
                assert over or served.client in self.server.clients.value, f"{channel} serves a viewer that is gone"
                assert channel.key in served.client.channels
        for room in self.rooms.values():
            worker = room.display.worker
            assert worker._bytes <= 65536 + 4 * c.WIDEST * c.HIGHEST
            assert worker._sated <= worker._viewers.keys()
            assert set(worker._credits) <= worker._viewers.keys()
            assert len(worker._credits) == len(set(worker._credits))
            assert len(worker._viewers) <= len(room.display._clients)

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
        self.inputs_under_way = self.locks_under_way = False
        for viewer in self.viewers:
            for key, connection in list(viewer.connections.items()):
                if connection.leaving:
                    await self._forget(viewer, key, connection)
                elif connection.screen is not None and not connection.stalled:
                    connection.screen.allowed = {connection.wanted}
            viewer.certain = len(viewer.expected)
        self.viewers = [viewer for viewer in self.viewers if viewer.state == "here"]
        await self._check_workers()

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
            viewer.lights = None
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
            if missing := {one for one in self.server.channels if one[0] != ChannelType.MAIN} - viewer.announced():
                yield f"{viewer} was not told of {missing}"
            if viewer.client.mouse_mode.value != viewer.mode or viewer.told_mode() != viewer.mode:
                yield f"{viewer} has mouse mode {viewer.client.mouse_mode.value}, expected {viewer.mode}"
        elif self.desk is not None and self.desk.told is not None:
            lights = [message.modifiers for message in connection.messages if hasattr(message, "modifiers")]
            if lights[-1:] != [self.desk.told]:  # at first it was told none
                yield f"{viewer} shows lock lights {lights[-1:]}, expected {self.desk.told}"

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

    async def _check_workers(self) -> None:
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
            assert await worker.ask(lambda picture: len(picture._viewers)) == known
            for one in list(worker._picture._viewers.values()):
                assert len(one.reader.backlog._commands) <= backlog.MAX_COMMANDS
                assert len(one.reader.backlog._known[0].dirty) <= 4 * region.MAX_RECTS

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
