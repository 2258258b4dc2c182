"""Sines, and what can be measured of them when they come out somewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def sine(frequency: float, seconds: float, *, rate: int = 48000, level: float = 0.25) -> bytes:
    """Interleaved stereo of 16-bit samples: a sine at the left, one an octave higher at the right.

    The level is that of its peaks; 1 is the loudest there is.
    """
    time = np.arange(round(seconds * rate)) / rate
    sides = [np.sin(2 * np.pi * frequency * octave * time) for octave in (1, 2)]
    return (np.stack(sides, axis=1) * level * 32767).astype("<i2").tobytes()


@dataclass(frozen=True)
class Tone:
    """What is heard."""

    left: float
    """The loudest frequency, in hertz."""
    right: float
    level: float
    """Of its peaks, as far as it is a sine; of the louder side."""

    def resembles(self, frequency: float, level: float = 0.25) -> bool:
        """Whether this is that `sine`, within 1 % of its frequency and a tenth of its level."""
        left, right = frequency, 2 * frequency
        return (
            abs(self.left - left) < 0.01 * left
            and abs(self.right - right) < 0.01 * right
            and abs(self.level - level) < 0.1 * level
        )


def measure(samples: bytes, *, rate: int = 48000) -> Tone:
    """What the middle half of the samples is."""
    sound = np.frombuffer(samples[: len(samples) // 4 * 4], "<i2").reshape(-1, 2) / 32767
    middle = sound[len(sound) // 4 : len(sound) * 3 // 4]
    left, right = (_loudest(side) * rate for side in middle.T)
    return Tone(left, right, float(middle.std(axis=0).max() * np.sqrt(2)))


def _loudest(side: np.ndarray) -> float:
    """The loudest frequency, in parts of the rate."""
    spectrum = np.abs(np.fft.rfft(side * np.hanning(len(side))))
    return int(spectrum[1:].argmax() + 1) / len(side)
