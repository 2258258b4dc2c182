"""Channels whose next message depends on the moment: a viewer is sent what it lacks when its connection takes it."""

from __future__ import annotations

from collections.abc import Sequence

from spicetrio.server.channel import ChannelClient, ChannelT
from spicetrio.server.client import Client
from spicetrio.server.link import Link
from spicetrio.wire.buffer import Marshalled
from spicetrio.wire.framing import Bundle


class PullingChannelClient(ChannelClient[ChannelT]):
    """One viewer's connection to such a channel."""

    PULLS = True

    def __init__(self, channel: ChannelT, client: Client, link: Link) -> None:
        super().__init__(channel, client, link)
        self._credit = False

    def on_idle(self) -> None:
        """Send what the viewer lacks, or remember that it can be sent."""
        self._credit = True
        self.catch_up()

    def catch_up(self) -> None:
        """Send what the viewer lacks if its connection can take it."""
        if self._credit and (messages := self._lacking()):
            self._credit = False
            self.writer.post_batch(Bundle(messages))

    def _lacking(self) -> Sequence[Marshalled]:
        """Return what the viewer lacks, and take it that it is sent."""
        raise NotImplementedError
