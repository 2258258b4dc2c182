"""What goes wrong with the place the pixels come from."""

from __future__ import annotations


class SourceError(Exception):
    """A source of pixels cannot start or go on; its text is one line for the person who started it, naming the fix."""
