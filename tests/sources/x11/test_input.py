from __future__ import annotations

import subprocess

import pytest
import trio

import spicetrio
from spicetrio.sources.x11.pointer import BUTTONS
from spicetrio.sources.x11.scancodes import EVDEV_KEYS, KEYCODE_OFFSET, PAUSE, x_keycode
from tests.clients.processes import need
from tests.sources.x11.conftest import attach
from tests.sources.x11.recording import RecordingServer
from tests.sources.x11.screen import Screen

LEFT_BUTTON_DOWN = 1 << 8
CAPS, NUM = spicetrio.Locks.CAPS, spicetrio.Locks.NUM

KEYSYMS = {
    0x01: 0xFF1B,  # Escape
    0x02: ord("1"),
    0x0E: 0xFF08,  # BackSpace
    0x0F: 0xFF09,  # Tab
    0x10: ord("q"),
    0x1C: 0xFF0D,  # Return
    0x1D: 0xFFE3,  # Control_L
    0x1E: ord("a"),
    0x2A: 0xFFE1,  # Shift_L
    0x2B: ord("\\"),
    0x36: 0xFFE2,  # Shift_R
    0x37: 0xFFAA,  # KP_Multiply
    0x38: 0xFFE9,  # Alt_L
    0x39: ord(" "),
    0x3A: 0xFFE5,  # Caps_Lock
    0x3B: 0xFFBE,  # F1
    0x44: 0xFFC7,  # F10
    0x45: 0xFF7F,  # Num_Lock
    0x46: 0xFF14,  # Scroll_Lock
    0x47: 0xFF95,  # KP_Home
    0x53: 0xFF9F,  # KP_Delete
    0x56: ord("<"),
    0x57: 0xFFC8,  # F11
    0x58: 0xFFC9,  # F12
    0x70: 0xFF27,  # Hiragana_Katakana
    0x71: 0xFF34,  # Hangul_Hanja
    0x72: 0xFF31,  # Hangul
    0x79: 0xFF23,  # Henkan
    0x7B: 0xFF22,  # Muhenkan
    0xE01C: 0xFF8D,  # KP_Enter
    0xE01D: 0xFFE4,  # Control_R
    0xE035: 0xFFAF,  # KP_Divide
    0xE037: 0xFF61,  # Print
    0xE038: 0xFFEA,  # Alt_R
    0xE047: 0xFF50,  # Home
    0xE048: 0xFF52,  # Up
    0xE049: 0xFF55,  # Prior
    0xE04B: 0xFF51,  # Left
    0xE04D: 0xFF53,  # Right
    0xE04F: 0xFF57,  # End
    0xE050: 0xFF54,  # Down
    0xE051: 0xFF56,  # Next
    0xE052: 0xFF63,  # Insert
    0xE053: 0xFFFF,  # Delete
    0xE05B: 0xFFEB,  # Super_L
    0xE05C: 0xFFEC,  # Super_R
    0xE05D: 0xFF67,  # Menu
    0xE020: 0x1008FF12,  # XF86AudioMute
    0xE02E: 0x1008FF11,  # XF86AudioLowerVolume
    0xE030: 0x1008FF13,  # XF86AudioRaiseVolume
    0xE022: 0x1008FF14,  # XF86AudioPlay
    0xE021: 0x1008FF1D,  # XF86Calculator
    0xE06C: 0x1008FF19,  # XF86Mail
    0xE05F: 0x1008FF2F,  # XF86Sleep
    PAUSE: 0xFF13,  # Pause
}


async def test_every_key_arrives(attached: RecordingServer, screen: Screen) -> None:
    screen.window()
    for code, key in EVDEV_KEYS.items():
        attached.inputs.tap(code)
        keycode = key + KEYCODE_OFFSET
        assert await screen.gather(2) == [("KeyPress", keycode), ("KeyRelease", keycode)], hex(code)


async def test_main_keys_mean_what_is_printed_on_them(screen: Screen) -> None:
    for code, keysym in KEYSYMS.items():
        keycode = x_keycode(code)
        assert keycode is not None
        assert screen.keysym(keycode) == keysym, hex(code)


def test_the_table_is_of_keys_that_x_can_name() -> None:
    assert all(8 <= key + KEYCODE_OFFSET <= 255 for key in EVDEV_KEYS.values())
    assert x_keycode(0xE02A) is None, "a shift that a keyboard fakes is no key"


async def test_a_held_key_is_pressed_once_and_unknown_codes_are_nothing(
    attached: RecordingServer, screen: Screen
) -> None:
    screen.window()
    for code in (0xE02A, 0x1FFF, 0x1E, 0x1E, 0x1E):
        attached.inputs.key(code, True)
    attached.inputs.key(0x1E, False)
    attached.inputs.tap(0x30)
    keys = [("KeyPress", 38), ("KeyRelease", 38), ("KeyPress", 56), ("KeyRelease", 56)]
    assert await screen.gather(4) == keys


async def test_buttons_have_their_numbers(attached: RecordingServer, screen: Screen) -> None:
    screen.window()
    attached.inputs.place(20, 20)
    assert await screen.gather(1) == [("MotionNotify", 0)]
    for button in (1, 2, 3, 6, 7, 8):
        attached.inputs.button(button, True)
        attached.inputs.button(button, False)
        wanted = BUTTONS[button]
        assert await screen.gather(2) == [("ButtonPress", wanted), ("ButtonRelease", wanted)]
    assert (BUTTONS[6], BUTTONS[7], BUTTONS[16]) == (8, 9, 18)


