"""Messages are put together from pieces of any size, and nothing is kept that is not wanted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicetrio.wire.agent import Dialect, DisplayConfig, FileXferData
from spicetrio.wire.agentstream import (
    HEADER_SIZE,
    AgentFrame,
    ChunkReader,
    MessageReader,
    chunk,
    frame,
    pieces,
)
from spicetrio.wire.enums import AgentMessage, AgentPort
from spicetrio.wire.errors import RemoteProtocolError

CONFIG = frame(DisplayConfig(1, 2), Dialect())


def header(kind: int, size: int, protocol: int = 1) -> bytes:
    return protocol.to_bytes(4, "little") + kind.to_bytes(4, "little") + bytes(8) + size.to_bytes(4, "little")


def keep(kind: int, size: int) -> bool:
    return True


def test_a_message_as_its_bytes() -> None:
    assert CONFIG.hex() == "01000000050000000000000000000000080000000100000002000000"


@given(st.lists(st.binary(max_size=50), max_size=4), st.data())
def test_messages_come_out_however_they_are_cut(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(header(number, len(body)) + body for number, body in enumerate(bodies))
    reader = MessageReader(keep)
    frames = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        reader.receive_data(stream[:size])
        stream = stream[size:]
        while message := reader.next_message():
            frames.append(message)
    assert frames == [AgentFrame(number, len(body), body) for number, body in enumerate(bodies)]
    assert reader.under_way is None


@pytest.mark.parametrize("size", [0, 1, 2048, 5000])
def test_a_message_comes_out_of_its_pieces(size: int) -> None:
    reader = MessageReader(keep)
    message = frame(FileXferData(1, bytes(size)), Dialect())
    cut = list(pieces(message))
    assert b"".join(cut) == message
    assert all(len(piece) == 2048 for piece in cut[:-1])
    for piece in cut[:-1]:
        reader.receive_piece(piece)
        assert reader.next_message() is None
        assert reader.under_way == AgentMessage.FILE_XFER_DATA
    reader.receive_piece(cut[-1])
    assert reader.next_message() == AgentFrame(AgentMessage.FILE_XFER_DATA, len(message) - 20, message[20:])


@pytest.mark.parametrize(
    "piece", [b"", CONFIG[: HEADER_SIZE - 1], CONFIG + b"x", CONFIG * 2], ids=["empty", "cut", "more", "two"]
)
def test_a_piece_holds_bytes_of_one_message_and_the_first_its_header(piece: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="got"):
        MessageReader(keep).receive_piece(piece)


def test_another_protocol_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="got protocol 2"):
        MessageReader(keep).receive_data(header(5, 8, protocol=2))


def test_the_judge_is_asked_before_anything_of_a_body_is_kept() -> None:
    asked = []

    def judge(kind: int, size: int) -> bool:
        asked.append((kind, size))
        return False

    reader = MessageReader(judge)
    reader.receive_data(header(4, 0xFFFFFFFF))
    assert asked == [(4, 0xFFFFFFFF)]
    for _ in range(100):
        reader.receive_data(bytes(2048))
    assert reader._body is None
    reader = MessageReader(judge)
    reader.receive_data(header(9, 5) + b"12345" + header(8, 0))
    assert reader.next_message() == AgentFrame(9, 5, None)
    assert reader.next_message() == AgentFrame(8, 0, None)


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=9)), max_size=5), st.integers(1, 9))
def test_chunks_are_taken_apart_however_they_are_cut(chunks: list[tuple[int, bytes]], size: int) -> None:
    stream = b"".join(chunk(port, data) for port, data in chunks)
    reader = ChunkReader()
    got: dict[int, bytes] = {}
    for start in range(0, len(stream), size):
        for port, part in reader.receive_data(stream[start : start + size]):
            got[port] = got.get(port, b"") + bytes(part)
    expected: dict[int, bytes] = {}
    for port, data in chunks:
        if data:
            expected[port] = expected.get(port, b"") + data
    assert got == expected


def test_a_chunk_names_its_port() -> None:
    assert chunk(AgentPort.SERVER, b"ab").hex() == "02000000020000006162"
