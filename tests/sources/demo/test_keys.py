from __future__ import annotations

import pytest

from spicetrio import Locks
from spicetrio.sources.demo.keys import KEYS, meaning, name

SHIFT, CTRL, A, ONE, PAD_4, PAD_DOT = 0x2A, 0x1D, 0x1E, 0x02, 0x4B, 0x53


@pytest.mark.parametrize(
    ("code", "held", "locks", "text"),
    [
        (A, set(), Locks.NONE, "a"),
        (A, {SHIFT}, Locks.NONE, "A"),
        (A, {0x36}, Locks.NONE, "A"),
        (A, set(), Locks.CAPS, "A"),
        (A, {SHIFT}, Locks.CAPS, "a"),
        (A, {CTRL}, Locks.NONE, ""),
        (ONE, set(), Locks.CAPS, "1"),
        (ONE, {SHIFT}, Locks.NONE, "!"),
        (0x2B, set(), Locks.NONE, "\\"),
        (0x2C, set(), Locks.NONE, "z"),
        (0x35, {SHIFT}, Locks.NONE, "?"),
        (0x28, {SHIFT}, Locks.NONE, '"'),
        (0x29, set(), Locks.NONE, "`"),
        (0x39, {SHIFT}, Locks.NONE, " "),
        (0x1C, set(), Locks.NONE, "\n"),
        (0xE01C, set(), Locks.NONE, "\n"),
        (PAD_4, set(), Locks.NUM, "4"),
        (PAD_DOT, set(), Locks.NUM, "."),
        (0x7F, set(), Locks.NONE, ""),
    ],
)
def test_what_a_key_types(code: int, held: set[int], locks: Locks, text: str) -> None:
    assert meaning(code, held | {code}, locks) == (text, "")


@pytest.mark.parametrize(
    ("code", "held", "locks", "action"),
    [
        (0x0E, set(), Locks.NONE, "backspace"),
        (0xE04B, set(), Locks.NUM, "left"),
        (PAD_4, set(), Locks.NONE, "left"),
        (PAD_4, {SHIFT}, Locks.NUM, "left"),
        (PAD_DOT, set(), Locks.NONE, "delete"),
        (0x01, set(), Locks.NONE, "clear"),
        (0x0E, {CTRL}, Locks.NONE, ""),
    ],
)
def test_what_a_key_does(code: int, held: set[int], locks: Locks, action: str) -> None:
    assert meaning(code, held | {code}, locks) == ("", action)


def test_every_printable_ascii_character_can_be_typed() -> None:
    typed = {text for key in KEYS.values() for text in (key.plain, key.shifted)}
    assert typed >= {chr(code) for code in range(32, 127)}


def test_names() -> None:
    assert name(A) == "A"
    assert name(0xE01D) == "Right Ctrl"
    assert name(0xE11D45) == "Pause"
    assert name(0x44) == "F10"
    assert name(0xE0FF) == "0xE0FF"