async def test_a_button_that_the_pointer_lacks_is_left_out(attached: RecordingServer, screen: Screen) -> None:
    screen.window()
    attached.inputs.place(20, 20)
    for button in (9, 16, 17, 1):
        attached.inputs.button(button, True)
        attached.inputs.button(button, False)
    assert await screen.gather(3) == [("MotionNotify", 0), ("ButtonPress", 1), ("ButtonRelease", 1)]


async def test_the_wheel_turns(attached: RecordingServer, screen: Screen) -> None:
    screen.window()
    attached.inputs.place(20, 20)
    attached.inputs.wheel(-1)
    attached.inputs.wheel(2)
    turns = [("ButtonPress", 4), ("ButtonRelease", 4)] + 2 * [("ButtonPress", 5), ("ButtonRelease", 5)]
    assert await screen.gather(7) == [("MotionNotify", 0), *turns]


async def test_the_pointer_is_where_it_was_put(attached: RecordingServer, screen: Screen) -> None:
    screen.window()
    for x, y in ((0, 0), (10, 20), (639, 479), (100, 1)):
        attached.inputs.place(x, y)
        with trio.fail_after(5):
            while screen.pointer()[:2] != (x, y):  # noqa: ASYNC110  (it is the X server that moves it)
                await trio.sleep(0.005)


async def test_motion_moves_it_and_viewers_are_told(attached: RecordingServer, screen: Screen) -> None:
    attached.inputs.place(100, 100)
    attached.inputs.move(5, -4)
    places = attached.display.cursor.places
    await attached.display.cursor.until(lambda: places[-1:] == [(105, 96)])
    attached.inputs.move(-30000, -30000)
    attached.inputs.move(-70000, 0)
    await attached.display.cursor.until(lambda: places[-1] == (0, 0))


async def test_nothing_stays_pressed_when_the_source_ends(xvfb: dict[str, str], screen: Screen) -> None:
    screen.window()
    async with attach(xvfb) as server:
        server.inputs.place(30, 30)
        server.inputs.button(1, True)
        server.inputs.key(0x2A, True)
        assert len(await screen.gather(3)) == 3
        assert screen.pressed_keys() == [50]
        assert screen.pointer()[2] & LEFT_BUTTON_DOWN
    assert len(await screen.gather(2)) == 2
    assert screen.pressed_keys() == []
    assert not screen.pointer()[2] & LEFT_BUTTON_DOWN


async def test_input_gets_through_a_grabbed_server(attached: RecordingServer, screen: Screen) -> None:
    screen.window()
    await attached.inputs.until(lambda: bool(attached.inputs.locks))
    screen.core.GrabServer()
    screen.settle()
    frames = len(attached.display.frames)
    screen.fill(300, 300, 10, 10, 0xABCDEF)
    attached.inputs.tap(0x1E)
    await attached.display.until(lambda: len(attached.display.frames) > frames)
    assert await screen.gather(2) == [("KeyPress", 38), ("KeyRelease", 38)]


async def test_lock_lights_are_told(attached: RecordingServer, screen: Screen, xvfb: dict[str, str]) -> None:
    need("xdotool", "xdotool")
    inputs = attached.inputs
    await inputs.until(lambda: inputs.locks[-1:] == [spicetrio.Locks(0)])
    inputs.tap(0x3A)
    await inputs.until(lambda: inputs.locks[-1] == CAPS)
    await trio.run_process(["xdotool", "key", "Num_Lock"], env=xvfb)
    await inputs.until(lambda: inputs.locks[-1] == CAPS | NUM)
    inputs.tap(0x3A)
    inputs.tap(0x45)
    await inputs.until(lambda: inputs.locks[-1] == spicetrio.Locks(0))


async def test_a_lock_key_without_a_light_is_corrected(attached: RecordingServer) -> None:
    inputs = attached.inputs
    await inputs.until(lambda: bool(inputs.locks))
    count = len(inputs.locks)
    inputs.tap(0x46)
    await inputs.until(lambda: len(inputs.locks) > count)
    assert inputs.locks[-1] == spicetrio.Locks(0)


async def test_other_keycodes_are_warned_of(
    xvfb: dict[str, str], screen: Screen, caplog: pytest.LogCaptureFixture
) -> None:
    need("xkbcomp", "x11-xkb-utils")
    async with attach(xvfb):
        await trio.sleep(0.2)
    assert "number its keys" not in caplog.text
    keymap = await trio.run_process(["xkbcomp", xvfb["DISPLAY"], "-"], capture_stdout=True, stderr=subprocess.DEVNULL)
    swapped = keymap.stdout.replace(b"<UP> = 111", b"<UP> = 98").replace(b"<KATA> = 98", b"<KATA> = 111")
    assert swapped != keymap.stdout
    command = ["xkbcomp", "-", xvfb["DISPLAY"]]
    await trio.run_process(command, stdin=swapped, stderr=subprocess.DEVNULL)
    async with attach(xvfb):
        with trio.fail_after(5):
            while "number its keys" not in caplog.text:  # noqa: ASYNC110  (nothing tells of log lines)
                await trio.sleep(0.02)
    assert "setxkbmap" in caplog.text
