from __future__ import annotations

import pytest
import trio
import trio.testing

from spicetrio import Rect
from spicetrio.channels.display import MAX_SIZE
from spicetrio.sources.qemu.screen import MOST_RECTANGLES, Scanout, Screen

BGRX, RGB565, UNKNOWN = 0x20020888, 0x10020565, 0x20010888


def pixels(width: int, height: int, value: int = 0, *, stride: int | None = None) -> memoryview:
    return memoryview(bytearray([value]) * ((stride or 4 * width) * height))


@pytest.fixture
async def screen() -> Screen:
    """Of 8 x 4 zeros in rows of 48 bytes, taken."""
    screen = Screen("tested")
    screen.replace(8, 4, 48, BGRX, pixels(8, 4, stride=48))
    await taken(screen)
    return screen


async def taken(screen: Screen) -> tuple[Scanout, list[Rect]]:
    """What has changed, once something has."""
    with trio.fail_after(5):
        await screen.changed()
    return screen.take()


def shown(screen: Screen) -> list[bytes]:
    """The rows of what it shows, without what is between them."""
    scanout = screen.scanout
    assert scanout is not None
    return [bytes(scanout.pixels[at : at + 4 * scanout.width]) for at in range(0, len(scanout.pixels), scanout.stride)]


async def test_a_picture_is_damaged_all_over() -> None:
    screen = Screen("tested")
    screen.replace(8, 4, 32, BGRX, pixels(8, 4))
    scanout, damage = await taken(screen)
    assert (scanout.width, scanout.height, scanout.stride, scanout.format) == (8, 4, 32, "BGRX")
    assert damage == [Rect(0, 0, 8, 4)]


async def test_an_update_of_another_stride_is_put_in_its_place(screen: Screen) -> None:
    assert screen.update(2, 1, 3, 2, 16, BGRX, pixels(3, 2, 7, stride=16))
    scanout, damage = await taken(screen)
    assert damage == [Rect(2, 1, 5, 3)]
    row = bytes(8) + bytes([7]) * 12 + bytes(12)
    assert shown(screen) == [bytes(32), row, row, bytes(32)]
    assert not any(scanout.pixels[32:48]), "what is between rows was written to"


@pytest.mark.parametrize(
    "update",
    [(6, 0, 3, 1), (0, 3, 1, 2), (-1, 0, 2, 1), (0, -1, 1, 2), (0, 0, 0, 1), (0, 0, 1, 0)],
)
async def test_an_update_that_does_not_lie_inside_is_of_another_picture(
    screen: Screen, update: tuple[int, int, int, int]
) -> None:
    assert not screen.update(*update, 64, BGRX, pixels(16, 4, 7))
    assert shown(screen) == [bytes(32)] * 4


async def test_an_update_of_another_format_is_of_another_picture(screen: Screen) -> None:
    assert not screen.update(0, 0, 8, 4, 16, RGB565, pixels(8, 4, 7))


async def test_an_update_without_all_its_pixels_is_not_taken(screen: Screen) -> None:
    assert not screen.update(0, 0, 8, 2, 32, BGRX, pixels(8, 1, 7))
    assert not screen.update(0, 0, 8, 1, 16, BGRX, pixels(8, 1, 7))


def test_an_update_before_a_picture_is_not_taken() -> None:
    assert not Screen("tested").update(0, 0, 1, 1, 4, BGRX, pixels(1, 1))


async def test_damage_of_many_pieces_is_one_piece(screen: Screen) -> None:
    for _ in range(MOST_RECTANGLES):
        assert screen.update(1, 1, 1, 1, 4, BGRX, pixels(1, 1))
    assert screen.update(4, 2, 2, 1, 8, BGRX, pixels(2, 1))
    _, damage = await taken(screen)
    assert damage == [Rect(1, 1, 6, 3)]


async def test_a_picture_supersedes_the_damage_of_the_one_before(screen: Screen) -> None:
    assert screen.update(0, 0, 8, 4, 32, BGRX, pixels(8, 4))
    screen.replace(2, 2, 8, BGRX, pixels(2, 2))
    _, damage = await taken(screen)
    assert damage == [Rect(0, 0, 2, 2)]


