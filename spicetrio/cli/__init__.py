"""The commands."""

from spicetrio.cli.command import main

__all__ = ["main"]
