"""What was drawn lately, noted once for all viewers.

A viewer takes it into its backlog when it can be sent something, not before. So a drawing costs the same however many
viewers do not read, and one that never reads costs a little once in many drawings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from spicetrio.canvas.region import Region
from spicetrio.wire.buffer import Marshalled
from spicetrio.wire.geometry import Rect

if TYPE_CHECKING:
    from spicetrio.canvas.backlog import Backlog
    from spicetrio.canvas.operations import Operation

MAX_DRAWINGS: Final = 256
"""Drawings that are kept one by one, or half as many. Viewers that are further behind are told of areas."""
MAX_BYTES: Final = 16 * 1024 * 1024
"""Bytes of images in them."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """One change of a surface."""

    surface: int
    """Its id."""
    written: tuple[Rect, ...]
    """All that was changed lies in these."""
    operation: Operation | None = None
    """The message that does the same at a viewer; None for pixels, which are sent as they are by then."""
    opaque: bool = True
    """The new pixels do not depend on the old ones, and all of `written` has new ones."""
    offset: tuple[int, int] | None = None
    """From how far to the left and above it was copied within the surface; None if it was not."""
    reads: tuple[tuple[int, Rect], ...] = ()
    """Surfaces, and areas of them, whose pixels the operation takes; `offset` is not among them."""
    size: int = 0
    """Bytes of images that it keeps alive."""
    made: dict[Any, Marshalled] = field(default_factory=dict)
    """The operation as bytes, for viewers that want it alike."""


class Reader:
    """How far one viewer has come.

    Args:
        backlog: What it lacks besides the drawings that it has not taken in.
        position: The number of drawings there were before.
    """

    __slots__ = ("backlog", "backlog_empty", "lapsed", "position")

    def __init__(self, backlog: Backlog, position: int) -> None:
        self.backlog = backlog
        self.position = position
        self.lapsed = False
        self.backlog_empty = False
        """It was seen to be empty, and nothing was put into it since."""


def _given_up(kept: int) -> int:
    """Return how many of the drawings that are kept are given up when they are too many."""
    return (kept + 1) // 2


class Drawings:
    """The latest drawings, and who has taken in which."""

    def __init__(self) -> None:
        self._kept: list[Drawing] = []
        self._bytes = 0
        self._first = 0
        self._readers: list[Reader] = []

    @property
    def count(self) -> int:
        """Drawings there ever were."""
        return self._first + len(self._kept)

    @property
    def full(self) -> bool:
        """One more drawing, and the oldest are given up, and viewers to be told of it: much work if they are many."""
        if len(self._kept) < MAX_DRAWINGS:
            return False
        first = self._first + _given_up(len(self._kept) + 1)
        return any(reader.position < first for reader in self._readers)

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
        self._bytes += drawing.size
        if len(self._kept) > MAX_DRAWINGS or self._bytes > MAX_BYTES:
            self._give_up()

    def add_surface(self, surface: int, bounds: Rect) -> None:
        """Take in that there is a new surface, or one of a new size in the place of another."""
        for reader in self._readers:
            self.take_in(reader).add_surface(surface, bounds)
        # What was drawn before may lie outside of these bounds, and nobody has to be told of it any more.
        self._first, self._bytes = self.count, 0
        self._kept.clear()

    def remove_surface(self, surface: int) -> None:
        """Take in that a surface is gone."""
        for reader in self._readers:
            self.take_in(reader).remove_surface(surface)

    def lacks(self, reader: Reader) -> bool:
        """Tell whether a viewer lacks anything."""
        return reader.position < self.count or self.lacks_older(reader)

    def lacks_older(self, reader: Reader) -> bool:
        """Tell whether a viewer lacks anything besides the drawings that it has not taken in."""
        if not reader.backlog_empty:
            reader.backlog_empty = not reader.backlog
        return not reader.backlog_empty

    def take_in(self, reader: Reader) -> Backlog:
        """Bring a viewer's backlog up to now, and return it."""
        for drawing in self._kept[reader.position - self._first :]:
            reader.backlog.take_in(drawing)
        self.skip(reader)
        reader.backlog_empty = False
        return reader.backlog

    def skip(self, reader: Reader) -> None:
        """Take in that a viewer that lacked nothing else has all drawings by other means."""
        reader.position = self.count
        reader.lapsed = False

    def _give_up(self) -> None:
        """Forget the older half, and tell those who did not take in all of it which areas they may have missed.

        Those who were told before get one area for all. Who takes in what is drawn soon enough notices nothing.
        """
        oldest = self._kept[: _given_up(len(self._kept))]
        del self._kept[: len(oldest)]
        self._first += len(oldest)
        self._bytes -= sum(drawing.size for drawing in oldest)
        behind = [reader for reader in self._readers if reader.position < self._first]
        if not behind:
            return
        written: dict[int, Region] = {}
        for drawing in oldest:
            region = written.setdefault(drawing.surface, Region())
            for rect in drawing.written:
                region.add(rect)
            region.bound()
        for reader in behind:
            reader.backlog.miss(written, coarsely=reader.lapsed)
            reader.lapsed = True
            reader.backlog_empty = False
            reader.position = self._first
