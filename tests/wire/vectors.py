"""What a structure must do with bytes that were written by hand from the specification."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass

import pytest

from spicetrio.wire.buffer import ReadBuffer, Structure, WriteBuffer
from spicetrio.wire.errors import RemoteProtocolError

TRAILING = b"\xa5" * 9


@dataclass(frozen=True)
class Vector:
    value: Structure
    body: str
    """Hexadecimal, a group for each field."""
    opaque: int | None = None
    """If the value ends with data that runs to the end of the body: where that data begins. From there on a shorter or
    longer body is a shorter or longer value."""

    @property
    def data(self) -> bytes:
        return bytes.fromhex(self.body)

    def __str__(self) -> str:
        return type(self.value).__name__


def push(value: Structure) -> bytes:
    buffer = WriteBuffer()
    value.push(buffer)
    body = b"".join(buffer.finish())
    assert buffer.size == len(body)
    return body


def pull(vector: Vector, body: bytes) -> Structure:
    return type(vector.value).pull(ReadBuffer(body))


def check_whole(vector: Vector) -> None:
    assert push(vector.value).hex() == vector.data.hex()
    assert pull(vector, vector.data) == vector.value
    assert hash(pull(vector, vector.data)) == hash(vector.value)


def check_truncated(vector: Vector) -> None:
    for size in range(len(vector.data)):
        if vector.opaque is not None and size >= vector.opaque:
            shorter = pull(vector, vector.data[:size])
            assert push(shorter) == vector.data[:size]
        else:
            with pytest.raises(RemoteProtocolError, match="got"):
                pull(vector, vector.data[:size])


def check_trailing(vector: Vector) -> None:
    longer = pull(vector, vector.data + TRAILING)
    if vector.opaque is None:
        assert longer == vector.value
    else:
        assert push(longer) == vector.data + TRAILING


def check_damaged(vector: Vector) -> None:
    """Every 32-bit word is replaced in turn by values that are large as a count, a size or an offset."""
    for pos in range(len(vector.data) - 3):
        for word in (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", len(vector.data).to_bytes(4, "little")):
            body = vector.data[:pos] + word + vector.data[pos + 4 :]
            check_bounded(type(vector.value), body)


def check_bounded(kind: type[Structure], body: bytes) -> None:
    """Reading gives a value or a RemoteProtocolError, and takes memory in proportion to the body."""
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        kind.pull(ReadBuffer(body))
    except RemoteProtocolError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1] - before
        if not tracing:
            tracemalloc.stop()
    assert peak < 20_000 + 100 * len(body)
