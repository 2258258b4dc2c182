from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicetrio.wire import base
from spicetrio.wire.buffer import Marshalled, Message, ReadBuffer, marshal
from spicetrio.wire.enums import BaseMessage
from spicetrio.wire.errors import LocalProtocolError, RemoteProtocolError
from spicetrio.wire.framing import JOINED_SIZE, AckWindow, Bundle, Frame, Framing, joined

PING = base.Ping(3, 4, b"xy")
PING_BODY = "03000000 0400000000000000 7879"
MINI_PING = bytes.fromhex("0400 0e000000" + PING_BODY)
FULL_PING = bytes.fromhex("0100000000000000 0400 0e000000 00000000" + PING_BODY)
SYNC = base.AckSync(7)
PONG = base.Pong(1, 2)

kinds = pytest.mark.parametrize("mini", [False, True], ids=["full", "mini"])


def wire(framing: Framing, *messages: Message | Marshalled, subs: tuple[Message, ...] = ()) -> bytes:
    data = bytearray()
    for message in messages:
        for buffer in framing.send(message, subs=subs):
            data += buffer
    return bytes(data)


def frames(framing: Framing, data: bytes = b"") -> list[tuple[int, bytes, int]]:
    """All there is now, as number, body and serial."""
    framing.receive_data(data)
    found = []
    while frame := framing.next_message():
        found.append((frame.type, bytes(frame.body), frame.serial))
    return found


def body(message: Message) -> bytes:
    return b"".join(marshal(message).buffers)


def test_the_mini_header_is_number_and_size() -> None:
    assert wire(Framing(mini=True, limits=None), PING) == MINI_PING
    assert frames(Framing(mini=True, limits=None), MINI_PING) == [(4, body(PING), 1)]


def test_the_full_header_has_a_serial_and_a_sub_list_too() -> None:
    assert wire(Framing(mini=False, limits=None), PING) == FULL_PING
    assert frames(Framing(mini=False, limits=None), FULL_PING) == [(4, body(PING), 1)]


def test_an_empty_body_is_a_header_alone() -> None:
    assert wire(Framing(mini=True, limits=None), base.Ack()) == bytes.fromhex("0200 00000000")
    assert frames(Framing(mini=True, limits={2: 0}), bytes.fromhex("0200 00000000")) == [(2, b"", 1)]


@kinds
def test_serials_count_messages_from_one(mini: bool) -> None:
    framing = Framing(mini=mini, limits=None)
    assert framing.send_serial == 0
    data = wire(framing, PING, SYNC, PONG)
    assert framing.send_serial == 3
    assert [serial for _, _, serial in frames(Framing(mini=mini, limits=None), data)] == [1, 2, 3]


def test_with_full_headers_the_peers_own_serial_is_taken() -> None:
    data = FULL_PING.replace(b"\1" + bytes(7), b"\xff" * 8, 1)
    assert frames(Framing(mini=False, limits=None), data)[0][2] == 2**64 - 1


@kinds
def test_messages_come_byte_by_byte(mini: bool) -> None:
    data = wire(Framing(mini=mini, limits=None), PING, base.Ack(), SYNC)
    framing = Framing(mini=mini, limits={4: 14, 2: 0, 1: 4})
    found = []
    for pos in range(len(data)):
        assert framing.next_message() is None
        found += frames(framing, data[pos : pos + 1])
    assert found == [(4, body(PING), 1), (2, b"", 2), (1, body(SYNC), 3)]


@kinds
def test_a_truncated_message_is_waited_for(mini: bool) -> None:
    data = wire(Framing(mini=mini, limits=None), PING)
    for size in range(len(data)):
        framing = Framing(mini=mini, limits={4: 14})
        assert frames(framing, data[:size]) == []
        assert frames(framing, data[size:]) == [(4, body(PING), 1)]


@kinds
def test_bytes_after_a_message_are_the_next(mini: bool) -> None:
    sender = Framing(mini=mini, limits=None)
    first, second = wire(sender, PING), wire(sender, SYNC)
    framing = Framing(mini=mini, limits=None)
    assert frames(framing, first + second[:5]) == [(4, body(PING), 1)]
    assert frames(framing, second[5:]) == [(1, body(SYNC), 2)]


