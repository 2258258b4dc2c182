from __future__ import annotations

import pytest

from spicetrio.wire.enums import VscError, VscType
from spicetrio.wire.smartcard import UNDEFINED_READER, ClientData, Data

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole

VECTORS = [
    Vector(Data(VscType.APDU, 1, b"\x00\xa4"), "07000000 01000000 02000000 00a4"),
    Vector(Data.error(UNDEFINED_READER, VscError.CANNOT_ADD_MORE_READERS), "02000000 ffffffff 04000000 02000000"),
    Vector(ClientData(VscType.READER_ADD, UNDEFINED_READER, b"ab"), "03000000 ffffffff 02000000 6162"),
    Vector(ClientData(99, 0, b""), "63000000 00000000 00000000"),
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
