"""Scan codes of a PC keyboard (set 1, as SPICE carries them) and the Linux evdev key each one is.

A key whose code comes after the prefix 0xE0 is written 0xE0xx. Makers disagree about the rarer codes (F13 to F24,
office keys); there the table follows what SPICE viewers on Linux send.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

KEYCODE_OFFSET: Final = 8
"""X has no keycodes below 8: an X server that takes its keys from evdev numbers each this much higher."""

PAUSE: Final = 0xE11D45
"""The one key with a sequence of three bytes."""

# 0x01 Escape .. 0x53 keypad point: Linux numbered its first keys after the codes of the PC/AT keyboard.
_PC_AT = {code: code for code in range(0x01, 0x54)}

_PLAIN = {
    0x54: 99,  # SysRq: what PrintScreen sends while Alt is held
    0x56: 86,  # the key between left Shift and Z
    0x57: 87,  # F11
    0x58: 88,  # F12
    0x59: 117,  # keypad =
    0x5B: 101,  # Linefeed
    0x5C: 95,  # keypad comma of Japanese keyboards
    0x70: 93,  # Katakana/Hiragana
    0x71: 123,  # Hanja
    0x72: 122,  # Hangul
    0x73: 89,  # Ro: \ _ on Japanese, / ? on Brazilian keyboards
    0x76: 85,  # Zenkaku/Hankaku
    0x77: 91,  # Hiragana
    0x78: 90,  # Katakana
    0x79: 92,  # Henkan
    0x7B: 94,  # Muhenkan
    0x7D: 124,  # Yen
    0x7E: 121,  # keypad point of Brazilian keyboards
}

_F13_TO_F24 = {
    0x5D: 183,
    0x5E: 184,
    0x5F: 185,
    0x55: 186,
    0xE003: 187,
    0xE077: 188,
    0xE004: 189,
    0x5A: 190,
    0x74: 191,
    0xE079: 192,
    0x6D: 193,
    0x6F: 194,
}

_EXTENDED = {
    0xE01C: 96,  # keypad Enter
    0xE01D: 97,  # right Ctrl
    0xE035: 98,  # keypad /
    0xE037: 99,  # PrintScreen
    0xE038: 100,  # right Alt
    0xE046: 119,  # Break: what Pause sends while Ctrl is held
    0xE047: 102,  # Home
    0xE048: 103,  # Up
    0xE049: 104,  # Page Up
    0xE04B: 105,  # Left
    0xE04D: 106,  # Right
    0xE04E: 118,  # keypad plus/minus
    0xE04F: 107,  # End
    0xE050: 108,  # Down
    0xE051: 109,  # Page Down
    0xE052: 110,  # Insert
    0xE053: 111,  # Delete
    0xE05B: 125,  # left Windows
    0xE05C: 126,  # right Windows
    0xE05D: 127,  # Menu
}

_POWER = {
    0xE05E: 116,  # Power
    0xE05F: 142,  # Sleep
    0xE063: 143,  # Wake
}

_SOUND_AND_MEDIA = {
    0xE010: 165,  # previous track
    0xE019: 163,  # next track
    0xE020: 113,  # mute
    0xE022: 164,  # play/pause
    0xE024: 166,  # stop
    0xE02E: 114,  # volume down
    0xE030: 115,  # volume up
    0xE06D: 226,  # media
}

_PROGRAMS_AND_BROWSER = {
    0xE021: 140,  # calculator
    0xE032: 172,  # home page
    0xE065: 217,  # search
    0xE066: 156,  # bookmarks
    0xE067: 173,  # reload
    0xE068: 128,  # stop
    0xE069: 159,  # forward
    0xE06A: 158,  # back
    0xE06B: 157,  # my computer
    0xE06C: 155,  # mail
}

EVDEV_KEYS: Final[Mapping[int, int]] = MappingProxyType(
    {
        PAUSE: 119,
        **_PC_AT,
        **_PLAIN,
        **_F13_TO_F24,
        **_EXTENDED,
        **_POWER,
        **_SOUND_AND_MEDIA,
        **_PROGRAMS_AND_BROWSER,
    }
)
"""Scan code to evdev key."""


def x_keycode(code: int) -> int | None:
    """The X keycode of a scan code, or None for a code that is no key (the shifts a keyboard fakes around E0 keys)."""
    key = EVDEV_KEYS.get(code)
    return None if key is None else key + KEYCODE_OFFSET
