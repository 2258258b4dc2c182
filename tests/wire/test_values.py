from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicetrio.wire.buffer import ReadBuffer
from spicetrio.wire.enums import BrushType, CursorFlags, PathFlags
from spicetrio.wire.errors import LocalProtocolError, RemoteProtocolError
from spicetrio.wire.values import encode_text, known, known_flags, pull_text


def test_known_numbers() -> None:
    assert known(BrushType, 2) is BrushType.PATTERN
    with pytest.raises(RemoteProtocolError, match="got BrushType 3, expected one of 0, 1, 2"):
        known(BrushType, 3)


def test_known_flags() -> None:
    assert known_flags(CursorFlags, 7) == 7
    assert known_flags(PathFlags, 0) == 0
    for value in (4, 32, 0xE4):
        with pytest.raises(RemoteProtocolError, match="PathFlags"):
            known_flags(PathFlags, value)


@given(st.text())
def test_texts(text: str) -> None:
    if "\0" in text:
        with pytest.raises(LocalProtocolError, match="NUL"):
            encode_text(text)
    else:
        data = encode_text(text)
        assert pull_text(ReadBuffer(data + b"more"), len(data)) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"", ""), (b"\0", ""), (b"abc", "abc"), (b"abc\0", "abc"), (b"a\0bc\0", "a"), (b"\xffa\0", "\ufffda")],
)
def test_texts_of_peers_may_be_anything(data: bytes, text: str) -> None:
    assert pull_text(ReadBuffer(data), len(data)) == text


def test_short_texts_are_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        pull_text(ReadBuffer(b"abc"), 4)
