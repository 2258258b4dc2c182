from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicetrio.wire.webdav import MAX_DATA, MuxDecoder, MuxFrame

from .strategies import i64

frames = st.lists(st.builds(MuxFrame, i64, st.binary(max_size=30) | st.just(bytes(MAX_DATA))), max_size=5)


@pytest.mark.parametrize(
    ("frame", "body"),
    [
        (MuxFrame(1, b"GET"), "0100000000000000 0300 474554"),
        (MuxFrame(-2, b""), "feffffffffffffff 0000"),
        (MuxFrame(0x0102, bytes(256)), "0201000000000000 0001" + "00" * 256),
    ],
)
def test_a_frame_is_a_number_a_size_and_bytes(frame: MuxFrame, body: str) -> None:
    assert frame.encode() == bytes.fromhex(body)
    assert list(MuxDecoder().receive_data(bytes.fromhex(body))) == [frame]


@given(frames=frames, sizes=st.lists(st.integers(1, 70000), min_size=1))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(frames: list[MuxFrame], sizes: list[int]) -> None:
    stream = b"".join(frame.encode() for frame in frames)
    decoder, out, at = MuxDecoder(), [], 0
    while at < len(stream):
        size = sizes[len(out) % len(sizes)]
        out += decoder.receive_data(stream[at : at + size])
        at += size
    assert out == frames


def test_what_is_kept_is_less_than_a_frame() -> None:
    decoder = MuxDecoder()
    whole = MuxFrame(1, bytes(MAX_DATA)).encode()
    assert len(list(decoder.receive_data(whole * 5 + whole[:-1]))) == 5
    assert len(decoder._received) == len(whole) - 1
