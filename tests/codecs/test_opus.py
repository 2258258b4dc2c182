from __future__ import annotations

import random

import pytest

from spicetrio.codecs.opus import RATES, Decoder, Encoder
from tests.tone import measure, sine


def packets(encoder: Encoder, samples: bytes) -> list[bytes]:
    size = encoder.frame_size
    return [encoder.encode(samples[start : start + size]) for start in range(0, len(samples), size)]


@pytest.mark.parametrize("rate", sorted(RATES))
def test_a_sine_comes_back(rate: int) -> None:
    made = packets(Encoder(rate), sine(440, 1.0, rate=rate))
    decoder = Decoder(rate)
    heard = b"".join(decoder.decode(packet) for packet in made)
    assert len(made) == 100
    assert len(heard) / 4 / rate == pytest.approx(1, abs=0.01)
    assert measure(heard, rate=rate).resembles(440)
    assert sum(map(len, made)) < len(heard) / 2


@pytest.mark.parametrize("rate", sorted(RATES))
def test_a_frame_is_ten_milliseconds_and_no_longer_than_viewers_expect(rate: int) -> None:
    assert Encoder(rate).frame_size == rate // 100 * 4 <= 480 * 4


def test_who_joins_later_or_misses_packets_is_soon_right() -> None:
    made = packets(Encoder(48000), sine(440, 1.0))
    late, lossy = Decoder(48000), Decoder(48000)
    assert measure(b"".join(late.decode(packet) for packet in made[30:])).resembles(440)
    heard = [lossy.decode(packet) for packet in made[:20] + made[33:]]
    assert measure(b"".join(heard[30:])).resembles(440)


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="got a frame of 1919 bytes, expected 1920"):
        Encoder(48000).encode(bytes(1919))


def test_damaged_packets_raise_value_error_or_are_short_sound() -> None:
    values = random.Random(1)
    decoder = Decoder(48000)
    (packet,) = packets(Encoder(48000), sine(440, 0.01))
    complaints = []
    for _ in range(500):
        junk = bytearray(packet) if values.random() < 0.5 else bytearray(values.randbytes(values.randrange(1, 2000)))
        for _ in range(values.randrange(8)):
            junk[values.randrange(len(junk))] = values.randrange(256)
        try:
            assert len(decoder.decode(junk)) <= 48000 * 4 * 0.12
        except ValueError as error:
            complaints.append(str(error))
    assert len(complaints) > 50
    assert all("bytes that are no Opus packet" in complaint for complaint in complaints)
    heard = [decoder.decode(packet) for packet in packets(Encoder(48000), sine(300, 0.5))]
    assert measure(b"".join(heard)).resembles(300)


def test_an_empty_packet_is_refused_and_the_next_one_is_not() -> None:
    decoder = Decoder(48000)
    with pytest.raises(ValueError, match="got an empty packet"):
        decoder.decode(b"")
    assert decoder.decode(Encoder(48000).encode(bytes(1920)))
