"""What X calls the types that viewers can copy and paste (targets, ICCCM 2.6.2)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from spicetrio import ClipboardType

TARGETS: Final[Mapping[ClipboardType, tuple[str, ...]]] = MappingProxyType(
    {
        ClipboardType.UTF8_TEXT: (
            "UTF8_STRING",
            "text/plain;charset=utf-8",
            "text/plain;charset=UTF-8",
            "text/plain",
            "STRING",
            "TEXT",
        ),
        ClipboardType.IMAGE_PNG: ("image/png",),
        ClipboardType.IMAGE_BMP: ("image/bmp", "image/x-bmp", "image/x-MS-bmp", "image/x-win-bitmap"),
        ClipboardType.IMAGE_TIFF: ("image/tiff",),
        ClipboardType.IMAGE_JPG: ("image/jpeg", "image/jpg"),
    }
)
"""The targets of each type that goes both ways, best first."""
FILE_TARGETS: Final = ("text/uri-list", "x-special/gnome-copied-files", "x-special/mate-copied-files")
"""The targets of files, which viewers can copy and cannot paste: what all programs know, and file managers."""

_LATIN: Final = "STRING"
"""A target and a type; its text is Latin-1."""
_ANY_TEXT: Final = "TEXT"
"""A target that is answered with a type of the owner's choice."""
_UTF8: Final = "UTF8_STRING"
_URIS: Final = "text/uri-list"


class Targets:
    """The targets as an X server numbers them.

    Args:
        atoms: The number of each name in `NAMES`.
        files: The files that viewers copy can be had.
    """

    NAMES: Final = (*(name for names in TARGETS.values() for name in names), *FILE_TARGETS)

    def __init__(self, atoms: Mapping[str, int], *, files: bool) -> None:
        self._atoms = atoms
        self._served = {**TARGETS, ClipboardType.FILE_LIST: FILE_TARGETS} if files else TARGETS

    def readable(self, targets: Collection[int]) -> dict[ClipboardType, int]:
        """Return the types that are among an owner's targets, best first, and the best target for each."""
        found = {}
        for kind, names in TARGETS.items():
            best = next((atom for name in names if (atom := self._atoms[name]) in targets), None)
            if best is not None:
                found[kind] = best
        return found

    def of(self, kinds: Iterable[ClipboardType]) -> dict[int, ClipboardType]:
        """Return the targets for what a viewer offers, and which type each stands for."""
        return {self._atoms[name]: kind for kind in kinds for name in self._served.get(kind, ())}

    def encode(self, target: int, data: bytes) -> tuple[int, bytes]:
        """Return a viewer's data as a target wants them, and their type there."""
        if target == self._atoms[_LATIN]:
            return target, data.decode(errors="replace").encode("latin-1", errors="replace")
        if target == self._atoms[_ANY_TEXT]:
            return self._atoms[_UTF8], data
        return target, data

    def encode_files(self, target: int, paths: Sequence[Path]) -> tuple[int, bytes]:
        """Return paths of this machine as a target wants them, and their type there."""
        uris = [path.as_uri() for path in paths]
        if target == self._atoms[_URIS]:
            return target, "".join(f"{uri}\r\n" for uri in uris).encode()
        return target, "\n".join(["copy", *uris]).encode()

    def decode(self, kind: ClipboardType, type_: int, data: bytes) -> bytes:
        """Return what an owner gave as viewers want it; text with LF line ends and without NUL."""
        if kind is not ClipboardType.UTF8_TEXT:
            return data
        if type_ == self._atoms[_LATIN]:
            data = data.decode("latin-1").encode()
        return data.replace(b"\r\n", b"\n").replace(b"\0", b"")
