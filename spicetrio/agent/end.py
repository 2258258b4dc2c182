"""One end of the agent's messages, a viewer or the guest: reads what it sends and leads it to where it is handled."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from typing import ClassVar, Final

from spicetrio.agent.clipboardpeer import ClipboardPeer
from spicetrio.server.channel import Handler
from spicetrio.wire import agent
from spicetrio.wire.agentstream import AgentFrame, MessageReader
from spicetrio.wire.buffer import ReadBuffer
from spicetrio.wire.enums import AgentCapability, AgentMessage
from spicetrio.wire.errors import RemoteProtocolError

logger: Final = logging.getLogger("spicetrio.agent")

CLIPBOARD_CAPABILITIES: Final = frozenset(
    {
        AgentCapability.CLIPBOARD_BY_DEMAND,
        AgentCapability.CLIPBOARD_SELECTION,
        AgentCapability.MAX_CLIPBOARD,
        AgentCapability.CLIPBOARD_NO_RELEASE_ON_REGRAB,
        AgentCapability.CLIPBOARD_GRAB_SERIAL,
    }
)
"""What is agreed on with each end by itself."""


class AgentEnd:
    """What sends messages to the agent, or as the agent."""

    HANDLERS: ClassVar[Mapping[int, Handler]] = {}
    """Number to handler, for every message that this end may send; others are passed over."""

    def __init__(self) -> None:
        self.clipboard: ClipboardPeer
        """The clipboards as this end shares them."""
        self.reader: Final = MessageReader(self._judge)
        """Puts its messages together."""

    def hear(self) -> None:
        """Take in that a part of a message has come."""
        if self.reader.under_way == AgentMessage.CLIPBOARD:
            self.clipboard.heard()

    def handle(self, message: AgentFrame) -> Awaitable[None] | None:
        """Handle a message; what is returned is to be awaited before the next one.

        Raises:
            RemoteProtocolError: It makes no sense.
        """
        if message.body is None:
            return None
        handler = self.HANDLERS[message.type]
        body = self.clipboard.dialect.expand(message.type, message.body)
        try:
            pulled = handler.message.pull(ReadBuffer(body))
        except RemoteProtocolError as error:
            raise RemoteProtocolError(f"got a wrong {handler.message.__name__}: {error}") from error
        outcome: Awaitable[None] | None = handler.handle(self, pulled)
        return outcome

    def _judge(self, kind: int, size: int) -> bool:
        """Tell whether a message is to be kept (spec AG-13)."""
        if kind == AgentMessage.CLIPBOARD:
            return self.clipboard.expects(size)
        handler = self.HANDLERS.get(kind)
        if handler is None:
            logger.debug("got a message %d of %d bytes, which means nothing to the agent", kind, size)
            return False
        if size > handler.limit:
            name = handler.message.__name__
            raise RemoteProtocolError(f"got {name} of {size} bytes, expected at most {handler.limit}")
        return True

    def _clipboard_grab(self, message: agent.ClipboardGrab) -> None:
        self.clipboard.grab(message)

    def _clipboard_request(self, message: agent.ClipboardRequest) -> None:
        self.clipboard.request(message)

    def _clipboard_data(self, message: agent.ClipboardMessage) -> None:
        self.clipboard.data(message)

    def _clipboard_release(self, message: agent.ClipboardRelease) -> None:
        self.clipboard.release(message)


CLIPBOARD_HANDLERS: Final[Mapping[int, Handler]] = {
    AgentMessage.CLIPBOARD: Handler(agent.ClipboardMessage, AgentEnd._clipboard_data, 0),  # see _judge
    AgentMessage.CLIPBOARD_GRAB: Handler(agent.ClipboardGrab, AgentEnd._clipboard_grab, 1024),
    AgentMessage.CLIPBOARD_REQUEST: Handler(agent.ClipboardRequest, AgentEnd._clipboard_request, 64),
    AgentMessage.CLIPBOARD_RELEASE: Handler(agent.ClipboardRelease, AgentEnd._clipboard_release, 64),
}
"""What every end may send."""
