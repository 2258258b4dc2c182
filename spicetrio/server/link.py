"""The link stage: a fresh connection says which channel it wants and proves that it may have it (spec 1.2).

The steps are strictly in turn, so this is written as one. Each refusal is a `LinkError` raised where it is noticed;
how it is told depends only on how far the peer has come: a whole reply before the server's reply was sent, one result
word after it. That makes two differences to libspice-server, which closes without a word on a channel that does not
exist (L-17), and sends a whole reply where the client waits for the result word (L-20).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

import trio

from spicetrio.server.security import Gatekeeper, KeyPool
from spicetrio.server.tickets import Ticket
from spicetrio.wire.buffer import ReadBuffer
from spicetrio.wire.enums import AuthMechanism, CommonCapability
from spicetrio.wire.errors import InvalidDataError, InvalidMagicError, LinkError
from spicetrio.wire.link import (
    HEADER_SIZE,
    MAGIC,
    TICKET_SIZE,
    Capabilities,
    LinkHeader,
    LinkMessage,
    LinkReply,
    result,
    with_header,
)

COMMON_CAPABILITIES: Final = Capabilities(
    {CommonCapability.AUTH_SELECTION, CommonCapability.AUTH_SPICE, CommonCapability.MINI_HEADER}
)
"""What this server can do on every connection."""

RECEIVE_SIZE: Final = 65536


class LinkStream:
    """A stream of which exact amounts are read; what came beyond stays for the channel."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.received = bytearray()

    async def read(self, size: int) -> bytes:
        """Return the next `size` bytes.

        Cancellation: nothing is lost.

        Raises:
            BrokenResourceError: The peer left before it had sent them.
        """
        while len(self.received) < size:
            await self._receive()
        data = bytes(self.received[:size])
        del self.received[:size]
        return data

    async def watch(self) -> NoReturn:
        """Wait until the peer leaves, or for ever once it has sent more than is kept for it.

        Cancellation: nothing is lost.

        Raises:
            BrokenResourceError: The peer left.
        """
        while len(self.received) < RECEIVE_SIZE:
            await self._receive()
        await trio.sleep_forever()

    async def _receive(self) -> None:
        data = await self.stream.receive_some(RECEIVE_SIZE)
        if not data:
            raise trio.BrokenResourceError("the peer left in the link stage")
        self.received += data


@dataclass(slots=True)
class Meter:
    """What goes over a connection after the link stage."""

    sent: int = 0
    """Bytes to the viewer."""
    received: int = 0
    """Bytes from the viewer."""


@dataclass(frozen=True, slots=True)
class Link:
    """A connection that proved itself, and what it wants."""

    stream: trio.abc.Stream
    """The connection; whoever serves the channel owns it."""
    received: bytes
    """What the peer sent beyond the link stage."""
    message: LinkMessage
    """What it asked for."""
    peer: str
    """Its address, without the port; for people and for limits."""
    ticket: Ticket
    """What it proved itself with."""
    meter: Meter = field(default_factory=Meter)
    """What goes over it from now on."""

    @property
    def mini_header(self) -> bool:
        """Both ends can do mini headers."""
        return CommonCapability.MINI_HEADER in self.message.common_capabilities


async def accept_link(
    stream: trio.abc.Stream,
    *,
    peer: str,
    find: Callable[[LinkMessage], Capabilities],
    keys: KeyPool,
    gatekeeper: Gatekeeper,
) -> Link:
    """Lead a connection through the link stage, up to but without the result word.

    Args:
        stream: A fresh connection.
        peer: Its address.
        find: Returns the capabilities of the channel that is asked for, or raises a `LinkError`.
        keys: Where the key for the ticket comes from.
        gatekeeper: Judges the ticket.

    Cancellation: the peer may have been sent a part of the reply; close the stream.

    Raises:
        LinkError: The link was refused, and the peer was told.
        BrokenResourceError: The peer left; in a group if it waited for its ticket to be judged.
    """
    link = LinkStream(stream)
    try:
        message = await _read_message(link)
        capabilities = find(message)
        key = await keys.take()
    except LinkError as error:
        await stream.send_all(with_header(LinkReply(error.code)))
        raise
    await stream.send_all(with_header(LinkReply(0, key.public, COMMON_CAPABILITIES, capabilities)))
    try:
        if CommonCapability.AUTH_SELECTION in message.common_capabilities:
            await _read_mechanism(link)
        ticket = await gatekeeper.check_ticket(key, await link.read(TICKET_SIZE), peer, link.watch)
    except LinkError as error:
        await stream.send_all(result(error.code))
        raise
    return Link(stream, bytes(link.received), message, peer, ticket)


async def _read_message(link: LinkStream) -> LinkMessage:
    magic = await link.read(len(MAGIC))  # on its own, so that a peer of another protocol is answered early (L-12)
    if magic != MAGIC:
        raise InvalidMagicError(f"got {magic!r}, expected {MAGIC!r}")
    header = LinkHeader.pull(ReadBuffer(magic + await link.read(HEADER_SIZE - len(MAGIC))))
    return LinkMessage.pull(ReadBuffer(await link.read(header.size)))


async def _read_mechanism(link: LinkStream) -> None:
    mechanism = ReadBuffer(await link.read(4)).u32()
    if mechanism != AuthMechanism.SPICE:
        raise InvalidDataError(f"got authentication mechanism {mechanism}, expected {AuthMechanism.SPICE}")
