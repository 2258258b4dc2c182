"""Messages of the smartcard channel (spec 3.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, Final, Self

from spicetrio.wire.buffer import Message, ReadBuffer, WriteBuffer
from spicetrio.wire.enums import SmartcardClientMessage, SmartcardMessage, VscError, VscType

if TYPE_CHECKING:
    from typing_extensions import Buffer

UNDEFINED_READER: Final = 0xFFFFFFFF
"""The id of a reader that has none yet (spec SC-1)."""

_HEADER: Final = Struct("<III")
_ERROR: Final = Struct("<I")


@dataclass(frozen=True, slots=True)
class _Vsc:
    """Base of the messages about card readers and cards, which are the same both ways."""

    type: int
    """A `VscType`; other values are kept as they are."""
    reader_id: int
    """The reader that it is about."""
    data: Buffer
    """What the type says: a name, an ATR, an APDU, an error's code."""

    @classmethod
    def pull(cls, buffer: ReadBuffer) -> Self:
        """Read the fields in order, the data after its size."""
        kind, reader_id, size = buffer.unpack(_HEADER)
        return cls(kind, reader_id, bytes(buffer.raw(size)))

    def push(self, buffer: WriteBuffer) -> None:
        """Write the fields in order, the data after its size."""
        buffer.pack(_HEADER, self.type, self.reader_id, memoryview(self.data).nbytes)
        buffer.raw(self.data)


@dataclass(frozen=True, slots=True)
class Data(_Vsc):
    """To a reader or a card of the client."""

    TYPE: ClassVar = SmartcardMessage.DATA

    @classmethod
    def error(cls, reader_id: int, code: VscError) -> Self:
        """Make the answer that tells how a message went."""
        return cls(VscType.ERROR, reader_id, _ERROR.pack(code))


@dataclass(frozen=True, slots=True)
class ClientData(_Vsc):
    """From a reader or a card of the client."""

    TYPE: ClassVar = SmartcardClientMessage.DATA


SERVER_MESSAGES: Final[Mapping[int, type[Message]]] = {Data.TYPE: Data}
CLIENT_MESSAGES: Final[Mapping[int, type[Message]]] = {ClientData.TYPE: ClientData}
