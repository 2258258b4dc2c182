"""Reading a command line: what cannot be done is said in one line, and nothing is ignored."""

from __future__ import annotations

import argparse
import re
import shlex
from typing import Any, Final, NoReturn

from spicetrio.channels.display import MAX_SIZE

USAGE_STATUS: Final = 2
"""Exit status after bad arguments."""
FAILURE_STATUS: Final = 1
"""Exit status when what was asked for cannot be done."""

MIB: Final = 1024 * 1024


class Parser(argparse.ArgumentParser):
    """A parser without abbreviations, whose complaints are one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **{"allow_abbrev": False, "formatter_class": _Formatter, "add_help": False, **options},
        )
        self.add_argument("-h", "--help", action="help", help="show this help and end")

    def error(self, message: str) -> NoReturn:
        """End with the complaint."""
        self.exit(USAGE_STATUS, f"{self.prog}: error: {' '.join(message.split())}\n")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, **{"max_help_position": 30, "width": 100, **options})


def read_start(arguments: argparse.Namespace, parser: Parser) -> list[str] | None:
    """Return what is to be started, be it written with --start or behind --; None if nothing is."""
    if arguments.start is not None and arguments.command:
        parser.error("give one command: with --start or behind --")
    if arguments.command:
        return list(arguments.command)
    if arguments.start is None:
        return None
    try:
        return shlex.split(arguments.start)
    except ValueError as error:
        parser.error(f"argument --start: {str(error).lower()} in {arguments.start!r}")


def size(text: str) -> tuple[int, int]:
    """Read `1024x768`."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write it as 1024x768")
    width, height = int(match[1]), int(match[2])
    if not (1 <= width <= MAX_SIZE and 1 <= height <= MAX_SIZE):
        raise argparse.ArgumentTypeError(f"{text!r} is out of range: expected 1x1 to {MAX_SIZE}x{MAX_SIZE}")
    return width, height


def port(text: str) -> int:
    """Read a TCP port."""
    if not re.fullmatch(r"\d{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: expected 0 to 65535, 0 takes a free one")
    return int(text)


def count(text: str) -> int:
    """Read a number of at least 1."""
    if not re.fullmatch(r"\d{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)
