"""Messages of the channels that carry a device's bytes: USB, ports, WebDAV (spec 3.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

from spicetrio.wire.base import Opaque
from spicetrio.wire.buffer import Message, ReadBuffer, WriteBuffer
from spicetrio.wire.enums import DataCompression, VmcClientMessage, VmcMessage
from spicetrio.wire.errors import LocalProtocolError
from spicetrio.wire.values import known

if TYPE_CHECKING:
    from typing_extensions import Buffer


@dataclass(frozen=True, slots=True)
class _CompressedData:
    """Base of the messages whose bytes may be compressed."""

    compression: DataCompression
    """How."""
    uncompressed_size: int | None
    """How many bytes they are; None if they are not compressed."""
    data: Buffer
    """The bytes as they are sent."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order; the size is there only if there is a compression."""
        compression = known(DataCompression, buffer.u8())
        size = buffer.u32() if compression else None
        return cls(compression, size, bytes(buffer.rest()))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order.

        Raises:
            LocalProtocolError: There is a size without a compression, or the other way round.
        """
        if (self.uncompressed_size is None) != (self.compression == DataCompression.NONE):
            raise LocalProtocolError(f"{self.compression!r} with the uncompressed size {self.uncompressed_size}")
        buffer.u8(self.compression)
        if self.uncompressed_size is not None:
            buffer.u32(self.uncompressed_size)
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class Data(Opaque):
    """Bytes of the device."""

    TYPE: ClassVar = VmcMessage.DATA


@dataclass(frozen=True, slots=True)
class CompressedData(_CompressedData):
    """Bytes of the device, compressed."""

    TYPE: ClassVar = VmcMessage.COMPRESSED_DATA


@dataclass(frozen=True, slots=True)
class ClientData(Opaque):
    """Bytes for the device."""

    TYPE: ClassVar = VmcClientMessage.DATA


@dataclass(frozen=True, slots=True)
class ClientCompressedData(_CompressedData):
    """Bytes for the device, compressed."""

    TYPE: ClassVar = VmcClientMessage.COMPRESSED_DATA


SERVER_MESSAGES: Final[Mapping[int, type[Message]]] = {message.TYPE: message for message in (Data, CompressedData)}
CLIENT_MESSAGES: Final[Mapping[int, type[Message]]] = {
    message.TYPE: message for message in (ClientData, ClientCompressedData)
}
