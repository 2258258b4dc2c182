"""Who is at the display, each with a pointer, a keyboard and a brush of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import trio

from spicetrio.sources.demo import theme

if TYPE_CHECKING:
    from spicetrio import Client
    from spicetrio.sources.demo.panel import Panel

COLORS: Final = (theme.TEAL, theme.AMBER, theme.ROSE, theme.BLUE, theme.VIOLET, theme.GREEN)
"""By these guests are told apart."""
BRUSHES: Final = (2, 4, 7, 11, 16, 24, 36)
"""Diameters of the brush."""


@dataclass(eq=False)
class Guest:
    """One viewer, as the demo sees them: two may type and paint at once and do not disturb each other."""

    viewer: Client
    color: int
    """Told apart by it in the list of viewers; also the colour they paint with at first."""
    paint: int
    """Colour of their brush."""
    x: int
    y: int
    since: float = field(default_factory=trio.current_time)
    brush: int = 2
    """Index into `BRUSHES`."""
    buttons: set[int] = field(default_factory=set)
    """What is pressed."""
    keys: set[int] = field(default_factory=set)
    """Scan codes of what is pressed."""
    grab: Panel | None = None
    """Where a button went down, until all are up: the pointer belongs to that panel even when it leaves it."""
    last: tuple[int, int] | None = None
    """Where the stroke they paint has come to."""

    @property
    def diameter(self) -> int:
        """Of the brush."""
        return BRUSHES[self.brush]


class Guests:
    """All guests, by viewer.

    Args:
        x: Where pointers begin.
        y: Where pointers begin.
    """

    def __init__(self, x: int, y: int) -> None:
        self._start = x, y
        self._guests: dict[Client, Guest] = {}

    def __iter__(self) -> Iterator[Guest]:
        return iter(tuple(self._guests.values()))

    def __len__(self) -> int:
        return len(self._guests)

    def __contains__(self, viewer: Client) -> bool:
        return viewer in self._guests

    def of(self, viewer: Client) -> Guest:
        """Return the guest that a viewer is, a new one if need be."""
        guest = self._guests.get(viewer)
        if guest is None:
            taken = [other.color for other in self._guests.values()]
            color = min(COLORS, key=taken.count)
            guest = self._guests[viewer] = Guest(viewer, color, color, *self._start)
        return guest

    def keep(self, viewers: Iterable[Client]) -> tuple[list[Guest], list[Guest]]:
        """Let exactly these viewers be guests; return who came and who went."""
        viewers = tuple(viewers)
        gone = [guest for guest in self._guests.values() if guest.viewer not in viewers]
        for guest in gone:
            del self._guests[guest.viewer]
        come = [self.of(viewer) for viewer in viewers if viewer not in self._guests]
        return come, gone
