"""Notes that are struck like those of a small bell, and mixed."""

from __future__ import annotations

import math
import sys
from array import array
from functools import lru_cache
from typing import Final

RATE: Final = 48000
"""Samples in a second."""
PIECE: Final = RATE // 100
"""Samples that are mixed at a time."""
FREQUENCIES: Final = (523, 587, 659, 698, 784, 880, 988, 1047)
"""A scale from C to C, in hertz."""
MOST: Final = 5
"""Notes that sound at once; one more ends the oldest."""

_LOUDNESS: Final = 6000
_SECONDS: Final = 0.9
_ATTACK: Final = RATE // 200


class Notes:
    """Those that sound now."""

    def __init__(self) -> None:
        self._sounding: list[list[int]] = []
        """The note and the sample it has come to, of each."""

    def __bool__(self) -> bool:
        return bool(self._sounding)

    @property
    def sounding(self) -> frozenset[int]:
        """Which notes."""
        return frozenset(note for note, _ in self._sounding)

    def strike(self, note: int) -> None:
        """Let a note begin, once more if it sounds already.

        Args:
            note: Which of `FREQUENCIES`.
        """
        self._sounding.append([note, 0])
        del self._sounding[:-MOST]

    def mix(self) -> bytes:
        """Return the next 10 ms, stereo, 16 bits, little-endian."""
        parts = [_sound(note)[place : place + PIECE] for note, place in self._sounding]
        for struck in self._sounding:
            struck[1] += PIECE
        self._sounding = [struck for struck in self._sounding if struck[1] < len(_sound(struck[0]))]
        mixed = array("h", map(sum, zip(*parts, strict=True))) if parts else array("h", bytes(2 * PIECE))
        both = array("h", bytes(4 * PIECE))
        both[::2] = both[1::2] = mixed
        if sys.byteorder == "big":
            both.byteswap()
        return both.tobytes()


@lru_cache(maxsize=len(FREQUENCIES))
def _sound(note: int) -> array[int]:
    """Return a note from its beginning to its end, in whole pieces."""
    step = 2 * math.pi * FREQUENCIES[note] / RATE
    length = int(_SECONDS * RATE) // PIECE * PIECE
    return array(
        "h",
        (
            round(
                _LOUDNESS
                * min(sample / _ATTACK, 1)
                * (math.exp(-5 * sample / length) - math.exp(-5))
                * (0.8 * math.sin(step * sample) + 0.2 * math.sin(2 * step * sample))
            )
            for sample in range(length)
        ),
    )