async def test_a_format_that_displays_do_not_take_is_black(screen: Screen, caplog: pytest.LogCaptureFixture) -> None:
    screen.replace(3, 2, 12, UNKNOWN, pixels(3, 2, 7))
    scanout, _ = await taken(screen)
    assert (scanout.width, scanout.height) == (3, 2)
    assert not any(scanout.pixels)
    assert "0x20010888" in caplog.text


@pytest.mark.parametrize(("code", "name"), [(0x20080888, "RGBX"), (0x20090888, "BGRX")])
async def test_pixels_whose_unused_byte_comes_first(code: int, name: str) -> None:
    screen = Screen("tested")
    screen.replace(2, 2, 8, code, memoryview(b"xabcxdefxghixjkl"))
    assert screen.update(1, 1, 1, 1, 4, code, memoryview(b"xABC"))
    scanout, _ = await taken(screen)
    assert scanout.format == name
    assert [bytes(scanout.pixels[at : at + 3]) for at in range(0, 16, 4)] == [b"abc", b"def", b"ghi", b"ABC"]


async def test_parts_of_a_picture_that_cannot_be_shown_are_no_reason_to_ask_for_it_again(screen: Screen) -> None:
    screen.replace(3, 2, 12, UNKNOWN, pixels(3, 2, 7))
    await taken(screen)
    assert screen.update(0, 0, 3, 2, 12, UNKNOWN, pixels(3, 2, 7))
    assert not any(b"".join(shown(screen)))
    assert not screen.update(0, 0, 3, 2, 12, RGB565, pixels(3, 2, 7)), "it is of another picture"


@pytest.mark.parametrize(("width", "height"), [(MAX_SIZE + 1, 4), (4, MAX_SIZE + 1), (0xFFFFFFFF, 0xFFFFFFFF)])
async def test_a_picture_larger_than_a_display_is_black(
    screen: Screen, caplog: pytest.LogCaptureFixture, width: int, height: int
) -> None:
    assert screen.update(0, 0, 8, 4, 32, BGRX, pixels(8, 4, 7))
    screen.replace(width, height, 4 * width, BGRX, pixels(8, 4, 7))
    assert screen.update(0, 0, width, 1, 4 * width, BGRX, pixels(8, 4, 7)), "it is not asked for again"
    scanout, damage = await taken(screen)
    assert not any(scanout.pixels)
    assert damage == [Rect(0, 0, 8, 4)], "the display keeps its size"
    assert f"{width} x {height}" in caplog.text


@pytest.mark.parametrize(("width", "height", "stride"), [(8, 4, 31), (8, 5, 32), (100, 4, 32)])
async def test_a_picture_without_all_its_pixels_is_black(screen: Screen, width: int, height: int, stride: int) -> None:
    screen.replace(width, height, stride, BGRX, pixels(8, 4, 7))
    scanout, _ = await taken(screen)
    assert not any(scanout.pixels)


async def test_a_picture_without_pixels_is_none(screen: Screen) -> None:
    screen.replace(0, 0, 0, BGRX, pixels(0, 0))
    assert shown(screen) == [bytes(32)] * 4


async def test_what_is_drawn_in_shared_memory_is_damage(screen: Screen) -> None:
    memory = bytearray(8 * 4 * 4)
    screen.replace(8, 4, 32, BGRX, memoryview(memory).toreadonly(), shared=True)
    await taken(screen)
    assert not screen.update(0, 0, 1, 1, 4, BGRX, pixels(1, 1)), "it is QEMU's to write"
    screen.touch(-1, 2, 4, 9)
    screen.touch(8, 0, 1, 1)
    _, damage = await taken(screen)
    assert damage == [Rect(0, 2, 3, 4)]


async def test_a_console_that_shows_nothing_is_black(screen: Screen) -> None:
    screen.update(0, 0, 8, 4, 32, BGRX, pixels(8, 4, 7))
    screen.blank()
    scanout, damage = await taken(screen)
    assert not any(scanout.pixels)
    assert damage == [Rect(0, 0, 8, 4)]


async def test_who_takes_waits_for_a_change(screen: Screen) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(screen.changed)
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks
        screen.update(0, 0, 1, 1, 4, BGRX, pixels(1, 1))
