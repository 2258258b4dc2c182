from __future__ import annotations

import pytest

from spicetrio.sources.qemu.keyboard import PAUSE, qemu_number


@pytest.mark.parametrize(
    ("code", "number"),
    [
        (0x01, 0x01),  # Escape
        (0x1E, 0x1E),  # A
        (0x54, 0x54),  # SysRq
        (0xE01C, 0x9C),  # keypad Enter
        (0xE01D, 0x9D),  # right Ctrl
        (0xE037, 0xB7),  # PrintScreen
        (0xE053, 0xD3),  # Delete
        (0xE05B, 0xDB),  # left Super
        (PAUSE, 0xC6),
        (0xE11D46, None),
        (0xE200, None),
    ],
)
def test_keys_have_the_numbers_of_qemu(code: int, number: int | None) -> None:
    assert qemu_number(code) == number
