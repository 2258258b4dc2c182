"""Scan codes of a PC keyboard: what keys are called, and what a US layout makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from spicetrio import Locks


@dataclass(frozen=True, slots=True)
class Key:
    """One key."""

    name: str
    """What is printed on it."""
    plain: str = ""
    """The character it types."""
    shifted: str = ""
    """The character it types with Shift."""
    action: str = ""
    """What it does to a text, if it types nothing."""


_ROWS: Final = (
    (0x02, "1234567890-=", "!@#$%^&*()_+"),
    (0x10, "qwertyuiop[]", "QWERTYUIOP{}"),
    (0x1E, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (0x2B, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
)
_KEYPAD: Final = (
    (0x47, "7", "home"),
    (0x48, "8", "up"),
    (0x49, "9", ""),
    (0x4B, "4", "left"),
    (0x4C, "5", ""),
    (0x4D, "6", "right"),
    (0x4F, "1", "end"),
    (0x50, "2", "down"),
    (0x51, "3", ""),
    (0x52, "0", ""),
    (0x53, ".", "delete"),
)
_OTHERS: Final = {
    0x01: Key("Esc", action="clear"),
    0x0E: Key("Backspace", action="backspace"),
    0x0F: Key("Tab", "    ", "    "),
    0x1C: Key("Enter", "\n", "\n"),
    0x1D: Key("Ctrl"),
    0x2A: Key("Shift"),
    0x36: Key("Right Shift"),
    0x37: Key("Keypad *", "*", "*"),
    0x38: Key("Alt"),
    0x39: Key("Space", " ", " "),
    0x3A: Key("Caps Lock"),
    0x45: Key("Num Lock"),
    0x46: Key("Scroll Lock"),
    0x4A: Key("Keypad -", "-", "-"),
    0x4E: Key("Keypad +", "+", "+"),
    0x54: Key("SysRq"),
    0x56: Key("< >", "<", ">"),
    0x57: Key("F11"),
    0x58: Key("F12"),
    0xE01C: Key("Keypad Enter", "\n", "\n"),
    0xE01D: Key("Right Ctrl"),
    0xE035: Key("Keypad /", "/", "/"),
    0xE037: Key("Print"),
    0xE038: Key("Right Alt"),
    0xE046: Key("Break"),
    0xE047: Key("Home", action="home"),
    0xE048: Key("Up", action="up"),
    0xE049: Key("Page Up"),
    0xE04B: Key("Left", action="left"),
    0xE04D: Key("Right", action="right"),
    0xE04F: Key("End", action="end"),
    0xE050: Key("Down", action="down"),
    0xE051: Key("Page Down"),
    0xE052: Key("Insert"),
    0xE053: Key("Delete", action="delete"),
    0xE05B: Key("Super"),
    0xE05C: Key("Right Super"),
    0xE05D: Key("Menu"),
    0xE11D45: Key("Pause"),
}

SHIFTS: Final = frozenset({0x2A, 0x36})
CONTROLS: Final = frozenset({0x1D, 0x38, 0xE01D, 0xE038, 0xE05B, 0xE05C})
"""Ctrl, Alt and Super: with one of them held no key types anything."""
LOCKS: Final = {0x3A: Locks.CAPS, 0x45: Locks.NUM, 0x46: Locks.SCROLL}
"""Keys that switch a light."""


def _keys() -> Iterator[tuple[int, Key]]:
    for start, plain, shifted in _ROWS:
        for code, (small, large) in enumerate(zip(plain, shifted, strict=True), start):
            yield code, Key(small.upper(), small, large)
    for number in range(10):
        yield 0x3B + number, Key(f"F{number + 1}")
    for code, digit, action in _KEYPAD:
        yield code, Key(f"Keypad {digit}", digit, action=action)
    yield from _OTHERS.items()


KEYS: Final[dict[int, Key]] = dict(_keys())
_PAD: Final = frozenset(code for code, _, _ in _KEYPAD)


def name(code: int) -> str:
    """Return what a key is called."""
    key = KEYS.get(code)
    return key.name if key is not None else f"0x{code:X}"


def meaning(code: int, held: set[int], locks: Locks) -> tuple[str, str]:
    """Return the text that a key types and what else it does to a text; either may be empty.

    Args:
        code: The key.
        held: All keys that are down on this keyboard.
        locks: The lights.
    """
    key = KEYS.get(code)
    if key is None or held & CONTROLS:
        return "", ""
    shift = bool(held & SHIFTS)
    if code in _PAD:
        return (key.plain, "") if (Locks.NUM in locks) != shift else ("", key.action)
    if key.plain.isalpha() and Locks.CAPS in locks:
        shift = not shift
    return key.shifted if shift else key.plain, key.action
