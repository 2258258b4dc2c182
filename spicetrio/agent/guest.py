"""The agent in a guest, behind a stream such as a virtio port.

To the viewers this is the agent, and to the agent in the guest it is the one viewer. So that agent need not know that
there are several, and what each end can do is agreed on with that end (spec AG-2 to AG-17).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import ClassVar, Final

import trio

from spicetrio.agent.clipboardpeer import ClipboardPeer
from spicetrio.agent.device import Device
from spicetrio.agent.end import CLIPBOARD_CAPABILITIES, CLIPBOARD_HANDLERS, AgentEnd
from spicetrio.agent.files import MAX_WAITING
from spicetrio.agent.host import AgentHost
from spicetrio.agent.session import AgentSession
from spicetrio.agent.transport import AgentTransport
from spicetrio.server.channel import Handler
from spicetrio.server.client import Client
from spicetrio.server.settings import Settings
from spicetrio.wire import agent
from spicetrio.wire.agent import Dialect
from spicetrio.wire.agentstream import frame
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import AgentCapability, AgentMessage, AgentPort, FileTransferStatus, Selection
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.link import Capabilities

logger: Final = logging.getLogger("spicetrio.agent")

OURS: Final = Capabilities(
    CLIPBOARD_CAPABILITIES
    | {
        AgentCapability.MOUSE_STATE,
        AgentCapability.MONITORS_CONFIG,
        AgentCapability.REPLY,
        AgentCapability.DISPLAY_CONFIG,
        AgentCapability.AUDIO_VOLUME_SYNC,
        AgentCapability.MONITORS_CONFIG_POSITION,
        AgentCapability.FILE_XFER_DETAILED_ERRORS,
    }
)
"""What the guest is told that its viewer can do."""
_PASSED_ON: Final = (
    frozenset(AgentCapability)
    - CLIPBOARD_CAPABILITIES
    - {
        AgentCapability.MOUSE_STATE,
        AgentCapability.CLIPBOARD,
        AgentCapability.GRAPHICS_DEVICE_INFO,
    }
)


@dataclass(slots=True, eq=False)
class _File:
    """A transfer that has not ended."""

    session: AgentSession
    """Whose it is."""
    number: int
    """The viewer's number for it."""
    begun: bool = False
    """The guest takes its data."""


