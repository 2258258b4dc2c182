from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicetrio.codecs import zlib_glz


def test_it_is_one_zlib_stream():
    glz = bytes(range(50)) * 40
    data = zlib_glz.encode(glz)
    assert data[0] == 0x78  # a header of RFC 1950, window of 32 KiB
    assert zlib.decompress(data) == glz
    assert zlib_glz.decode(data, len(glz)) == glz


@pytest.mark.parametrize(("size", "tried"), [(0, False), (99, False), (100, True)])
def test_little_is_left_alone(size, tried):
    assert (zlib_glz.encode(memoryview(bytes(size))) is not None) == tried


@pytest.mark.parametrize("size", [100, 1000, 100_000])
def test_what_zlib_does_not_make_smaller_is_left_alone(size):
    assert zlib_glz.encode(random.Random(size).randbytes(size)) is None


@pytest.mark.parametrize(
    ("zeros", "size", "tried"),
    [
        (2_000, zlib_glz.PROBE, True),  # 3 %, but that is all there is
        (2_000, zlib_glz.PROBE + 1, False),
        (4_000, zlib_glz.PROBE + 1, True),  # 6 %
    ],
)
def test_what_does_not_begin_to_shrink_is_left_alone(zeros, size, tried):
    glz = bytes(zeros) + random.Random(1).randbytes(size - zeros)
    assert (zlib_glz.encode(glz) is not None) == tried


def test_what_would_shrink_only_later_is_left_alone():
    assert zlib_glz.encode(random.Random(1).randbytes(zlib_glz.PROBE) + bytes(1_000_000)) is None


@given(st.binary(min_size=1, max_size=300), st.integers(100, 500))
def test_what_is_encoded_comes_back(part, repeats):
    glz = part * repeats
    data = zlib_glz.encode(glz)
    if data is not None:
        assert len(data) < len(glz)
        assert zlib_glz.decode(data, len(glz)) == glz


@pytest.mark.parametrize(
    ("damage", "size"),
    [
        (lambda data: data, 999),
        (lambda data: data, 1001),
        (lambda data: data, 0),
        (lambda data: data, -1),
        (lambda data: data[:-1], 1000),
        (lambda data: data[:10], 1000),
        (lambda data: data + b"x", 1000),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), 1000),
        (lambda data: b"", 1000),
        (lambda data: b"garbage", 1000),
    ],
)
def test_anything_else_raises_value_error(damage, size):
    data = zlib_glz.encode(bytes(1000))
    with pytest.raises(ValueError):
        zlib_glz.decode(damage(data), size)
