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

# Named as Linux names them; seen to be sent by spice-gtk. Not 0xE036, which is also a shift that keyboards fake.
_RARE = {
    0x63: 169,  # phone
    0x64: 134,  # open
    0x65: 135,  # paste
    0x66: 141,  # setup
    0x67: 144,  # file
    0x68: 145,  # sendfile
    0x69: 146,  # deletefile
    0x6A: 151,  # msdos
    0x6B: 153,  # rotate display
    0x6C: 161,  # ejectcd
    0x75: 177,  # scrollup
    0xE001: 171,  # config
    0xE002: 150,  # www
    0xE005: 129,  # again
    0xE006: 130,  # props
    0xE007: 131,  # undo
    0xE008: 176,  # edit
    0xE009: 181,  # new
    0xE00A: 182,  # redo
    0xE00B: 120,  # scale
    0xE00C: 132,  # front
    0xE00E: 233,  # forwardmail
    0xE00F: 178,  # scrolldown
    0xE012: 152,  # coffee
    0xE013: 147,  # xfer
    0xE014: 222,  # alterase
    0xE015: 195,
    0xE016: 196,
    0xE017: 149,  # prog2
    0xE018: 168,  # rewind
    0xE01A: 197,
    0xE01B: 198,
    0xE01E: 139,  # menu
    0xE01F: 148,  # prog1
    0xE023: 160,  # closecd
    0xE025: 205,  # suspend
    0xE026: 154,  # cyclewindows
    0xE027: 199,
    0xE028: 200,  # playcd
    0xE029: 201,  # pausecd
    0xE02B: 202,  # prog3
    0xE02C: 203,  # prog4
    0xE02D: 204,  # all applications
    0xE02F: 206,  # close
    0xE031: 167,  # record
    0xE033: 207,  # play
    0xE034: 208,  # fastforward
    0xE039: 210,  # print
    0xE03A: 211,  # hp
    0xE03B: 212,  # camera
    0xE03C: 137,  # cut
    0xE03D: 213,  # sound
    0xE03E: 214,  # question
    0xE03F: 215,  # email
    0xE040: 216,  # chat
    0xE041: 136,  # find
    0xE042: 218,  # connect
    0xE043: 219,  # finance
    0xE044: 220,  # sport
    0xE045: 221,  # shop
    0xE04A: 223,  # cancel
    0xE04C: 224,  # brightnessdown
    0xE054: 225,  # brightnessup
    0xE055: 234,  # save
    0xE056: 227,  # switchvideomode
    0xE057: 228,  # kbdillumtoggle
    0xE058: 229,  # kbdillumdown
    0xE059: 230,  # kbdillumup
    0xE05A: 231,  # send
    0xE064: 232,  # reply
    0xE06F: 112,  # macro
    0xE070: 235,  # documents
    0xE071: 236,  # battery
    0xE072: 237,  # bluetooth
    0xE073: 238,  # wlan
    0xE074: 239,  # uwb
    0xE075: 138,  # help
    0xE076: 179,  # kpleftparen
    0xE078: 133,  # copy
    0xE07B: 180,  # kprightparen
    0xE07D: 162,  # ejectclosecd
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
        **_RARE,
    }
)
"""Scan code to evdev key."""


def x_keycode(code: int) -> int | None:
    """The X keycode of a scan code, or None for a code that is no key (the shifts a keyboard fakes around E0 keys)."""
    key = EVDEV_KEYS.get(code)
    return None if key is None else key + KEYCODE_OFFSET
