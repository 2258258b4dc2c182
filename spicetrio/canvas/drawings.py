"""What was drawn lately, noted once for all viewers.

A viewer takes it into its backlog when it can be sent something, not before. So a drawing costs the same however many
viewers do not read, and one that never reads costs a little once in many drawings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spicetrio.canvas.backlog import Backlog
from spicetrio.canvas.region import Region
from spicetrio.wire.buffer import Marshalled
from spicetrio.wire.geometry import Rect

MAX_DRAWINGS: Final = 256
"""Drawings that are kept one by one, or half as many. Viewers that are further behind are told of areas."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One change of the picture."""

    rect: Rect
    """What was written."""
    command: Marshalled | None = None
    """The message that does the same at a viewer; None for pixels, which are sent as they are by then."""
    offset: tuple[int, int] | None = None
    """From how far to the left and above it was copied; None if it was not."""

    def note(self, backlog: Backlog) -> None:
        """Take it into what a viewer lacks."""
        if self.command is None:
            backlog.image(self.rect)
        elif self.offset is None:
            backlog.fill(self.rect, self.command)
        else:
            backlog.copy(self.rect, *self.offset, self.command)


class Reader:
    """How far one viewer has come.

    Args:
        backlog: What it lacks besides the drawings that it has not taken in.
        position: The number of drawings there were before.
    """

    __slots__ = ("backlog", "lapsed", "position")

    def __init__(self, backlog: Backlog, position: int) -> None:
        self.backlog = backlog
        self.position = position
        self.lapsed = False


class Drawings:
    """The latest drawings, and who has taken in which."""

    def __init__(self) -> None:
        self._kept: list[Drawing] = []
        self._first = 0
        self._readers: list[Reader] = []

    @property
    def count(self) -> int:
        """Drawings there ever were."""
        return self._first + len(self._kept)

    def open(self, backlog: Backlog) -> Reader:
        """Add a viewer that lacks what its backlog says."""
        reader = Reader(backlog, self.count)
        self._readers.append(reader)
        return reader

    def close(self, reader: Reader) -> None:
        """Remove a viewer."""
        self._readers.remove(reader)

    def add(self, drawing: Drawing) -> None:
        """Note a drawing; the oldest are given up if there are too many."""
        if not self._readers:
            return
        self._kept.append(drawing)
        if len(self._kept) > MAX_DRAWINGS:
            self._give_up()

    def begin_again(self, bounds: Rect) -> None:
        """Forget everything: the picture has another size, and every viewer lacks all of it."""
        self._first = self.count
        self._kept.clear()
        for reader in self._readers:
            reader.backlog = Backlog(bounds)
            reader.position = self._first

    def lacks(self, reader: Reader) -> bool:
        """Tell whether a viewer lacks anything."""
        return bool(reader.backlog) or reader.position < self.count

    def take_in(self, reader: Reader) -> Backlog:
        """Bring a viewer's backlog up to now, and return it."""
        for drawing in self._kept[reader.position - self._first :]:
            drawing.note(reader.backlog)
        reader.position = self.count
        reader.lapsed = False
        return reader.backlog

    def _give_up(self) -> None:
        """Forget the older half, and tell those who did not take in all of it which areas they may have missed.

        Those who were told before get one area for all. Who takes in what is drawn soon enough notices nothing.
        """
        oldest = self._kept[: MAX_DRAWINGS // 2]
        del self._kept[: len(oldest)]
        self._first += len(oldest)
        behind = [reader for reader in self._readers if reader.position < self._first]
        if not behind:
            return
        written = Region()
        for drawing in oldest:
            written.add(drawing.rect)
            written.bound()
        for reader in behind:
            reader.backlog.miss(written, coarsely=reader.lapsed)
            reader.lapsed = True
            reader.position = self._first
