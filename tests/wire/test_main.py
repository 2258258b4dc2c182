from __future__ import annotations

from uuid import UUID

import pytest

from spicetrio.wire.buffer import ReadBuffer
from spicetrio.wire.enums import MouseMode
from spicetrio.wire.errors import LocalProtocolError, RemoteProtocolError
from spicetrio.wire.main import (
    AGENT_DATA_SIZE,
    AgentConnected,
    AgentConnectedTokens,
    AgentData,
    AgentDisconnected,
    AgentStart,
    AgentToken,
    AttachChannels,
    ChannelId,
    ChannelsList,
    ClientAgentData,
    ClientAgentToken,
    ClientInfo,
    ClientMigrateEnd,
    DstInfo,
    Init,
    MigrateBegin,
    MigrateBeginSeamless,
    MigrateCancel,
    MigrateConnected,
    MigrateConnectedSeamless,
    MigrateConnectError,
    MigrateDstDoSeamless,
    MigrateDstSeamlessAck,
    MigrateDstSeamlessNack,
    MigrateEnd,
    MigrateSwitchHost,
    MouseModeMessage,
    MouseModeRequest,
    MultiMediaTime,
    Name,
    QualityIndicator,
    Uuid,
)

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole, push

VECTORS = [
    Vector(MigrateBegin(DstInfo(5900, 5901, "ab")), "0c17 0d17 03000000 14000000 00000000 00000000 616200"),
    Vector(
        MigrateBegin(DstInfo(1, 2, "ab", "CN=c")),
        "0100 0200 03000000 14000000 05000000 17000000 616200 434e3d6300",
    ),
    Vector(MigrateCancel(), ""),
    Vector(
        Init(0x01020304, 1, MouseMode.SERVER | MouseMode.CLIENT, MouseMode.SERVER, 1, 10, 12345, 1 << 26),
        "04030201 01000000 03000000 01000000 01000000 0a000000 39300000 00000004",
    ),
    Vector(ChannelsList(()), "00000000"),
    Vector(ChannelsList((ChannelId(2, 0), ChannelId(4, 0), ChannelId(99, 7))), "03000000 0200 0400 6307"),
    Vector(MouseModeMessage(3, 2), "0300 0200"),
    Vector(MultiMediaTime(0xFFFFFE70), "70feffff"),
    Vector(AgentConnected(), ""),
    Vector(AgentDisconnected(), "00000000"),
    Vector(AgentData(b"abc"), "616263", opaque=0),
    Vector(AgentToken(5), "05000000"),
    Vector(MigrateSwitchHost(DstInfo(0, 2, "", "")), "0000 0200 01000000 14000000 01000000 15000000 00 00"),
    Vector(MigrateEnd(), ""),
    Vector(Name("héllo"), "07000000 68c3a96c6c6f00"),
    Vector(Name(""), "01000000 00"),
    Vector(Uuid(UUID("00112233-4455-6677-8899-aabbccddeeff")), "00112233445566778899aabbccddeeff"),
    Vector(AgentConnectedTokens(10), "0a000000"),
    Vector(
        MigrateBeginSeamless(DstInfo(1, 2, "ab", "c"), 1),
        "0100 0200 03000000 18000000 02000000 1b000000 01000000 616200 6300",
    ),
    Vector(MigrateDstSeamlessAck(), ""),
    Vector(MigrateDstSeamlessNack(), ""),
    Vector(ClientInfo(1 << 32), "0000000001000000"),
    Vector(MigrateConnected(), ""),
    Vector(MigrateConnectError(), ""),
    Vector(AttachChannels(), ""),
    Vector(MouseModeRequest(2), "0200"),
    Vector(AgentStart(0xFFFFFFFF), "ffffffff"),
    Vector(ClientAgentData(b"abc"), "616263", opaque=0),
    Vector(ClientAgentToken(5), "05000000"),
    Vector(ClientMigrateEnd(), ""),
    Vector(MigrateDstDoSeamless(1), "01000000"),
    Vector(MigrateConnectedSeamless(), ""),
    Vector(QualityIndicator(b"abc"), "616263", opaque=0),
]

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


def test_destinations_need_a_host() -> None:
    with pytest.raises(RemoteProtocolError, match="null pointer"):
        MigrateBegin.pull(ReadBuffer(bytes(20)))


@pytest.mark.parametrize("kind", [AgentData, ClientAgentData])
def test_agent_data_is_bounded(kind: type[AgentData | ClientAgentData]) -> None:
    largest = kind(bytes(AGENT_DATA_SIZE))
    assert kind.pull(ReadBuffer(push(largest))) == largest
    with pytest.raises(RemoteProtocolError, match="got 2049 bytes of agent data, expected at most 2048"):
        kind.pull(ReadBuffer(bytes(AGENT_DATA_SIZE + 1)))
    with pytest.raises(LocalProtocolError):
        push(kind(bytes(AGENT_DATA_SIZE + 1)))


def test_names_end_at_their_nul() -> None:
    assert Name.pull(ReadBuffer(b"\5\0\0\0ab\0cd")) == Name("ab")
    assert Name.pull(ReadBuffer(b"\2\0\0\0abcd")) == Name("ab")
    with pytest.raises(LocalProtocolError):
        push(Name("a\0b"))
