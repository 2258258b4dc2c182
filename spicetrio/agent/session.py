"""What the agent is to one viewer: what the viewer may do, and the way of each message to whoever it is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Final

import trio

from spicetrio.agent.clipboardpeer import ClipboardPeer
from spicetrio.agent.end import CLIPBOARD_CAPABILITIES, CLIPBOARD_HANDLERS, AgentEnd
from spicetrio.agent.transport import AgentTransport
from spicetrio.server.channel import Handler
from spicetrio.server.client import Client
from spicetrio.server.settings import CopyPaste
from spicetrio.server.tickets import Role
from spicetrio.wire import agent
from spicetrio.wire.agentstream import frame
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import AgentCapability, AgentMessage, FileTransferStatus
from spicetrio.wire.link import Capabilities

if TYPE_CHECKING:
    from spicetrio.agent.host import AgentHost

MAX_MONITORS: Final = 256


class AgentSession(AgentEnd):
    """One viewer at one agent.

    Args:
        client: The viewer.
        transport: The way to it.
        host: What its messages are for.
        nursery: Of the viewer; ends with the session.
    """

    def __init__(self, client: Client, transport: AgentTransport, host: AgentHost, nursery: trio.Nursery) -> None:
        super().__init__()
        self.client: Final = client
        """The viewer."""
        self.controls: Final = client.role is Role.CONTROL
        """It may do more than view."""
        copy_paste = host.settings.copy_paste if self.controls else CopyPaste.OFF
        self.clipboard = ClipboardPeer(
            repr(client),
            host.clipboards,
            self,
            nursery,
            gives=CopyPaste.FROM_VIEWER in copy_paste,
            takes=CopyPaste.TO_VIEWER in copy_paste,
            yields=False,
            viewer=client,
            gives_files=host.settings.agent_file_xfer,
        )
        self._copies = copy_paste is not CopyPaste.OFF
        self._transport = transport
        self._host = host
        self._capabilities: Capabilities | None = None
        self._has_announced = False

    @property
    def sends_files(self) -> bool:
        """The viewer may send files."""
        disabled = AgentCapability.FILE_XFER_DISABLED in self._able
        return self.controls and self._host.settings.agent_file_xfer and not disabled

    @property
    def _able(self) -> Capabilities:
        return self._host.capabilities.value or Capabilities()

    async def serve(self) -> None:
        """Handle the viewer's messages.

        Cancellation: what is under way is dropped.

        Raises:
            RemoteProtocolError: The viewer breaks the protocol.
        """
        while True:
            self.reader.receive_piece(await self._transport.receive())
            self.hear()
            while message := self.reader.next_message():
                await self._transport.room()
                await self._host.ready(self)
                outcome = self.handle(message)
                if outcome is not None:
                    await outcome

    # The viewer's line.

    @property
    def has_room(self) -> bool:
        """Not much waits for the viewer."""
        return self._transport.has_room

    async def room(self) -> None:
        """Return once not much waits for the viewer.

        Cancellation: nothing happens.
        """
        await self._transport.room()

    def post(self, message: Message) -> None:
        """Leave a message for the viewer."""
        self._transport.post(frame(message, self.clipboard.dialect))

    def post_latest(self, topic: object, make: Callable[[], Message | None]) -> None:
        """Leave a message that tells how things stand when it is sent."""

        def framed() -> bytes:
            message = make()
            return b"" if message is None else frame(message, self.clipboard.dialect)

        self._transport.post_latest(topic, framed)

    def announce(self) -> None:
        """Tell the viewer what the agent can do for it, if that is known by now."""
        if self._host.capabilities.value is not None:
            self.post_latest("capabilities", lambda: agent.AnnounceCapabilities(0, self._offered()))
            self._has_announced = True
            self._agree()

    def _agree(self) -> None:
        if self._capabilities is not None and self._has_announced:
            self.clipboard.agree(agent.Dialect.of(Capabilities(CLIPBOARD_CAPABILITIES & self._capabilities)))

    def report_file(self, number: int, status: FileTransferStatus, detail: bytes = b"") -> None:
        """Tell the viewer how a transfer goes. Only some know of the later kinds of ends (spec AG-5)."""
        if AgentCapability.FILE_XFER_DETAILED_ERRORS not in (self._capabilities or ()):
            detail = b""
            if status > FileTransferStatus.SUCCESS:
                status = FileTransferStatus.ERROR
        self.post(agent.FileXferStatus(number, status, detail))

    def _offered(self) -> Capabilities:
        offered = set(self._able)
        if not self._copies:
            offered -= CLIPBOARD_CAPABILITIES
        if not self.sends_files:
            offered |= {AgentCapability.FILE_XFER_DISABLED}
        return Capabilities(offered)

    def _announced(self, message: agent.AnnounceCapabilities) -> None:
        self._capabilities = message.capabilities
        if message.request:
            self.announce()
        else:
            self._agree()

    def _set_max_clipboard(self, message: agent.MaxClipboard) -> None:
        self.clipboard.max_size = None if message.max < 0 else message.max

    def _monitors(self, message: agent.MonitorsConfig) -> None:
        if self.controls:
            self._host.configure_monitors(self, message)

    def _display(self, message: agent.DisplayConfig) -> None:
        if self.controls:
            self._host.configure_display(self, message)

    def _volume(self, message: agent.AudioVolumeSync) -> None:
        if self.controls:
            self._host.sync_volume(self, message)

    async def _start_file(self, message: agent.FileXferStart) -> None:
        if self.sends_files:
            await self._host.start_file(self, message)
        else:
            self.report_file(message.id, FileTransferStatus.DISABLED)

    async def _file_data(self, message: agent.FileXferData) -> None:
        if self.sends_files:
            await self._host.write_file(self, message)

    async def _file_status(self, message: agent.FileXferStatus) -> None:
        if self.sends_files:
            await self._host.end_file(self, message)

    HANDLERS: ClassVar[Mapping[int, Handler]] = {
        **CLIPBOARD_HANDLERS,
        AgentMessage.ANNOUNCE_CAPABILITIES: Handler(agent.AnnounceCapabilities, _announced, 4096),
        AgentMessage.MONITORS_CONFIG: Handler(agent.MonitorsConfig, _monitors, 8 + 28 * MAX_MONITORS),
        AgentMessage.DISPLAY_CONFIG: Handler(agent.DisplayConfig, _display, 64),
        AgentMessage.AUDIO_VOLUME_SYNC: Handler(agent.AudioVolumeSync, _volume, 1024),
        AgentMessage.MAX_CLIPBOARD: Handler(agent.MaxClipboard, _set_max_clipboard, 64),
        AgentMessage.FILE_XFER_START: Handler(agent.FileXferStart, _start_file, 16 * 1024),
        AgentMessage.FILE_XFER_STATUS: Handler(agent.FileXferStatus, _file_status, 1024),
        AgentMessage.FILE_XFER_DATA: Handler(agent.FileXferData, _file_data, 1024 * 1024),
    }
