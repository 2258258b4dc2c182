"""What is known of one connection, from accept to close, and told as events."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import trio

from spicetrio.server.client import Client
from spicetrio.server.events import ConnectionEvent, EventKind, Events, Traffic
from spicetrio.server.link import Link
from spicetrio.wire.errors import LinkError, RemoteProtocolError

logger: Final = logging.getLogger("spicetrio.server")


class Connection:
    """The record of one connection. Use `opened`.

    Args:
        number: Counts the connections of a server.
        peer: The peer's address.
        events: Where its stages are told.
    """

    def __init__(self, number: int, peer: str, events: Events) -> None:
        self.peer: Final = peer
        """The peer's address."""
        self._number = number
        self._events = events
        self._began = trio.current_time()
        self._link: Link | None = None
        self._client: Client | None = None
        self._reason = ""

    def authenticated(self, link: Link) -> None:
        """Take in that the link stage is over."""
        self._link = link
        self._tell(EventKind.AUTHENTICATED)

    @property
    def reason(self) -> str:
        """Why it ended, in words; empty while that is not known."""
        return self._reason

    def closed(self) -> None:
        """Take in that the application closed its channel."""
        self._reason = "its channel was closed"

    def initialised(self, client: Client) -> None:
        """Take in that it serves a viewer's channel from now on."""
        self._client = client
        self._tell(EventKind.INITIALISED)

    def refused(self, reason: str) -> None:
        """Take in that it ends without an error."""
        self._reason = reason
        logger.info("refused %s: %s", self.peer, reason)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Tell the first and the last event around the block."""
        self._tell(EventKind.CONNECTED)
        try:
            yield
        finally:
            self._tell(EventKind.DISCONNECTED)

    @contextmanager
    def boundary(self) -> Iterator[None]:
        """Log what went wrong with the peer, and let nobody else notice: the one place where errors of peers end."""
        try:
            with self.watched():
                yield
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            logger.info("the peer %s left", self.peer)
        except* LinkError:
            logger.info("refused %s: %s", self.peer, self._reason)
        except* RemoteProtocolError:
            logger.warning("ended %s: %s", self._viewer, self._reason)
        except* Exception:
            logger.exception("ended %s: a fault of ours", self._viewer)

    @contextmanager
    def watched(self, client: Client | None = None) -> Iterator[None]:
        """Note how the block ends, as the reason for the last event.

        Args:
            client: The viewer that an error ends.
        """
        try:
            yield
        except BaseException as error:
            cause = _explain(error)
            if client is not None and cause:
                client.reason = client.reason or cause
            of_viewer = self._client.reason if self._client is not None else ""
            self._reason = self._reason or cause or of_viewer or "the server ended it"
            raise
        self._reason = self._reason or "the viewer left"

    @property
    def _viewer(self) -> str:
        """What the log calls it: several viewers may have one address."""
        return repr(self._client) if self._client else f"the viewer at {self.peer}"

    def _tell(self, kind: EventKind) -> None:
        link, seconds = self._link, trio.current_time() - self._began
        self._events.put(
            ConnectionEvent(
                kind,
                self._number,
                self.peer,
                role=link.ticket.role if link else None,
                ticket=link.ticket.name if link else "",
                client=self._client,
                channel=(link.message.channel_type, link.message.channel_id) if link else None,
                reason=self._reason,
                traffic=Traffic(link.meter.sent, link.meter.received, seconds) if link else Traffic(seconds=seconds),
            )
        )


def _explain(error: BaseException) -> str:
    """Return why a connection ended: the first error that is not merely a consequence of others.

    Empty if it was only cancelled; its viewer may know more then.
    """
    reasons = {type(leaf): leaf for leaf in reversed(list(_leaves(error)))}
    for kind, leaf in reasons.items():
        if issubclass(kind, LinkError | RemoteProtocolError):
            return str(leaf)
    if reasons.keys() <= {trio.Cancelled}:
        return ""
    if reasons.keys() <= {trio.Cancelled, trio.BrokenResourceError, trio.ClosedResourceError}:
        return "the viewer left"
    return f"a fault of ours: {', '.join(sorted(kind.__name__ for kind in reasons))}"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        group: BaseExceptionGroup[Any] = error
        for part in group.exceptions:
            yield from _leaves(part)
    else:
        yield error
