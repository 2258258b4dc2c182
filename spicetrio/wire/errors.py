"""What can go wrong on the wire, and whose fault it was."""

from __future__ import annotations

from typing import ClassVar

from spicetrio.wire.enums import LinkErrorCode


class ProtocolError(Exception):
    """Base of every protocol violation. Never raised itself."""


class LocalProtocolError(ProtocolError):
    """The caller asked for something the protocol has no bytes for. Nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol. It ends that viewer; the text says what was got and what was expected."""


class LinkError(ProtocolError):
    """A link that is refused. The subclass tells the peer why, by its `code` (spec L-10)."""

    code: ClassVar[LinkErrorCode] = LinkErrorCode.ERROR


class InvalidMagicError(LinkError):
    """The peer does not begin with `REDQ`."""

    code = LinkErrorCode.INVALID_MAGIC


class InvalidDataError(LinkError):
    """A size, an offset or an authentication mechanism makes no sense."""

    code = LinkErrorCode.INVALID_DATA


class VersionMismatchError(LinkError):
    """The peer speaks another major version, or cannot do the authentication that is asked for."""

    code = LinkErrorCode.VERSION_MISMATCH


class NeedSecuredError(LinkError):
    """This channel is served over TLS only."""

    code = LinkErrorCode.NEED_SECURED


class NeedUnsecuredError(LinkError):
    """This channel is served without TLS only."""

    code = LinkErrorCode.NEED_UNSECURED


class PermissionDeniedError(LinkError):
    """The ticket is wrong, expired or undecipherable."""

    code = LinkErrorCode.PERMISSION_DENIED


class BadConnectionIdError(LinkError):
    """No viewer of this server has the connection id that the link names."""

    code = LinkErrorCode.BAD_CONNECTION_ID


class ChannelNotAvailableError(LinkError):
    """There is no channel of this type and id, or the viewer has it already."""

    code = LinkErrorCode.CHANNEL_NOT_AVAILABLE
