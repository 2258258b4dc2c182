"""The structures of the link stage, in which a connection becomes a channel (spec 1).

A client sends a header and a `LinkMessage`, the server a header and a `LinkReply`; then the client proves itself and
the server ends the stage with one result word. `server/link.py` walks through it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from typing import Final, Self

from spicetrio.wire.buffer import ReadBuffer, WriteBuffer
from spicetrio.wire.enums import LinkErrorCode
from spicetrio.wire.errors import (
    InvalidDataError,
    InvalidMagicError,
    RemoteProtocolError,
    VersionMismatchError,
)

MAGIC: Final = b"REDQ"
MAJOR_VERSION: Final = 2
MINOR_VERSION: Final = 2
HEADER_SIZE: Final = 16
TICKET_SIZE: Final = 128
"""Bytes of a ticket under a 1024-bit RSA key (spec L-7)."""
PUBLIC_KEY_SIZE: Final = 162
"""Bytes of the DER form of a 1024-bit RSA key with exponent 65537 (spec L-8)."""
MAX_LINK_SIZE: Final = 4096
"""The largest link message (spec L-14)."""
MAX_CAPABILITY_WORDS: Final = 1024
"""The most words of one kind (spec L-15)."""
KEPT_CAPABILITY_WORDS: Final = 8
"""Words of one kind that are looked at: several times as many as there are capabilities. All the words of a link would
be megabytes of numbers, and a peer need not prove itself to send them."""
MAX_PASSWORD_SIZE: Final = 60
"""The longest ticket that clients can send, in bytes (spec L-30)."""

_HEADER: Final = Struct("<4sIII")
_LINK_MESSAGE: Final = Struct("<IBBIII")
_RESULT: Final = Struct("<I")


class Capabilities(frozenset[int]):
    """What one end of a connection can do: numbers of a capability enum.

    On the wire capability n is bit n % 32 of word n / 32; words that are absent are zero (spec L-4).
    """

    @classmethod
    def from_words(cls, words: Iterable[int]) -> Self:
        """Read capability words."""
        return cls(32 * index + bit for index, word in enumerate(words) for bit in range(32) if word >> bit & 1)

    def words(self) -> tuple[int, ...]:
        """Return as many words as are needed; none for no capability."""
        words = [0] * (max(self, default=-32) // 32 + 1)
        for capability in self:
            words[capability // 32] |= 1 << capability % 32
        return tuple(words)


@dataclass(frozen=True, slots=True)
class LinkHeader:
    """Goes before each `LinkMessage` and `LinkReply` (spec L-1)."""

    size: int
    """Bytes that follow."""
    major: int = MAJOR_VERSION
    """The version that must agree."""
    minor: int = MINOR_VERSION
    """The version that need not."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order.

        Raises:
            InvalidMagicError: It does not begin with `REDQ`.
            VersionMismatchError: The peer speaks another major version.
            InvalidDataError: The size is out of range (spec L-14).
        """
        magic, major, minor, size = buffer.unpack(_HEADER)
        if magic != MAGIC:
            raise InvalidMagicError(f"got {magic!r}, expected {MAGIC!r}")
        if major != MAJOR_VERSION:
            raise VersionMismatchError(f"got version {major}.{minor}, expected {MAJOR_VERSION}.{MINOR_VERSION}")
        if not _LINK_MESSAGE.size <= size <= MAX_LINK_SIZE:
            raise InvalidDataError(f"got a link of {size} bytes, expected {_LINK_MESSAGE.size} to {MAX_LINK_SIZE}")
        return cls(size, major, minor)

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        buffer.raw(_HEADER.pack(MAGIC, self.major, self.minor, self.size))


@dataclass(frozen=True, slots=True)
class LinkMessage:
    """What a client asks for (spec L-2)."""

    connection_id: int
    """0 for a new viewer, else the session id that its main channel was given."""
    channel_type: int
    """A `ChannelType`; other values are kept as they are."""
    channel_id: int
    """Which of the channels of that type."""
    common_capabilities: Capabilities
    """`CommonCapability` members that the client has."""
    channel_capabilities: Capabilities
    """Capabilities of that channel type."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order.

        Raises:
            InvalidDataError: There are too many capabilities, or they are not where the message says (spec L-15).
        """
        connection_id, channel_type, channel_id, *layout = buffer.unpack(_LINK_MESSAGE)
        common, channel = _pull_capabilities(buffer, *layout, fixed_size=_LINK_MESSAGE.size)
        return cls(connection_id, channel_type, channel_id, common, channel)

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        words = (self.common_capabilities.words(), self.channel_capabilities.words())
        buffer.pack(_LINK_MESSAGE, self.connection_id, self.channel_type, self.channel_id,
                    len(words[0]), len(words[1]), _LINK_MESSAGE.size)  # fmt: skip
        _push_words(buffer, *words)


@dataclass(frozen=True, slots=True)
class LinkReply:
    """The server's answer (spec L-3). An error leaves all other fields empty."""

    error: int = LinkErrorCode.OK
    """A `LinkErrorCode`."""
    public_key: bytes = bytes(PUBLIC_KEY_SIZE)
    """The DER form of the key that the ticket is to be encrypted for."""
    common_capabilities: Capabilities = Capabilities()  # noqa: RUF009 - immutable
    """`CommonCapability` members that the server has."""
    channel_capabilities: Capabilities = Capabilities()  # noqa: RUF009 - immutable
    """Capabilities of that channel type."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order.

        Raises:
            InvalidDataError: There are too many capabilities, or they are not where the message says.
        """
        error = buffer.u32()
        public_key = bytes(buffer.raw(PUBLIC_KEY_SIZE))
        layout = (buffer.u32(), buffer.u32(), buffer.u32())
        common, channel = _pull_capabilities(buffer, *layout, fixed_size=PUBLIC_KEY_SIZE + 16)
        return cls(error, public_key, common, channel)

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order."""
        words = (self.common_capabilities.words(), self.channel_capabilities.words())
        buffer.u32(self.error)
        buffer.raw(self.public_key)
        for value in (len(words[0]), len(words[1]), PUBLIC_KEY_SIZE + 16 if any(words) else 0):
            buffer.u32(value)
        _push_words(buffer, *words)


def with_header(message: LinkMessage | LinkReply) -> bytes:
    """Return a link message or reply as it goes on the wire, its header in front."""
    body, whole = WriteBuffer(), WriteBuffer()
    message.push(body)
    LinkHeader(body.size).push(whole)
    return b"".join((*whole.finish(), *body.finish()))


def result(code: LinkErrorCode) -> bytes:
    """Return the word that ends the link stage (spec L-9)."""
    return _RESULT.pack(code)


def _pull_capabilities(
    buffer: ReadBuffer, num_common: int, num_channel: int, offset: int, *, fixed_size: int
) -> tuple[Capabilities, Capabilities]:
    if max(num_common, num_channel) > MAX_CAPABILITY_WORDS:
        raise InvalidDataError(f"got {num_common} and {num_channel} words of capabilities")
    if num_common + num_channel == 0:
        return Capabilities(), Capabilities()
    if offset < fixed_size:
        raise InvalidDataError(f"got capabilities at {offset}, expected them from {fixed_size}")
    try:
        words = buffer.at(offset)
        common = words.items(num_common, ReadBuffer.u32, 4)
        channel = words.items(num_channel, ReadBuffer.u32, 4)
    except RemoteProtocolError as error:
        raise InvalidDataError(f"got capabilities past the end: {error}") from error
    kept = slice(KEPT_CAPABILITY_WORDS)
    return Capabilities.from_words(common[kept]), Capabilities.from_words(channel[kept])


def _push_words(buffer: WriteBuffer, common: tuple[int, ...], channel: tuple[int, ...]) -> None:
    for word in common + channel:
        buffer.u32(word)
