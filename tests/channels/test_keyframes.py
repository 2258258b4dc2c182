"""Viewers begin with a frame that needs none before it, so those are told apart, in every codec."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicetrio import VideoCodec
from spicetrio.channels.keyframes import stands_alone

ENCODERS = {
    VideoCodec.MJPEG: "mjpeg",
    VideoCodec.VP8: "libvpx",
    VideoCodec.H264: "libx264",
    VideoCodec.VP9: "libvpx-vp9",
    VideoCodec.H265: "libx265",
}


def encoded(codec: VideoCodec) -> Iterator[av.Packet]:
    encoder = av.CodecContext.create(ENCODERS[codec], "w")
    encoder.width, encoder.height, encoder.time_base = 64, 48, Fraction(1, 25)
    encoder.pix_fmt = "yuvj420p" if codec is VideoCodec.MJPEG else "yuv420p"
    encoder.gop_size = 5
    encoder.options = {"x265-params": "log-level=none"} if codec is VideoCodec.H265 else {}
    random = np.random.default_rng(1)
    for number in range(12):
        picture = random.integers(0, 256, (48, 64, 3), np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=encoder.pix_fmt)
        frame.pts = number
        yield from encoder.encode(frame)
    yield from encoder.encode(None)


@pytest.mark.parametrize("codec", VideoCodec)
def test_it_is_what_the_encoder_says(codec: VideoCodec) -> None:
    packets = list(encoded(codec))
    told = [packet.is_keyframe for packet in packets]
    assert [stands_alone(codec, packet) for packet in packets] == told
    assert all(told) if codec is VideoCodec.MJPEG else 1 <= sum(told) < len(told)


@pytest.mark.parametrize(
    ("codec", "frame", "alone"),
    [
        (VideoCodec.MJPEG, "", True),
        (VideoCodec.VP8, "10", True),
        (VideoCodec.VP8, "11", False),
        (VideoCodec.VP8, "", False),
        (VideoCodec.VP9, "82", True),  # marker 10, profile 0, coded now, a key frame
        (VideoCodec.VP9, "86", False),
        (VideoCodec.VP9, "8a", False),  # shows a frame that was there before
        (VideoCodec.VP9, "b1", True),  # profile 3 has a bit more
        (VideoCodec.VP9, "b2", False),
        (VideoCodec.VP9, "42", False),
        (VideoCodec.VP9, "", False),
        (VideoCodec.H264, "00000109f0 00000167aa 0000000168bb 00000165cc", True),
        (VideoCodec.H264, "00000109f0 00000141cc 00000165cc", False),
        (VideoCodec.H264, "00000109f0" * 255 + "00000165cc", True),
        (VideoCodec.H264, "00000109f0" * 256 + "00000165cc", False),  # who makes millions of them stops nobody
        (VideoCodec.H264, "00000167aa", False),
        (VideoCodec.H264, "000001", False),
        (VideoCodec.H264, "65", False),
        (VideoCodec.H265, "0000014001 0000014201 0000012601", True),
        (VideoCodec.H265, "0000014001 0000010201 0000012601", False),
        (VideoCodec.H265, "", False),
    ],
)
def test_by_the_letter(codec: VideoCodec, frame: str, alone: bool) -> None:
    assert stands_alone(codec, bytes.fromhex(frame)) is alone


@given(codec=st.sampled_from(VideoCodec), frame=st.binary(max_size=40))
def test_of_any_bytes_something_is_said(codec: VideoCodec, frame: bytes) -> None:
    assert isinstance(stands_alone(codec, frame), bool)
