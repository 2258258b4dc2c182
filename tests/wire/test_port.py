from __future__ import annotations

import pytest

from spicetrio.wire.buffer import ReadBuffer
from spicetrio.wire.enums import PortEvent
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.port import ClientEvent, Event, Init

from .vectors import Vector, check_damaged, check_truncated, check_whole

VECTORS = [
    Vector(Init("a.b", opened=True), "04000000 09000000 01 612e6200"),
    Vector(Init("", opened=False), "01000000 09000000 00 00"),
    Vector(Event(PortEvent.BREAK), "02"),
    Vector(ClientEvent(PortEvent.CLOSED), "01"),
]

each = pytest.mark.parametrize("vector", VECTORS, ids=str)


@each
def test_whole(vector: Vector) -> None:
    check_whole(vector)


@each
def test_truncated(vector: Vector) -> None:
    check_truncated(vector)


@each
def test_damaged(vector: Vector) -> None:
    check_damaged(vector)


def test_a_port_without_a_name_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="got a null pointer"):
        Init.pull(ReadBuffer(bytes(9)))