@kinds
def test_a_body_outlives_the_bytes_that_follow(mini: bool) -> None:
    sender = Framing(mini=mini, limits=None)
    framing = Framing(mini=mini, limits=None)
    data = bytearray(wire(sender, PING))
    framing.receive_data(data)
    data[:] = b"\xff" * len(data)
    frame = framing.next_message()
    framing.receive_data(wire(sender, PONG))
    assert frame == Frame(4, body(PING), 1)


@kinds
@pytest.mark.parametrize(("kind", "size"), [(4, 15), (4, 2**32 - 1), (9, 0), (9, 2**32 - 1), (65535, 1)])
def test_what_may_not_come_is_refused_on_its_header(mini: bool, kind: int, size: int) -> None:
    fields = kind.to_bytes(2, "little") + size.to_bytes(4, "little")
    header = fields if mini else bytes(8) + fields + bytes(4)
    framing = Framing(mini=mini, limits={4: 14})
    framing.receive_data(header[:-1])
    assert framing.next_message() is None
    framing.receive_data(header[-1:])
    with pytest.raises(RemoteProtocolError, match=f"got message {kind} of {size} bytes"):
        framing.next_message()
    with pytest.raises(RemoteProtocolError):
        framing.next_message()


@kinds
def test_messages_before_a_wrong_one_are_still_read(mini: bool) -> None:
    data = wire(Framing(mini=mini, limits=None), PING, SYNC)
    framing = Framing(mini=mini, limits={4: 14})
    framing.receive_data(data)
    assert framing.next_message() == Frame(4, body(PING), 1)
    with pytest.raises(RemoteProtocolError):
        framing.next_message()


def test_large_payloads_leave_uncopied() -> None:
    pixels = bytes(100_000)
    for mini in (False, True):
        assert Framing(mini=mini, limits=None).send(base.Ping(1, 2, pixels))[-1] is pixels


@kinds
def test_a_value_that_does_not_fit_sends_nothing(mini: bool) -> None:
    framing = Framing(mini=mini, limits=None)
    with pytest.raises(LocalProtocolError):
        framing.send(base.AckSync(2**32))
    with pytest.raises(LocalProtocolError):
        framing.send(PING, subs=[base.AckSync(-1)])
    assert framing.send_serial == 0


def test_a_message_marshalled_before_is_sent_to_many() -> None:
    marshalled = marshal(PING)
    assert wire(Framing(mini=True, limits=None), marshalled) == MINI_PING
    assert wire(Framing(mini=False, limits=None), marshalled) == FULL_PING


# Sub-messages


def test_with_full_headers_subs_ride_behind_the_body() -> None:
    framing = Framing(mini=False, limits=None)
    data = wire(framing, PING, subs=(SYNC, base.Ack()))
    assert (
        data
        == bytes.fromhex(
            "0100000000000000 0400 28000000 0e000000" + PING_BODY + "0200 18000000 22000000"  # a list of two offsets
            "0100 04000000 07000000"
            "0200 00000000"
        )
    )
    assert framing.send_serial == 1
    assert [(kind, serial) for kind, _, serial in frames(Framing(mini=False, limits=None), data)] == [
        (1, 1),
        (2, 1),
        (4, 1),
    ]


def test_with_mini_headers_one_sub_is_a_message_before() -> None:
    framing = Framing(mini=True, limits=None)
    data = wire(framing, PING, subs=(SYNC,))
    assert data == bytes.fromhex("0100 04000000 07000000") + MINI_PING
    assert framing.send_serial == 2


def test_with_mini_headers_several_subs_are_a_list_before() -> None:
    framing = Framing(mini=True, limits=None)
    data = wire(framing, PING, subs=(SYNC, base.Ack()))
    assert (
        data
        == bytes.fromhex(
            "0800 1a000000"  # LIST
            "0200 0a000000 14000000"
            "0100 04000000 07000000"
            "0200 00000000"
        )
        + MINI_PING
    )
    assert framing.send_serial == 2
    (kind, listed, _), carrier = frames(Framing(mini=True, limits=None), data)
    assert kind == BaseMessage.LIST
    subs = base.MessageList.pull(ReadBuffer(listed)).messages
    assert [(sub.type, bytes(sub.body)) for sub in subs] == [(1, body(SYNC)), (2, b"")]
    assert carrier == (4, body(PING), 2)


