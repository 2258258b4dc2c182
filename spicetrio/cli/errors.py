"""What a command cannot do."""

from __future__ import annotations


class CommandError(Exception):
    """The command cannot go on; its text is one line for the person who gave it, naming the fix."""
