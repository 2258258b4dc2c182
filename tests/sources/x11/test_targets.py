from __future__ import annotations

from pathlib import Path

import pytest

from spicetrio import ClipboardType
from spicetrio.sources.x11.targets import FILE_TARGETS, Targets

ATOMS = {name: number for number, name in enumerate(Targets.NAMES, start=100)}


@pytest.fixture
def targets() -> Targets:
    return Targets(ATOMS, files=False)


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


def test_files_are_had_and_not_given(targets: Targets) -> None:
    served = Targets(ATOMS, files=True).of([ClipboardType.FILE_LIST])
    assert list(served) == [ATOMS[name] for name in FILE_TARGETS]
    assert targets.of([ClipboardType.FILE_LIST]) == {}
    assert Targets(ATOMS, files=True).readable(served) == {}


def test_files_are_told_as_uris_of_this_machine(targets: Targets) -> None:
    paths = [Path("/tmp/100% zwölf"), Path("/tmp/caf\udce9\nx")]
    one, other = "file:///tmp/100%25%20zw%C3%B6lf", "file:///tmp/caf%E9%0Ax"
    for name, data in (
        ("text/uri-list", f"{one}\r\n{other}\r\n"),
        ("x-special/gnome-copied-files", f"copy\n{one}\n{other}"),
        ("x-special/mate-copied-files", f"copy\n{one}\n{other}"),
    ):
        assert targets.encode_files(ATOMS[name], paths) == (ATOMS[name], data.encode())
