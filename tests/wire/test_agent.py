from __future__ import annotations

import pytest

from spicetrio.wire.agent import (
    AnnounceCapabilities,
    AudioVolumeSync,
    ClientDisconnected,
    ClipboardGrab,
    ClipboardMessage,
    ClipboardRelease,
    ClipboardRequest,
    Dialect,
    DisplayConfig,
    FileXferData,
    FileXferStart,
    FileXferStatus,
    GraphicsDevice,
    GraphicsDeviceInfo,
    MaxClipboard,
    Monitor,
    MonitorsConfig,
    MouseState,
    PhysicalSize,
    Reply,
)
from spicetrio.wire.buffer import ReadBuffer
from spicetrio.wire.enums import AgentCapability, AgentMessage
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.link import Capabilities

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole, push

TO_THE_END = [
    Vector(AnnounceCapabilities(1, Capabilities({0, 17, 33})), "01000000 01000200 02000000"),
    Vector(ClipboardGrab(1, 7, (2, 1)), "01 000000 07000000 02000000 01000000"),
    Vector(FileXferStart(3, "[x]\nsize=1\n"), "03000000 5b785d0a73697a653d310a 00"),
]
"""Their last field has as many items as there are."""
EXACT = [
    Vector(MouseState(640, 480, 2, 1), "80020000 e0010000 02000000 01"),
    Vector(
        MonitorsConfig(3, (Monitor(600, 800, 32, -1, 2),), (PhysicalSize(300, 400),)),
        "01000000 03000000 58020000 20030000 20000000 ffffffff 02000000 2c01 9001",
    ),
    Vector(MonitorsConfig(0, (Monitor(1, 2),)), "01000000 00000000 01000000 02000000 20000000 00000000 00000000"),
    Vector(Reply(2, 1), "02000000 01000000"),
    Vector(ClipboardMessage(2, 1, b"text"), "02 000000 01000000 74657874", opaque=8),
    Vector(DisplayConfig(9, 16), "09000000 10000000"),
    Vector(ClipboardRequest(0, 2), "00 000000 02000000"),
    Vector(ClipboardRelease(1), "01 000000"),
    Vector(FileXferStatus(3, 4, b"12345678"), "03000000 04000000 3132333435363738", opaque=8),
    Vector(FileXferData(3, b"abc"), "03000000 0300000000000000 616263"),
    Vector(ClientDisconnected(), ""),
    Vector(MaxClipboard(-1), "ffffffff"),
    Vector(AudioVolumeSync(1, 0, (65535, 1)), "01 00 02 ffff 0100"),
    Vector(
        GraphicsDeviceInfo((GraphicsDevice(1, 2, 3, "pci/0"),)),
        "01000000 01000000 02000000 03000000 06000000 7063692f3000",
    ),
]
VECTORS = TO_THE_END + EXACT

each = pytest.mark.parametrize("vector", VECTORS, ids=str)
each_exact = pytest.mark.parametrize("vector", EXACT, ids=str)


@each
def test_whole(vector: Vector) -> None:
    check_whole(vector)


@each_exact
def test_truncated(vector: Vector) -> None:
    check_truncated(vector)


@each_exact
def test_trailing(vector: Vector) -> None:
    check_trailing(vector)


@each
def test_damaged(vector: Vector) -> None:
    check_damaged(vector)


@pytest.mark.parametrize(("kind", "size"), [(AnnounceCapabilities, 3), (ClipboardGrab, 7), (FileXferStart, 3)])
def test_what_runs_to_the_end_has_a_beginning(kind: type[AnnounceCapabilities], size: int) -> None:
    with pytest.raises(RemoteProtocolError, match="got"):
        kind.pull(ReadBuffer(bytes(size)))
    assert kind.pull(ReadBuffer(bytes(size + 1))) == kind.pull(ReadBuffer(bytes(size + 2)))


def test_of_more_capabilities_than_there_can_be_the_first_are_kept() -> None:
    announced = AnnounceCapabilities.pull(ReadBuffer(bytes(4) + b"\xff" * 4000))
    assert len(announced.capabilities) == 256


@pytest.mark.parametrize(
    ("dialect", "grab", "request_body", "release"),
    [
        (Dialect(), "02000000", "05000000", ""),
        (Dialect(selection=True), "01000000 02000000", "01000000 05000000", "01000000"),
        (Dialect(selection=True, serial=True), "01000000 07000000 02000000", "01000000 05000000", "01000000"),
        (Dialect(serial=True), "07000000 02000000", "05000000", ""),
    ],
)
def test_fields_that_one_end_does_not_know_are_left_out(
    dialect: Dialect, grab: str, request_body: str, release: str
) -> None:
    selection, serial = 1 if dialect.selection else 0, 7 if dialect.serial else 0
    for message, body in (
        (ClipboardGrab(1, 7, (2,)), grab),
        (ClipboardRequest(1, 5), request_body),
        (ClipboardRelease(1), release),
    ):
        assert dialect.shorten(message.TYPE, push(message)) == bytes.fromhex(body)
    full = dialect.expand(AgentMessage.CLIPBOARD_GRAB, bytes.fromhex(grab))
    assert ClipboardGrab.pull(ReadBuffer(full)) == ClipboardGrab(selection, serial, (2,))
    full = dialect.expand(AgentMessage.CLIPBOARD_RELEASE, bytes.fromhex(release))
    assert ClipboardRelease.pull(ReadBuffer(full)) == ClipboardRelease(selection)
    assert dialect.expand(AgentMessage.REPLY, b"12345678") == dialect.shorten(AgentMessage.REPLY, b"12345678")


def test_the_dialect_is_what_both_ends_can_do() -> None:
    assert Dialect.of(Capabilities()) == Dialect()
    assert Dialect.of(Capabilities({AgentCapability.CLIPBOARD_SELECTION})) == Dialect(selection=True)
    assert Dialect.of(Capabilities(AgentCapability)) == Dialect(selection=True, serial=True)
