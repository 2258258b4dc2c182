"""Several connections over the one stream of a WebDAV port, as spice-webdavd and spice-gtk do it.

A frame is the number of a connection (8 bytes), a size (2 bytes), and as many bytes of that connection. The first frame
with a number opens the connection; one without bytes closes it, both ways, and either end may send it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAX_DATA: Final = 0xFFFF
"""The most bytes of a frame."""

_HEADER: Final = Struct("<qH")


@dataclass(frozen=True, slots=True)
class MuxFrame:
    """Bytes of one connection."""

    number: int
    """The connection's."""
    data: bytes
    """At most 65535 bytes; none closes the connection."""

    def encode(self) -> bytes:
        """Return the frame as it is on the stream."""
        return _HEADER.pack(self.number, len(self.data)) + self.data


class MuxDecoder:
    """Cuts a stream into frames. It never keeps more than one that is not whole."""

    def __init__(self) -> None:
        self._received = bytearray()

    def receive_data(self, data: Buffer) -> Iterator[MuxFrame]:
        """Take in bytes in pieces of any size; yield the frames that are whole now."""
        self._received += memoryview(data)
        start = 0
        while len(self._received) - start >= _HEADER.size:
            number, size = _HEADER.unpack_from(self._received, start)
            end = start + _HEADER.size + size
            if len(self._received) < end:
                break
            yield MuxFrame(number, bytes(self._received[start + _HEADER.size : end]))
            start = end
        del self._received[:start]
