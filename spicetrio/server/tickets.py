"""What a viewer proves itself with, and what it may do then."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from spicetrio.wire.link import MAX_PASSWORD_SIZE


class Role(Enum):
    """What a viewer may do."""

    CONTROL = "control"
    """Everything."""
    VIEW = "view"
    """See and hear. Its keys, pointer, clipboard, files and devices are ignored."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A password, and what it is good for.

    Raises:
        ValueError: It is a password that clients cannot send.
    """

    password: str = field(repr=False)
    """1 to 60 bytes without NUL."""
    role: Role = Role.CONTROL
    """What viewers with this ticket may do."""
    name: str = ""
    """Whose ticket it is, for logs and events."""
    expires: float | None = None
    """When it stops to let viewers in, by `trio.current_time()`; None for never. Those who are in stay."""

    def __post_init__(self) -> None:
        size = len(self.password.encode())
        if not 0 < size <= MAX_PASSWORD_SIZE:
            raise ValueError(f"the ticket has {size} bytes, expected 1 to {MAX_PASSWORD_SIZE}")
        if "\0" in self.password:
            raise ValueError("the ticket holds a NUL, which clients cannot send")


ANYBODY = Ticket("anybody", name="anybody")
"""Stands for the ticket of viewers that need none."""
