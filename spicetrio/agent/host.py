"""What the agents have in common: the clipboards, and the viewers that they answer."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import trio
from trio_util import AsyncValue

from spicetrio.agent.clipboard import Clipboard
from spicetrio.agent.session import AgentSession
from spicetrio.agent.transport import AgentTransport
from spicetrio.server.client import Client
from spicetrio.server.settings import Settings
from spicetrio.wire import agent
from spicetrio.wire.enums import Selection
from spicetrio.wire.link import Capabilities


class AgentHost:
    """What is behind the agent's messages. The methods that viewers' messages lead to are the subclasses'.

    Args:
        settings: Those of the server.
        nursery: Of the agent.
    """

    def __init__(self, settings: Settings, nursery: trio.Nursery) -> None:
        self.settings: Final = settings
        self.clipboards: Final[Mapping[Selection, Clipboard]] = MappingProxyType(
            {
                selection: Clipboard(
                    selection, limit=settings.clipboard_limit, nursery=nursery, changed=self.clipboard_changed
                )
                for selection in Selection
            }
        )
        """The selections, shared with all viewers."""
        self.capabilities: Final = AsyncValue[Capabilities | None](None)
        """What viewers can have of it; None while that is not known."""
        self._sessions: dict[AgentSession, None] = {}

    @property
    def moves_pointer(self) -> bool:
        """It takes the pointer's place, so viewers may draw the pointer themselves (spec AG-18)."""
        return False

    def point(self, state: agent.MouseState) -> None:
        """Move the pointer; only if `moves_pointer`."""
        raise NotImplementedError

    @property
    def sessions(self) -> tuple[AgentSession, ...]:
        """The viewers that are answered now."""
        return tuple(self._sessions)

    async def serve(self, client: Client, transport: AgentTransport) -> None:
        """Answer one viewer until this is cancelled.

        Cancellation: what the viewer offered is gone, and the files that it was sending are removed.

        Raises:
            RemoteProtocolError: The viewer breaks the protocol.
        """
        async with trio.open_nursery() as nursery:
            session = AgentSession(client, transport, self, nursery)
            self._sessions[session] = None
            try:
                await session.serve()
            finally:
                del self._sessions[session]
                session.clipboard.end()
                self.leave(session)

    def clipboard_changed(self, selection: Selection) -> None:
        """Take in that something else is offered, or nothing."""
        for session in self.sessions:
            session.clipboard.tell(selection)

    async def ready(self, session: AgentSession) -> None:
        """Return once a further message of a viewer can be taken.

        Cancellation: nothing happens.
        """
        await trio.lowlevel.checkpoint()

    def leave(self, session: AgentSession) -> None:
        """Take in that a viewer has left."""
        raise NotImplementedError

    def configure_monitors(self, session: AgentSession, message: agent.MonitorsConfig) -> None:
        """Take in which monitors a viewer wants."""
        raise NotImplementedError

    def configure_display(self, session: AgentSession, message: agent.DisplayConfig) -> None:
        """Take in how plain a viewer wants the desktop."""
        raise NotImplementedError

    def sync_volume(self, session: AgentSession, message: agent.AudioVolumeSync) -> None:
        """Take in the volume of a viewer."""
        raise NotImplementedError

    async def start_file(self, session: AgentSession, message: agent.FileXferStart) -> None:
        """Take in that a viewer wants to send a file."""
        raise NotImplementedError

    async def write_file(self, session: AgentSession, message: agent.FileXferData) -> None:
        """Take a part of a file; returns when the next one may come."""
        raise NotImplementedError

    async def end_file(self, session: AgentSession, message: agent.FileXferStatus) -> None:
        """Take in that a viewer ended a transfer."""
        raise NotImplementedError
