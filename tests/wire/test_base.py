from __future__ import annotations

import pytest

from spicetrio.wire.base import (
    Ack,
    AckSync,
    ChannelWait,
    ClientDisconnecting,
    ClientMigrateData,
    Disconnecting,
    MessageList,
    Migrate,
    MigrateData,
    MigrateFlushMark,
    Notify,
    Ping,
    Pong,
    SetAck,
    SubMessage,
    WaitForChannels,
)
from spicetrio.wire.buffer import ReadBuffer
from spicetrio.wire.enums import MigrateFlags, NotifySeverity, NotifyVisibility
from spicetrio.wire.errors import RemoteProtocolError

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole, push

VECTORS = [
    Vector(Migrate(MigrateFlags.NEED_FLUSH | MigrateFlags.NEED_DATA_TRANSFER), "03000000"),
    Vector(MigrateData(b"abc"), "616263", opaque=0),
    Vector(SetAck(1, 20), "01000000 14000000"),
    Vector(Ping(3, 0x0102030405060708), "03000000 0807060504030201", opaque=12),
    Vector(Ping(3, 4, bytes(5)), "03000000 0400000000000000 0000000000", opaque=12),
    Vector(WaitForChannels(()), "00"),
    Vector(
        WaitForChannels((ChannelWait(2, 0, 5), ChannelWait(2, 1, 0x100000000))),
        "02  02 00 0500000000000000  02 01 0000000001000000",
    ),
    Vector(Disconnecting(7, 9), "0700000000000000 09000000"),
    Vector(
        MessageList((SubMessage(5, b"\0"), SubMessage(105, b"\0\0"))),
        "0200 0a000000 11000000  0500 01000000 00  6900 02000000 0000",
    ),
    Vector(MessageList(()), "0000"),
    Vector(AckSync(1), "01000000"),
    Vector(Ack(), ""),
    Vector(Pong(3, 4), "03000000 0400000000000000"),
    Vector(MigrateFlushMark(), ""),
    Vector(ClientMigrateData(b"abc"), "616263", opaque=0),
    Vector(ClientDisconnecting(7, 0), "0700000000000000 00000000"),
]

NOTIFY = Notify(9, NotifySeverity.WARN, NotifyVisibility.HIGH, 0, "hé")
NOTIFY_BODY = bytes.fromhex("0900000000000000 01000000 02000000 00000000 03000000 68c3a9 00")

each = pytest.mark.parametrize("vector", VECTORS, ids=str)


@each
def test_whole(vector: Vector) -> None:
    check_whole(vector)


@each
def test_truncated(vector: Vector) -> None:
    check_truncated(vector)


@each
def test_trailing(vector: Vector) -> None:
    check_trailing(vector)


@each
def test_damaged(vector: Vector) -> None:
    check_damaged(vector)


def test_notify_ends_with_a_nul_that_its_length_does_not_count() -> None:
    assert push(NOTIFY) == NOTIFY_BODY
    for body in (NOTIFY_BODY, NOTIFY_BODY[:-1], NOTIFY_BODY + b"more"):
        assert Notify.pull(ReadBuffer(body)) == NOTIFY
    for size in range(len(NOTIFY_BODY) - 1):
        with pytest.raises(RemoteProtocolError):
            Notify.pull(ReadBuffer(NOTIFY_BODY[:size]))


def test_warning() -> None:
    assert push(Notify.warning(9, "hé")) == NOTIFY_BODY


def test_sub_messages_may_stand_anywhere() -> None:
    body = bytes.fromhex("0200 11000000 0a000000  6900 01000000 aa  0500 01000000 bb")
    assert MessageList.pull(ReadBuffer(body)) == MessageList((SubMessage(5, b"\xbb"), SubMessage(105, b"\xaa")))