def test_an_empty_body_has_no_place_for_a_list_so_subs_go_before() -> None:
    framing = Framing(mini=False, limits=None)
    data = wire(framing, base.Ack(), subs=(SYNC,))
    assert frames(Framing(mini=False, limits=None), data) == [(1, body(SYNC), 1), (2, b"", 2)]
    assert framing.send_serial == 2


def full(kind: int, data: bytes, sub_list: int) -> bytes:
    return (
        bytes(8) + kind.to_bytes(2, "little") + len(data).to_bytes(4, "little") + sub_list.to_bytes(4, "little") + data
    )


def test_subs_are_held_to_the_same_limits() -> None:
    data = wire(Framing(mini=False, limits=None), PING, subs=(SYNC,))
    assert len(frames(Framing(mini=False, limits={4: 100, 1: 4}), data)) == 2
    for limits in ({4: 100, 1: 3}, {4: 100}):
        framing = Framing(mini=False, limits=limits)
        framing.receive_data(data)
        with pytest.raises(RemoteProtocolError):
            framing.next_message()


@pytest.mark.parametrize(
    ("listed", "offset"),
    [
        ("", 1),  # beyond the body
        ("", 2**32 - 1),
        ("01", 14),  # half a count
        ("0100", 14),  # no offset
        ("ffff 00000000", 14),  # many offsets
        ("0100 ffffffff", 14),  # nothing there
        ("0100 14000000 0100 05000000 00000000", 14),  # a body that is longer than what is there
        ("0100 14000000 0100 ffffffff", 14),
    ],
)
def test_a_sub_list_that_is_not_there_is_refused(listed: str, offset: int) -> None:
    framing = Framing(mini=False, limits={4: 2048, 1: 2048})
    base_body = body(PING) if offset == 14 else b""
    framing.receive_data(full(4, base_body + bytes.fromhex(listed), offset))
    with pytest.raises(RemoteProtocolError, match="got"):
        framing.next_message()


def test_a_refused_sub_list_yields_nothing_of_itself() -> None:
    listed = bytes.fromhex("0200 18000000 1e000000  0200 00000000  0300 00000000")
    framing = Framing(mini=False, limits={4: 2048, 2: 0})
    framing.receive_data(full(4, body(PING) + listed, 14))
    with pytest.raises(RemoteProtocolError):
        framing.next_message()
    assert framing.next_message() is None


# Any pieces, any bytes

messages = st.one_of(
    st.builds(base.Ping, st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.binary(max_size=30)),
    st.builds(base.AckSync, st.integers(0, 2**32 - 1)),
    st.just(base.Ack()),
    st.builds(base.ClientMigrateData, st.just(bytes(range(256)) * 20)),
)


@kinds
@given(
    st.lists(st.tuples(messages, st.lists(messages, max_size=3)), max_size=5),
    st.lists(st.integers(1, 5000), min_size=1, max_size=20),
)
def test_messages_come_back_whatever_the_pieces(
    mini: bool, sent: list[tuple[Message, list[Message]]], cuts: list[int]
) -> None:
    sender, receiver = Framing(mini=mini, limits=None), Framing(mini=mini, limits=None)
    data = b"".join(wire(sender, message, subs=tuple(subs)) for message, subs in sent)
    found = []
    while data:
        found += frames(receiver, data[: cuts[0]])
        data, cuts = data[cuts[0] :], cuts[1:] + cuts[:1]
    expected = []
    for message, subs in sent:
        if (mini or not body(message)) and len(subs) > 1:
            expected.append((int(BaseMessage.LIST), None))
        else:
            expected += [(int(sub.TYPE), body(sub)) for sub in subs]
        expected.append((int(message.TYPE), body(message)))
    assert [kind for kind, _, _ in found] == [kind for kind, _ in expected]
    for (_, got, _), (_, wanted) in zip(found, expected, strict=True):
        # With full headers the body of a carrier has the list behind it; a reader knows where to stop.
        assert wanted is None or got[: len(wanted)] == wanted
    if mini:
        assert [serial for _, _, serial in found] == list(range(1, len(found) + 1))
    assert receiver.next_message() is None


@kinds
@given(st.binary(max_size=300))
def test_any_bytes_are_messages_or_refused(mini: bool, data: bytes) -> None:
    framing = Framing(mini=mini, limits=dict.fromkeys(range(512), 64))
    try:
        for pos in range(0, len(data), 7):
            for _, got, _ in frames(framing, data[pos : pos + 7]):
                assert len(got) <= 64
    except RemoteProtocolError as error:
        assert "got" in str(error)  # noqa: PT017 - a message is as good


