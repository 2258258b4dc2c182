"""The decisions, row by row of the specification, and where they are taken otherwise on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from spicetrio.canvas.choice import SMALLEST_JPEG, Abilities, Codec, choose
from spicetrio.canvas.graduality import Graduality
from spicetrio.wire.enums import BitmapFormat, ImageCompression

OFF, AUTO_GLZ, AUTO_LZ, QUIC, GLZ, LZ, LZ4 = ImageCompression
HIGH, MEDIUM, LOW = Graduality

ALL = Abilities(quic=True, lz4=True, glz_window=1 << 20)
NO_QUIC = Abilities(quic=False, lz4=True, glz_window=1 << 20)
NO_LZ4 = Abilities(quic=True, lz4=False, glz_window=1 << 20)
NO_GLZ = Abilities(quic=True, lz4=True, glz_window=0)
NOTHING = Abilities(quic=False, lz4=False, glz_window=0)

RGB = [BitmapFormat.BIT16, BitmapFormat.BIT24, BitmapFormat.BIT32, BitmapFormat.RGBA]
OTHERS = sorted(set(BitmapFormat) - set(RGB))


def unasked() -> Graduality:
    raise AssertionError("the graduality does not matter here")


def asked(graduality: Graduality) -> Callable[[], Graduality]:
    """Answer once."""
    answers = [graduality]
    return answers.pop


def chosen(mode: ImageCompression, graduality: Graduality | None, **changes: Any) -> Codec:
    """Choose for a picture of 100 x 80 ordinary pixels, without loss, unless said otherwise."""
    case = {"width": 100, "height": 80, "bitmap_format": BitmapFormat.BIT32, "lossy": False, "can": ALL, **changes}
    return choose(mode, graduality=unasked if graduality is None else asked(graduality), **case)


@pytest.mark.parametrize(
    ("mode", "graduality", "codec"),
    [
        (OFF, None, Codec.RAW),
        (AUTO_GLZ, HIGH, Codec.QUIC),
        (AUTO_GLZ, MEDIUM, Codec.GLZ),
        (AUTO_GLZ, LOW, Codec.GLZ),
        (AUTO_LZ, HIGH, Codec.QUIC),
        (AUTO_LZ, MEDIUM, Codec.LZ),
        (AUTO_LZ, LOW, Codec.LZ),
        (QUIC, None, Codec.QUIC),
        (GLZ, None, Codec.GLZ),
        (LZ, None, Codec.LZ),
        (LZ4, None, Codec.LZ4),
    ],
)
def test_ic_1_each_mode(mode, graduality, codec):
    assert chosen(mode, graduality) == codec


@pytest.mark.parametrize("mode", ImageCompression)
@pytest.mark.parametrize(
    ("size", "bitmap_format"),
    [((13, 1), BitmapFormat.BIT32), ((1, 13), BitmapFormat.BIT32), ((4, 3), BitmapFormat.RGBA),
     ((17, 1), BitmapFormat.BIT24), ((13, 2), BitmapFormat.BIT16), ((53, 1), BitmapFormat.BIT8),
     ((16, 26), BitmapFormat.BIT1_LE), ((4, 26), BitmapFormat.BIT4_BE)],
)  # fmt: skip
def test_ic_3_less_than_54_bytes_go_raw(mode, size, bitmap_format):
    assert chosen(mode, None, width=size[0], height=size[1], bitmap_format=bitmap_format) == Codec.RAW


@pytest.mark.parametrize(
    ("size", "bitmap_format"),
    [((14, 1), BitmapFormat.BIT32), ((18, 1), BitmapFormat.BIT24), ((27, 1), BitmapFormat.BIT16),
     ((54, 1), BitmapFormat.BIT8), ((9, 27), BitmapFormat.BIT1_LE), ((3, 27), BitmapFormat.BIT4_BE)],
)  # fmt: skip
def test_ic_3_54_bytes_are_compressed(size, bitmap_format):
    assert chosen(LZ, None, width=size[0], height=size[1], bitmap_format=bitmap_format) == Codec.LZ


@pytest.mark.parametrize(
    ("size", "codec"), [((3, 80), Codec.QUIC), ((100, 3), Codec.QUIC), ((2, 80), Codec.LZ), ((100, 2), Codec.LZ)]
)
def test_ic_4_quic_takes_3_pixels_each_way(size, codec):
    assert chosen(QUIC, None, width=size[0], height=size[1]) == codec
    graduality = HIGH if codec == Codec.QUIC else None
    assert chosen(AUTO_LZ, graduality, width=size[0], height=size[1]) == codec


@pytest.mark.parametrize("bitmap_format", OTHERS)
@pytest.mark.parametrize("mode", [AUTO_GLZ, AUTO_LZ, QUIC, GLZ, LZ, LZ4])
def test_ic_4_ic_6_ic_7_palettes_and_alpha_alone_go_as_lz(mode, bitmap_format):
    assert chosen(mode, None, bitmap_format=bitmap_format, lossy=True) == Codec.LZ


@pytest.mark.parametrize("bitmap_format", RGB)
def test_ic_5_photographs_of_any_depth_go_as_quic(bitmap_format):
    assert chosen(AUTO_GLZ, HIGH, bitmap_format=bitmap_format) == Codec.QUIC


@pytest.mark.parametrize("graduality", [MEDIUM, LOW])
@pytest.mark.parametrize("mode", [AUTO_LZ, AUTO_GLZ])
def test_ic_5_what_is_no_photograph_is_never_sent_with_loss(mode, graduality):
    assert chosen(mode, graduality, lossy=True) == (Codec.LZ if mode == AUTO_LZ else Codec.GLZ)


@pytest.mark.parametrize("mode", [GLZ, AUTO_GLZ])
@pytest.mark.parametrize(("window", "codec"), [(0, Codec.LZ), (7999, Codec.LZ), (8000, Codec.LZ), (8001, Codec.GLZ)])
def test_ic_9_what_does_not_fit_the_window_goes_as_lz(mode, window, codec):
    can = Abilities(quic=True, lz4=True, glz_window=window)
    assert chosen(mode, LOW if mode == AUTO_GLZ else None, can=can) == codec


@pytest.mark.parametrize("mode", [QUIC, AUTO_LZ, AUTO_GLZ])
@pytest.mark.parametrize(
    ("bitmap_format", "codec"),
    [(BitmapFormat.BIT16, Codec.JPEG), (BitmapFormat.BIT24, Codec.JPEG), (BitmapFormat.BIT32, Codec.JPEG),
     (BitmapFormat.RGBA, Codec.JPEG_ALPHA)],
)  # fmt: skip
def test_ic_11_photographs_that_may_lose_something_go_as_jpeg(mode, bitmap_format, codec):
    assert chosen(mode, HIGH, bitmap_format=bitmap_format, lossy=True) == codec


@pytest.mark.parametrize(("mode", "codec"), [(OFF, Codec.RAW), (GLZ, Codec.GLZ), (LZ, Codec.LZ), (LZ4, Codec.LZ4)])
def test_ic_11_modes_without_quic_have_no_loss_either(mode, codec):
    assert chosen(mode, None, lossy=True) == codec


# What is otherwise than in libspice-server.


@pytest.mark.parametrize("graduality", [MEDIUM, LOW])
def test_in_mode_quic_text_is_not_blurred(graduality):
    assert chosen(QUIC, graduality, lossy=True) == Codec.QUIC


@pytest.mark.parametrize("mode", [QUIC, AUTO_LZ])
def test_a_small_picture_is_not_worth_the_tables_of_a_jpeg(mode):
    width = SMALLEST_JPEG // 16
    graduality = None if mode == QUIC else HIGH
    assert chosen(mode, HIGH, width=width, height=16, lossy=True) == Codec.JPEG
    assert chosen(mode, graduality, width=width - 1, height=16, lossy=True) == Codec.QUIC


@pytest.mark.parametrize(("mode", "codec"), [(AUTO_GLZ, Codec.GLZ), (AUTO_LZ, Codec.LZ), (QUIC, Codec.LZ)])
def test_without_a_kernel_for_quic_nothing_is_looked_at(mode, codec):
    assert chosen(mode, None, can=NO_QUIC) == codec


@pytest.mark.parametrize(
    ("mode", "graduality", "codec"),
    [(AUTO_GLZ, HIGH, Codec.JPEG), (AUTO_LZ, HIGH, Codec.JPEG), (QUIC, HIGH, Codec.JPEG), (AUTO_GLZ, LOW, Codec.GLZ),
     (AUTO_LZ, MEDIUM, Codec.LZ), (QUIC, LOW, Codec.LZ)],
)  # fmt: skip
def test_photographs_may_be_jpeg_without_a_kernel_for_quic(mode, graduality, codec):
    assert chosen(mode, graduality, lossy=True, can=NO_QUIC) == codec


def test_lz4_is_for_viewers_that_say_they_can():
    assert chosen(LZ4, None, can=NO_LZ4) == Codec.LZ
    assert chosen(LZ4, None, can=NO_GLZ) == Codec.LZ4


@pytest.mark.parametrize("mode", [AUTO_GLZ, AUTO_LZ, QUIC, GLZ, LZ, LZ4])
def test_lz_is_always_there(mode):
    assert chosen(mode, None, can=NOTHING) == Codec.LZ
