from __future__ import annotations

from struct import Struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicetrio.wire.base import Ping
from spicetrio.wire.buffer import MAX_POINTER_DEPTH, PAYLOAD_SIZE, ReadBuffer, WriteBuffer, marshal
from spicetrio.wire.errors import LocalProtocolError, RemoteProtocolError

INTEGERS = {
    "u8": (1, False),
    "u16": (2, False),
    "u32": (4, False),
    "u64": (8, False),
    "i16": (2, True),
    "i32": (4, True),
    "i64": (8, True),
}

integers = pytest.mark.parametrize(("name", "size", "signed"), [(name, *kind) for name, kind in INTEGERS.items()])


@integers
def test_integers_are_little_endian(name: str, size: int, signed: bool) -> None:
    data = bytes(range(0xF1, 0xF1 + size))
    value = int.from_bytes(data, "little", signed=signed)
    buffer = ReadBuffer(data + b"more")
    assert getattr(buffer, name)() == value
    assert buffer.remaining == 4
    out = WriteBuffer()
    getattr(out, name)(value)
    assert b"".join(out.finish()) == data
    assert out.size == size


@integers
def test_short_integers_are_refused(name: str, size: int, signed: bool) -> None:
    for length in range(size):
        with pytest.raises(RemoteProtocolError, match=f"got {length} bytes, expected {size}"):
            getattr(ReadBuffer(bytes(length)), name)()


@integers
def test_integers_out_of_range_are_the_callers_mistake(name: str, size: int, signed: bool) -> None:
    bits = 8 * size
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    for value in (low, high):
        getattr(WriteBuffer(), name)(value)
    for value in (low - 1, high + 1):
        with pytest.raises(LocalProtocolError, match="does not fit"):
            getattr(WriteBuffer(), name)(value)


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_any_buffer_can_be_read(make: type) -> None:
    buffer = ReadBuffer(make(b"\1\2\0abc"))
    assert buffer.unpack(Struct("<BH")) == (1, 2)
    assert buffer.raw(2) == b"ab"
    assert buffer.rest() == b"c"
    assert buffer.rest() == b""


def test_raw_is_no_copy() -> None:
    data = bytearray(b"abcdef")
    view = ReadBuffer(data, 2).raw(3)
    data[2] = ord("x")
    assert view == b"xde"


def test_wide_items_are_read_as_bytes() -> None:
    assert ReadBuffer(memoryview(b"\1\0\2\0").cast("H")).u32() == 0x20001


def test_counts_that_cannot_fit_are_refused_before_anything_is_made() -> None:
    made = []

    def pull(buffer: ReadBuffer) -> int:
        made.append(buffer.u8())
        return made[-1]

    assert ReadBuffer(b"\1\2\3").items(3, pull, 1) == (1, 2, 3)
    assert ReadBuffer(b"").items(0, pull, 1) == ()
    made.clear()
    with pytest.raises(RemoteProtocolError, match="got 3 bytes, expected 4 items"):
        ReadBuffer(b"\1\2\3").items(4, pull, 1)
    with pytest.raises(RemoteProtocolError):
        ReadBuffer(b"\1\2\3").items(2**32 - 1, pull, 1)
    assert not made


def test_pointers_count_from_the_start_of_the_body() -> None:
    buffer = ReadBuffer(b"\xff\6\0\0\0\xff\7", 1)
    assert buffer.pointer(ReadBuffer.u8) == 7
    assert buffer.remaining == 2


def test_null_pointers() -> None:
    assert ReadBuffer(bytes(4)).pointer(ReadBuffer.u8) is None
    with pytest.raises(RemoteProtocolError, match="null pointer"):
        ReadBuffer(bytes(4)).target(ReadBuffer.u8)


def test_pointers_beyond_the_body_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="got an offset of 5 in a body of 4 bytes"):
        ReadBuffer(b"\5\0\0\0").pointer(ReadBuffer.rest)
    assert ReadBuffer(b"\4\0\0\0").pointer(ReadBuffer.rest) == b""


def test_pointers_that_run_in_a_circle_are_refused() -> None:
    def follow(buffer: ReadBuffer) -> object:
        return buffer.pointer(follow)

    with pytest.raises(RemoteProtocolError, match=f"more than {MAX_POINTER_DEPTH} nested"):
        ReadBuffer(b"\0\0\0\0\4\0\0\0", 4).pointer(follow)


def test_targets_follow_depth_first() -> None:
    buffer = WriteBuffer()

    def push_first(target: WriteBuffer) -> None:
        target.raw(b"AA")
        target.pointer(lambda inner: inner.raw(b"aaa"))

    buffer.pointer(push_first)
    buffer.pointer(None)
    buffer.pointer(lambda target: target.raw(b"BB"))
    buffer.u8(9)
    body = b"".join(buffer.finish())
    assert body == b"\x0d\0\0\0" + b"\0\0\0\0" + b"\x16\0\0\0" + b"\x09" + b"AA\x13\0\0\0" + b"aaa" + b"BB"
    assert buffer.size == len(body)


def test_large_payloads_are_not_copied() -> None:
    large, small = bytearray(PAYLOAD_SIZE), bytearray(PAYLOAD_SIZE - 1)
    buffer = WriteBuffer()
    buffer.u8(1)
    buffer.raw(small)
    buffer.pointer(lambda target: target.raw(b"end"))
    buffer.raw(large)
    buffers = buffer.finish()
    assert [len(memoryview(part)) for part in buffers] == [1 + len(small) + 4, len(large), 3]
    assert buffers[1] is large
    assert bytes(buffers[0])[-4:] == (buffer.size - 3).to_bytes(4, "little")


def test_nothing_is_no_buffer() -> None:
    assert WriteBuffer().finish() == ()


def test_marshal() -> None:
    padding = bytes(PAYLOAD_SIZE)
    marshalled = marshal(Ping(1, 2, padding))
    assert marshalled.type == 4
    assert marshalled.size == 12 + len(padding)
    assert [bytes(part) for part in marshalled.buffers] == [b"\1\0\0\0\2\0\0\0\0\0\0\0", padding]
    assert marshalled.buffers[1] is padding


@given(st.lists(st.binary(max_size=10) | st.just(bytes(PAYLOAD_SIZE)), max_size=8))
def test_pieces_keep_their_order(pieces: list[bytes]) -> None:
    buffer = WriteBuffer()
    for piece in pieces:
        buffer.raw(piece)
    assert b"".join(buffer.finish()) == b"".join(pieces)
    assert buffer.size == sum(map(len, pieces))