class GuestAgent(AgentHost, AgentEnd):
    """The agent in a guest.

    Args:
        settings: Those of the server.
        nursery: Of the agent.
        stream: Whose other end is the agent's port.
        devices: Which devices of the guest the displays show.
        changed: Called when it has become known what it can do.
    """

    def __init__(
        self,
        settings: Settings,
        nursery: trio.Nursery,
        stream: trio.abc.Stream,
        *,
        devices: Sequence[agent.GraphicsDevice],
        changed: Callable[[], None],
    ) -> None:
        AgentHost.__init__(self, settings, nursery)
        AgentEnd.__init__(self)
        self._device = Device(stream)
        self._devices = tuple(devices)
        self._changed = changed
        self._able = Capabilities()
        self._asked = False
        """It was asked what it can do, and did not answer yet."""
        self.clipboard = ClipboardPeer("the guest", self.clipboards, self, nursery, gives=True, takes=True, yields=True)
        self._file_numbers = count(1)
        self._files: dict[int, _File] = {}

    @property
    def moves_pointer(self) -> bool:
        """It takes the pointer's place, so viewers may draw the pointer themselves (spec AG-18)."""
        return self.settings.agent_mouse and AgentCapability.MOUSE_STATE in self._able

    async def run(self) -> None:
        """Talk to the guest until its end of the stream is closed, or it breaks the protocol, which is logged.

        Cancellation: the stream is of no more use.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._device.send)
                await self._receive()
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            logger.info("the port of the guest's agent was closed")
        except* RemoteProtocolError as group:
            logger.warning("ended the guest's agent: %s", group.exceptions[0])
        finally:
            self.clipboard.end()

    async def _receive(self) -> None:
        while (parts := await self._device.receive()) is not None:
            for part in parts:
                self.reader.receive_data(part)
                self.hear()
                while message := self.reader.next_message():
                    for sender in (self, AgentPort.SERVER):
                        await self._device.room(sender)
                    self.handle(message)

    # The guest's line.

    async def room(self) -> None:
        """Return once not much of the clipboards waits for the guest.

        Cancellation: nothing happens.
        """
        await self._device.room(self)

    def post(self, message: Message, sender: object = None) -> None:
        """Leave a message for the guest, in the name of a sender; by default of the clipboards."""
        self._device.post(sender or self, frame(message, self.clipboard.dialect))

    def post_latest(self, topic: object, make: Callable[[], Message | None]) -> None:
        """Leave a message that tells how things stand."""
        message = make()
        if message is not None:
            self.post(message)

    def _post_own(self, message: Message) -> None:
        self._device.post(AgentPort.SERVER, frame(message, self.clipboard.dialect), AgentPort.SERVER)

    # What viewers want of the guest.

    async def serve(self, client: Client, transport: AgentTransport) -> None:
        """Answer one viewer. The guest is told of the first one, and that the last one has left (spec AG-11)."""
        if not self.sessions:
            self._begin_anew()
        try:
            await super().serve(client, transport)
        finally:
            if not self.sessions:
                for sender in (self, AgentPort.SERVER):
                    self._device.drop(sender)
                self._post_own(agent.ClientDisconnected())

    def _begin_anew(self) -> None:
        """Be a new viewer to the guest, which then forgets the one before."""
        self._asked = True
        self.post(agent.AnnounceCapabilities(1, OURS))
        self.clipboard.begin_anew()

    async def ready(self, session: AgentSession) -> None:
        """Return once not much of a viewer, and of the clipboards, waits for the guest."""
        await self._device.room(session)
        await self._device.room(self)

    def clipboard_changed(self, selection: Selection) -> None:
        """Take in that something else is offered, or nothing."""
        super().clipboard_changed(selection)
        self.clipboard.tell(selection)

    def point(self, state: agent.MouseState) -> None:
        """Move the pointer."""
        self._device.point(state)

    def configure_monitors(self, session: AgentSession, message: agent.MonitorsConfig) -> None:
        """Pass on which monitors a viewer wants."""
        self.post(message, session)

    def configure_display(self, session: AgentSession, message: agent.DisplayConfig) -> None:
        """Pass on how plain a viewer wants the desktop."""
        self.post(message, session)

    def sync_volume(self, session: AgentSession, message: agent.AudioVolumeSync) -> None:
        """Pass on the volume of a viewer."""
        self.post(message, session)

    async def start_file(self, session: AgentSession, message: agent.FileXferStart) -> None:
        """Pass on that a viewer wants to send a file, by a number that no other viewer uses."""
        mine = self._files_of(session)
        if message.id in mine or len(mine) >= MAX_WAITING:
            session.report_file(message.id, FileTransferStatus.ERROR)
            return
        number = next(self._file_numbers) & 0xFFFFFFFF
        self._files[number] = _File(session, message.id)
        self.post(agent.FileXferStart(number, message.keyfile), session)
        await self._device.room(session)

    async def write_file(self, session: AgentSession, message: agent.FileXferData) -> None:
        """Pass on a part of a file; returns when the guest has taken enough of those before."""
        number = self._files_of(session).get(message.id)
        if number is not None:
            self.post(agent.FileXferData(number, message.data), session)
        await self._device.room(session)

    async def end_file(self, session: AgentSession, message: agent.FileXferStatus) -> None:
        """Pass on that a viewer ended a transfer."""
        number = self._files_of(session).get(message.id)
        if number is not None:
            del self._files[number]
            self.post(agent.FileXferStatus(number, message.result), session)
        await self._device.room(session)

    def leave(self, session: AgentSession) -> None:
        """Take in that a viewer has left: the guest gets no more of its files, nor of what else it has sent."""
        self._device.drop(session)
        for number in self._files_of(session).values():
            if self._files.pop(number).begun:  # else it is cancelled if the guest answers
                self.post(agent.FileXferStatus(number, FileTransferStatus.CANCELLED), session)

    def _files_of(self, session: AgentSession) -> dict[int, int]:
        """Return the numbers of a viewer's transfers, its own to the guest's."""
        return {file.number: number for number, file in self._files.items() if file.session is session}

    # What the guest says.

    def _announced(self, message: agent.AnnounceCapabilities) -> None:
        self._able = message.capabilities
        if message.request and self.sessions and not self._asked:  # it started again, behind a port that stayed open
            self._begin_anew()
        elif message.request or not self.sessions:  # else it knows since the first viewer came
            self.post(agent.AnnounceCapabilities(0, OURS))
        self._asked = self._asked and bool(message.request)
        if AgentCapability.MAX_CLIPBOARD in self._able:
            self.post(agent.MaxClipboard(self.settings.clipboard_limit))
        if AgentCapability.GRAPHICS_DEVICE_INFO in self._able and self._devices:
            self._post_own(agent.GraphicsDeviceInfo(self._devices))
        shared = CLIPBOARD_CAPABILITIES if AgentCapability.CLIPBOARD_BY_DEMAND in self._able else frozenset()
        self.capabilities.value = Capabilities(shared | (self._able & _PASSED_ON))
        for session in self.sessions:
            session.announce()
        self.clipboard.agree(Dialect.of(Capabilities(OURS & self._able)))
        self._changed()

    def _reply(self, message: agent.Reply) -> None:
        for session in self.sessions:
            if session.has_room:  # else it has not read what it was told before
                session.post(message)

    def _file_status(self, message: agent.FileXferStatus) -> None:
        file = self._files.get(message.id)
        begins = message.result == FileTransferStatus.CAN_SEND_DATA
        if file is None:
            if begins:  # its viewer has left
                self.post(agent.FileXferStatus(message.id, FileTransferStatus.CANCELLED))
            return
        if begins and file.begun:
            return
        file.begun = begins
        if not begins:
            del self._files[message.id]
        known = message.result in frozenset(FileTransferStatus)
        file.session.report_file(
            file.number, FileTransferStatus(message.result) if known else FileTransferStatus.ERROR, message.detail
        )

    HANDLERS: ClassVar[Mapping[int, Handler]] = {
        **CLIPBOARD_HANDLERS,
        AgentMessage.ANNOUNCE_CAPABILITIES: Handler(agent.AnnounceCapabilities, _announced, 4096),
        AgentMessage.REPLY: Handler(agent.Reply, _reply, 64),
        AgentMessage.FILE_XFER_STATUS: Handler(agent.FileXferStatus, _file_status, 1024),
    }
