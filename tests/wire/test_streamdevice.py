from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicetrio.wire.enums import CursorType, VideoCodec
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.streamdevice import (
    FROM_DEVICE,
    FROM_HOST,
    MAX_FRAME,
    MESSAGES,
    Capabilities,
    CursorMove,
    CursorSet,
    Data,
    DeviceDisplayInfo,
    DeviceFraming,
    Format,
    NotifyError,
    QualityIndicator,
    StartStop,
)

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole, pull

VECTORS = [
    Vector(Capabilities(b"\1\0"), "0100", opaque=0),
    Vector(Format(640, 480, VideoCodec.H264), "80020000 e0010000 03 000000"),
    Vector(Data(b"abc"), "616263", opaque=0),
    Vector(StartStop((VideoCodec.MJPEG, VideoCodec.VP8)), "02 01 02"),
    Vector(StartStop(()), "00"),
    Vector(CursorSet(2, 1, 1, 0, CursorType.ALPHA, b"12345678"), "0200 0100 0100 0000 00 000000 3132333435363738"),
    Vector(CursorSet(1, 2, 0, 1, CursorType.COLOR24, b"12345678"), "0100 0200 0000 0100 05 000000 3132333435363738"),
    Vector(CursorSet(1, 1, 0, 0, CursorType.COLOR32, b"12345"), "0100 0100 0000 0000 06 000000 3132333435"),
    Vector(CursorMove(-1, 70000), "ffffffff 70110100"),
    Vector(DeviceDisplayInfo(1, 2, "pci"), "01000000 02000000 04000000 70636900"),
    Vector(QualityIndicator(b"abc"), "616263", opaque=0),
]

each = pytest.mark.parametrize("vector", VECTORS, ids=str)

ERROR = Vector(NotifyError(7, "no"), "07000000 6e6f00")
"""Its text ends with a NUL or with the body, so it may be cut."""


@pytest.mark.parametrize("vector", [*VECTORS, ERROR], ids=str)
def test_whole(vector: Vector) -> None:
    check_whole(vector)


@each
def test_truncated(vector: Vector) -> None:
    check_truncated(vector)


@each
def test_trailing(vector: Vector) -> None:
    check_trailing(vector)


@pytest.mark.parametrize("vector", [*VECTORS, ERROR], ids=str)
def test_damaged(vector: Vector) -> None:
    check_damaged(vector)


def test_an_errors_text_need_not_end_with_a_nul() -> None:
    assert pull(ERROR, ERROR.data[:-1]) == ERROR.value
    assert pull(ERROR, ERROR.data[:4]) == NotifyError(7, "")
    with pytest.raises(RemoteProtocolError, match="got 3 bytes, expected 4"):
        pull(ERROR, ERROR.data[:3])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("0104 0100 0000 0000 00 000000", "1025 x 1"),
        ("0100 0104 0000 0000 00 000000", "1 x 1025"),
        ("0100 0100 0000 0000 01 000000 00000000", "MONO"),
        ("0100 0100 0000 0000 09 000000 00000000", "CursorType 9"),
        ("0200 0100 0000 0000 00 000000 00000000000000", "got 7 bytes, expected 8"),
    ],
)
def test_pointers_that_make_no_sense_are_refused(body: str, text: str) -> None:
    with pytest.raises(RemoteProtocolError, match=text):
        pull(Vector(CursorSet(0, 0, 0, 0, CursorType.ALPHA, b""), body), bytes.fromhex(body))


def test_a_message_on_the_wire_has_the_head_of_the_specification() -> None:
    assert DeviceFraming.send(Data(b"abc")).hex() == "0100030003000000" + "616263"
    assert DeviceFraming.send(StartStop((1,))).hex() == "0100040002000000" + "0101"


@given(cuts=st.lists(st.integers(0, 60), max_size=8))
def test_messages_come_whole_whatever_pieces_they_arrive_in(cuts: list[int]) -> None:
    sent = [Format(1, 2, 3), Data(b""), Data(b"0123456789"), CursorMove(1, 2), Data(b"x")]
    data = b"".join(map(DeviceFraming.send, sent))
    framing = DeviceFraming(FROM_DEVICE)
    got = []
    ends = [*sorted(cuts), len(data)]
    for start, end in zip([0, *ends], ends, strict=False):
        framing.receive_data(data[start:end])
        while (message := framing.next_message()) is not None:
            got.append(message)
    assert got == sent


@pytest.mark.parametrize(
    ("head", "text"),
    [
        ("0200 0300 03000000", "version 2"),
        ("0100 0400 02000000", "message 4 of 2 bytes, which may not be sent"),
        ("0100 0900 01000000", "message 9 of 1 bytes, which may not be sent"),
        ("0100 0000 00000000", "message 0"),
        ("0100 6300 00000000", "message 99"),
        ("0100 0200 0d000000", "message 2 of 13 bytes, expected at most 12"),
        ("0100 0100 01040000", "message 1 of 1025 bytes, expected at most 1024"),
        ("0100 0300 01000002", f"message 3 of {MAX_FRAME + 1} bytes"),
        ("0100 0600 ffffffff", "message 6"),
    ],
)
def test_what_a_device_may_not_send_is_refused_by_its_head(head: str, text: str) -> None:
    framing = DeviceFraming(FROM_DEVICE)
    framing.receive_data(bytes.fromhex(head))
    with pytest.raises(RemoteProtocolError, match=text):
        framing.next_message()


def test_a_host_asks_and_a_device_shows() -> None:
    assert set(FROM_DEVICE) | set(FROM_HOST) == set(MESSAGES)
    assert set(FROM_DEVICE) & set(FROM_HOST) == {Capabilities.TYPE, NotifyError.TYPE}
    framing = DeviceFraming(FROM_HOST)
    framing.receive_data(DeviceFraming.send(StartStop((3,))))
    assert framing.next_message() == StartStop((3,))
    framing.receive_data(DeviceFraming.send(Format(1, 1, 1)))
    with pytest.raises(RemoteProtocolError, match="may not be sent"):
        framing.next_message()
