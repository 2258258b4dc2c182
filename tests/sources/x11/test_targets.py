from __future__ import annotations

import pytest

from spicetrio import ClipboardType
from spicetrio.sources.x11.targets import Targets

ATOMS = {name: number for number, name in enumerate(Targets.NAMES, start=100)}


@pytest.fixture
def targets() -> Targets:
    return Targets(ATOMS)


def test_the_best_target_is_read(targets: Targets) -> None:
    names = ("TEXT", "STRING", "text/plain;charset=utf-8", "text/plain", "image/x-bmp")
    assert targets.readable([7, *(ATOMS[name] for name in names)]) == {
        ClipboardType.UTF8_TEXT: ATOMS["text/plain;charset=utf-8"],
        ClipboardType.IMAGE_BMP: ATOMS["image/x-bmp"],
    }
    assert targets.readable([7, 8]) == {}


def test_a_type_is_had_as_all_its_targets(targets: Targets) -> None:
    kinds = [ClipboardType.IMAGE_JPG, ClipboardType.UTF8_TEXT, ClipboardType.FILE_LIST]
    served = targets.of(kinds)
    assert list(served) == [
        ATOMS[name]
        for name in (
            "image/jpeg",
            "image/jpg",
            "UTF8_STRING",
            "text/plain;charset=utf-8",
            "text/plain;charset=UTF-8",
            "text/plain",
            "STRING",
            "TEXT",
        )
    ]
    assert served[ATOMS["TEXT"]] is ClipboardType.UTF8_TEXT


def test_old_programs_get_and_give_latin_text(targets: Targets) -> None:
    latin = ATOMS["STRING"]
    assert targets.encode(latin, "naïve 🥊".encode()) == (latin, b"na\xefve ?")
    assert targets.decode(ClipboardType.UTF8_TEXT, latin, b"na\xefve") == "naïve".encode()


def test_text_of_any_kind_is_utf8(targets: Targets) -> None:
    assert targets.encode(ATOMS["TEXT"], "naïve".encode()) == (ATOMS["UTF8_STRING"], "naïve".encode())
    assert targets.decode(ClipboardType.UTF8_TEXT, ATOMS["UTF8_STRING"], "naïve".encode()) == "naïve".encode()


def test_viewers_get_text_with_their_line_ends(targets: Targets) -> None:
    assert targets.decode(ClipboardType.UTF8_TEXT, ATOMS["text/plain"], b"one\r\ntwo\n\0") == b"one\ntwo\n"


def test_images_are_left_as_they_are(targets: Targets) -> None:
    png = ATOMS["image/png"]
    assert targets.encode(png, b"\r\n\0\xff") == (png, b"\r\n\0\xff")
    assert targets.decode(ClipboardType.IMAGE_PNG, png, b"\r\n\0\xff") == b"\r\n\0\xff"
