"""One viewer, as the thread of a display knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from spicetrio.canvas.caches import MAX_PALETTES, Cache
from spicetrio.canvas.drawings import Drawing, Reader
from spicetrio.canvas.exactness import is_basic
from spicetrio.codecs.glz import MOST_PIXELS, Dictionary
from spicetrio.wire.enums import ImageCompression

KEEPS_UP: Final = 4
"""Strips and batches are so much larger for a viewer that has taken a whole picture, and is not slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a viewer can do and wants; viewers with equal wishes share encoded images."""

    compression: ImageCompression = ImageCompression.LZ
    """How its images are compressed."""
    lossy: bool = False
    """Photographs may be sent with losses, which are made good later."""
    zlib: bool = False
    """What GLZ made is compressed once more."""
    lz4: bool = False
    """It can decode LZ4."""
    composite: bool = False
    """It can carry out DRAW_COMPOSITE, and all older operations."""
    monitors_config: bool = False
    """It understands MONITORS_CONFIG."""
    slow: bool = False
    """Its connection is slow, so it is to be sent little at a time."""

    def can_do(self, drawing: Drawing) -> bool:
        """Tell whether the viewer carries out an operation as the canvas does."""
        return self.composite or (drawing.operation is not None and is_basic(drawing.operation))


@dataclass(frozen=True, slots=True)
class Memory:
    """What a viewer keeps of the images of one display (display INIT)."""

    images: int = 0
    """Pixels in its image cache that this display may fill."""
    window: int = 0
    """Pixels of images that GLZ may look back into; 0 for a display that has no dictionary."""


@dataclass(slots=True, eq=False)
class Viewer:
    """One viewer."""

    wishes: Wishes
    reader: Reader
    """How far it has come, and what it lacks."""
    memory: Memory
    credit: bool = False
    """It can be sent a batch."""
    has_surface: bool = False
    """It has a primary surface."""
    begun: bool = False
    """It has the primary surface that there is now."""
    shown: bool = False
    """It was sent MARK for it."""
    heads_told: bool = False
    """It was sent MONITORS_CONFIG as it is now."""
    images: Cache = field(init=False)
    """What is in its image cache."""
    palettes: Cache = field(init=False)
    """What is in its palette cache."""
    _dictionary: Dictionary | None = None

    def __post_init__(self) -> None:
        self.images = Cache(self.memory.images)
        self.palettes = Cache(MAX_PALETTES)

    @property
    def scale(self) -> int:
        """How much larger what it is sent at a time may be than for one of which nothing is known yet."""
        return KEEPS_UP if self.shown and not self.wishes.slow else 1

    @property
    def dictionary(self) -> Dictionary | None:
        """Its GLZ dictionary, made when it is first asked for; None if it has none."""
        if self._dictionary is None and self.memory.window:
            self._dictionary = Dictionary(min(self.memory.window, MOST_PIXELS))
        return self._dictionary
