"""This process answers as the agent: the application has the viewers' clipboards, files and wishes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import trio
from trio_util import AsyncValue

from spicetrio.agent.end import CLIPBOARD_CAPABILITIES
from spicetrio.agent.files import FileReceiver, FileTransfer
from spicetrio.agent.host import AgentHost
from spicetrio.agent.session import AgentSession
from spicetrio.server.settings import Settings
from spicetrio.wire import agent
from spicetrio.wire.enums import AgentCapability, AgentError, AgentMessage, DisplayConfigFlags, MonitorsFlags
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.geometry import Rect
from spicetrio.wire.link import Capabilities

MAX_MONITOR: Final = 32767
"""The longest side of a monitor, and the farthest place of one, in pixels."""
CAPABILITIES: Final = CLIPBOARD_CAPABILITIES | {
    AgentCapability.MONITORS_CONFIG,
    AgentCapability.REPLY,
    AgentCapability.DISPLAY_CONFIG,
    AgentCapability.SPARSE_MONITORS_CONFIG,
    AgentCapability.GUEST_LINEEND_LF,
    AgentCapability.AUDIO_VOLUME_SYNC,
    AgentCapability.MONITORS_CONFIG_POSITION,
    AgentCapability.FILE_XFER_DETAILED_ERRORS,
}


@dataclass(frozen=True, slots=True)
class Volume:
    """How loud a viewer has it."""

    mute: bool
    """Nothing is heard."""
    channels: tuple[int, ...]
    """Of each channel, 0 to 65535."""


class Agent(AgentHost):
    """What viewers have of this side besides the picture, from `Server.open_agent`.

    Args:
        settings: Those of the server.
        nursery: Where what the application offers is read; what goes wrong there ends the agent.
        files: Takes files; without, none are taken.
    """

    def __init__(self, settings: Settings, nursery: trio.Nursery, files: FileReceiver | None) -> None:
        super().__init__(settings, nursery)
        self.monitors: Final[AsyncValue[tuple[Rect, ...] | None]] = AsyncValue(None)
        """The monitors that the viewer that spoke last wants, in pixels; None until one did. Those that it has
        switched off are left out; if it does not say where they are, they stand in a row."""
        self.display: Final[AsyncValue[DisplayConfigFlags]] = AsyncValue(DisplayConfigFlags.NONE)
        """What the viewer that spoke last does without, to save bandwidth."""
        self.playback_volume: Final[AsyncValue[Volume | None]] = AsyncValue(None)
        """How loud the viewer that spoke last plays; None until one told."""
        self.record_volume: Final[AsyncValue[Volume | None]] = AsyncValue(None)
        """How loud the viewer that spoke last records; None until one told."""
        self.transfers: Final[AsyncValue[tuple[FileTransfer, ...]]] = (
            AsyncValue(()) if files is None else files.transfers
        )
        """The files that viewers send, and the last ones that they sent, oldest first."""
        self._files = files
        off = {AgentCapability.FILE_XFER_DISABLED} if files is None else set()
        self.capabilities.value = Capabilities(CAPABILITIES | off)

    def leave(self, session: AgentSession) -> None:
        """Take in that a viewer has left."""
        if self._files is not None:
            self._files.leave(session)

    def configure_monitors(self, session: AgentSession, message: agent.MonitorsConfig) -> None:
        """Take in which monitors a viewer wants."""
        self.monitors.value = tuple(_areas(message))
        session.post(agent.Reply(AgentMessage.MONITORS_CONFIG, AgentError.SUCCESS))

    def configure_display(self, session: AgentSession, message: agent.DisplayConfig) -> None:
        """Take in how plain a viewer wants the desktop."""
        self.display.value = DisplayConfigFlags(message.flags & sum(DisplayConfigFlags))
        session.post(agent.Reply(AgentMessage.DISPLAY_CONFIG, AgentError.SUCCESS))

    def sync_volume(self, session: AgentSession, message: agent.AudioVolumeSync) -> None:
        """Take in the volume of a viewer."""
        volume = self.playback_volume if message.is_playback else self.record_volume
        volume.value = Volume(bool(message.mute), message.volumes)

    async def start_file(self, session: AgentSession, message: agent.FileXferStart) -> None:
        """Take in that a viewer wants to send a file."""
        if self._files is not None:
            await self._files.start(session, message)

    async def write_file(self, session: AgentSession, message: agent.FileXferData) -> None:
        """Take a part of a file; returns when it is written."""
        if self._files is not None:
            await self._files.write(session, message)

    async def end_file(self, session: AgentSession, message: agent.FileXferStatus) -> None:
        """Take in that a viewer ended a transfer."""
        if self._files is not None:
            await self._files.cancel(session, message)


def _areas(message: agent.MonitorsConfig) -> Sequence[Rect]:
    """Return the monitors that are to be on."""
    areas = []
    right = 0
    for monitor in message.monitors:
        left, top = (monitor.x, monitor.y) if message.flags & MonitorsFlags.USE_POS else (right, 0)
        if max(monitor.width, monitor.height, abs(left), abs(top)) > MAX_MONITOR:
            raise RemoteProtocolError(f"got {monitor}, expected numbers up to {MAX_MONITOR}")
        if monitor.width and monitor.height:
            right = left + monitor.width
            areas.append(Rect(left, top, right, top + monitor.height))
    return areas
