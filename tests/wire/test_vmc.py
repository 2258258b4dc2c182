from __future__ import annotations

import pytest

from spicetrio.wire.buffer import ReadBuffer
from spicetrio.wire.enums import DataCompression
from spicetrio.wire.errors import LocalProtocolError, RemoteProtocolError
from spicetrio.wire.vmc import ClientCompressedData, ClientData, CompressedData, Data

from .vectors import Vector, check_damaged, check_trailing, check_truncated, check_whole, push

VECTORS = [
    Vector(Data(b"abc"), "616263", opaque=0),
    Vector(ClientData(b""), "", opaque=0),
    Vector(CompressedData(DataCompression.NONE, None, b"abc"), "00 616263", opaque=1),
    Vector(CompressedData(DataCompression.LZ4, 0x010203, b"abc"), "01 03020100 616263", opaque=5),
    Vector(ClientCompressedData(DataCompression.LZ4, 7, b""), "01 07000000", opaque=5),
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


def test_an_unknown_compression_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="got DataCompression 2, expected one of 0, 1"):
        ClientCompressedData.pull(ReadBuffer(b"\x02\0\0\0\0"))


@pytest.mark.parametrize(("compression", "size"), [(DataCompression.NONE, 3), (DataCompression.LZ4, None)])
def test_a_size_that_contradicts_the_compression_is_not_written(compression: DataCompression, size: int | None) -> None:
    with pytest.raises(LocalProtocolError):
        push(CompressedData(compression, size, b"abc"))
