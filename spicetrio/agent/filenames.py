"""Names of files that viewers send: what they may be called here, and the key file that tells them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spicetrio.wire.errors import RemoteProtocolError

GROUP: Final = "[vdagent-file-xfer]"
MAX_NAME: Final = 240
"""Bytes of a name; the system takes 255, and a number may have to be added."""
MAX_TOLD: Final = 512
"""Letters, the last ones, of what a viewer calls a file: more than a name has, and few enough for a line of the log."""
MAX_SUFFIX: Final = 32
"""Bytes of what is behind the last dot, if that is to tell the kind of the file."""
MAX_NUMBER: Final = 9999
"""The highest number that is added to a name that is taken."""
_ESCAPES: Final = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class FileDescription:
    """What a viewer says of a file."""

    name: str
    """As the viewer calls it, its last 512 letters; it may be anything."""
    size: int
    """In bytes."""


def read_keyfile(text: str) -> FileDescription:
    """Read the text of a FILE_XFER_START, in the form of GLib's key files.

    Raises:
        RemoteProtocolError: It does not tell a name and a size.
    """
    values: dict[str, str] = {}
    group = ""
    for line in text.split("\n"):
        if line.startswith("["):
            group = line.strip()
        elif group == GROUP and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            values[key.strip()] = value.strip()
    size = values.get("size", "")
    name = "".join(_unescaped(values["name"]))[-MAX_TOLD:] if "name" in values else None
    if name is None or not (size.isascii() and size.isdecimal() and len(size) <= 20):
        raise RemoteProtocolError(f"got a file with name {name!r} and size {size[:32]!r}, expected both")
    return FileDescription(name, int(size))


def safe_name(name: str) -> str:
    """Return what a file may be called here: one that stays in its folder, is not hidden, and can be shown.

    Raises:
        ValueError: Nothing is left of it.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter if letter.isprintable() else "_" for letter in last)
    safe = shown.lstrip(". ").rstrip(" ")
    if not safe:
        raise ValueError(f"{name!r} is no name for a file")
    return _shortened(safe)


def claim(folder: Path, name: str) -> Path:
    """Make an empty file of a name, or of that name with a number if it is taken; return its path.

    Raises:
        OSError: The folder cannot be written to.
    """
    stem, suffix = _split(name)
    for number in range(MAX_NUMBER + 1):
        path = folder / (f"{stem} ({number}){suffix}" if number else name)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{name!r} and {MAX_NUMBER} names like it are taken in {folder}")


def _split(name: str) -> tuple[str, str]:
    suffix = Path(name).suffix
    return (name.removesuffix(suffix), suffix) if len(suffix.encode()) <= MAX_SUFFIX else (name, "")


def _shortened(name: str) -> str:
    stem, suffix = _split(name)
    room = MAX_NAME - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix


def _unescaped(value: str) -> Iterator[str]:
    letters = iter(value)
    for letter in letters:
        if letter == "\\":
            following = next(letters, "")
            yield _ESCAPES.get(following, letter + following)
        else:
            yield letter
