"""The multimedia clock, by which viewers show sound and video at their time (spec M-5)."""

from __future__ import annotations

from typing import Final

DELAY: Final = 0.4
"""Seconds by which the viewers' clock is behind, so that they have what they are to show in time."""


def multimedia_time(seconds: float) -> int:
    """Return a time of Trio's clock as one of the multimedia clock: milliseconds, modulo 2^32."""
    return int(seconds * 1000) & 0xFFFFFFFF