@given(st.binary(max_size=64), st.integers(0, 70))
def test_any_sub_list_is_messages_or_refused(data: bytes, offset: int) -> None:
    framing = Framing(mini=False, limits=dict.fromkeys(range(2**16), 64))
    try:
        found = frames(framing, full(4, data, offset))
    except RemoteProtocolError as error:
        assert "got" in str(error)  # noqa: PT017 - a message is as good
    else:
        assert found[-1] == (4, data, 0)


# ACK windows


def test_41_messages_leave_without_an_ack_at_window_20() -> None:
    ack = AckWindow()
    assert ack.start(20) == base.SetAck(1, 20)
    sent = 0
    while ack.open:
        ack.sent()
        sent += 1
    assert sent == 41


def test_there_is_room_for_as_many_as_may_be_sent() -> None:
    ack = AckWindow()
    assert ack.room > 1 << 30
    ack.start(20)
    assert ack.room == 41
    ack.sent(40)
    assert ack.room == 1
    ack.sent(5)
    assert ack.room == 0
    assert not ack.open


def test_each_ack_makes_room_for_a_window() -> None:
    ack = AckWindow()
    ack.start(20)
    ack.synced(1)
    ack.sent(41)
    for _ in range(3):
        ack.acknowledged()
        assert ack.open
        ack.sent(20)
        assert not ack.open


def test_acks_of_an_older_generation_count_for_nothing() -> None:
    ack = AckWindow()
    ack.start(20)
    ack.synced(1)
    assert ack.start(10) == base.SetAck(2, 10)
    ack.sent(21)
    assert not ack.open
    ack.acknowledged()
    assert not ack.open
    ack.synced(3)
    ack.acknowledged()
    assert not ack.open
    ack.synced(2)
    ack.acknowledged()
    assert ack.open


def test_acks_before_the_sync_count_for_nothing() -> None:
    ack = AckWindow()
    ack.start(1)
    ack.sent(3)
    ack.acknowledged()
    assert not ack.open


def test_a_new_generation_begins_at_nothing() -> None:
    ack = AckWindow()
    ack.start(20)
    ack.sent(100)
    ack.start(20)
    assert ack.open
    ack.sent(40)
    assert ack.open
    ack.sent()
    assert not ack.open


def test_too_many_acks_are_no_credit_for_later() -> None:
    ack = AckWindow()
    ack.start(20)
    ack.synced(1)
    for _ in range(100):
        ack.acknowledged()
    ack.sent(40)
    assert ack.open
    ack.sent()
    assert not ack.open


def test_a_channel_without_acks_is_always_open() -> None:
    ack = AckWindow()
    ack.sent(10_000)
    assert ack.open
    ack.acknowledged()
    assert ack.open


@kinds
def test_a_bundle_is_its_messages_one_after_the_other(mini: bool) -> None:
    framing, other = Framing(mini=mini, limits=None), Framing(mini=mini, limits=None)
    bundle = Bundle([marshal(PING), marshal(SYNC)])
    for _ in range(2):
        assert b"".join(framing.send_bundle(bundle)) == wire(other, PING, SYNC)
        assert framing.send_serial == other.send_serial


def test_the_bytes_of_a_bundle_are_made_once_for_all_with_mini_headers() -> None:
    bundle = Bundle([marshal(PING), marshal(SYNC)])
    (one,), (other,) = (Framing(mini=True, limits=None).send_bundle(bundle) for _ in range(2))
    assert one is other


def test_a_bundle_may_be_split() -> None:
    first, others = Bundle([marshal(base.AckSync(number)) for number in range(5)]).split(2)
    assert (len(first), len(others)) == (2, 3)
    assert (first.size, others.size) == (8, 12)


def test_small_buffers_are_joined_and_large_ones_are_not_copied() -> None:
    large = bytes(JOINED_SIZE)
    parts = list(joined([b"ab", b"c", large, b"d", bytes(JOINED_SIZE - 1), b"e", b"f"]))
    assert parts == [b"abc", large, b"d" + bytes(JOINED_SIZE - 1), b"ef"]
    assert parts[1] is large
    assert list(joined([])) == []
