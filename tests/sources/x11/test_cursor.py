from __future__ import annotations

import struct
from typing import Any

import xcffib
import xcffib.render
from xcffib import xproto

from tests.sources.x11.conftest import attach
from tests.sources.x11.recording import RecordingServer
from tests.sources.x11.screen import Screen

WIDTH, HEIGHT, HOT_X, HOT_Y = 7, 5, 3, 4


def argb_cursor(screen: Screen, pixels: list[int]) -> int:
    """A cursor of premultiplied ARGB pixels."""
    connection: Any = screen.connection
    render: Any = connection(xcffib.render.key)
    render.QueryVersion(0, 11).reply()
    formats = render.QueryPictFormats().reply().formats
    argb = next(one.id for one in formats if one.depth == 32 and one.direct.alpha_mask == 0xFF)
    pixmap, picture, cursor, context = (connection.generate_id() for _ in range(4))
    screen.core.CreatePixmap(32, pixmap, screen.root, WIDTH, HEIGHT)
    screen.core.CreateGC(context, pixmap, 0, [])
    data = struct.pack(f"{len(pixels)}I", *pixels)
    z_pixmap = xproto.ImageFormat.ZPixmap
    screen.core.PutImage(z_pixmap, pixmap, context, WIDTH, HEIGHT, 0, 0, 0, 32, len(data), data)
    render.CreatePicture(picture, pixmap, argb, 0, [])
    render.CreateCursor(cursor, picture, HOT_X, HOT_Y)
    return int(cursor)


async def test_the_cursor_arrives_and_its_colours_are_not_multiplied(attached: RecordingServer, screen: Screen) -> None:
    cursor = attached.display.cursor
    await cursor.until(lambda: len(cursor.shapes) > 0)
    count = len(cursor.shapes)
    pixels = [0x00000000, 0xFF102030, 0x80402000, 0x80808080, 0x01010001] + [0xFFFFFFFF] * (WIDTH * HEIGHT - 5)
    shape = argb_cursor(screen, pixels)
    screen.core.ChangeWindowAttributes(screen.root, xproto.CW.Cursor, [shape])
    screen.settle()
    await cursor.until(lambda: len(cursor.shapes) > count)
    image, hot_x, hot_y = cursor.shapes[-1]
    assert (image.size, hot_x, hot_y) == ((WIDTH, HEIGHT), HOT_X, HOT_Y)
    rgba = [image.getpixel((x, 0)) for x in range(5)]
    assert rgba == [
        (0, 0, 0, 0),
        (0x10, 0x20, 0x30, 0xFF),
        (0x7F, 0x3F, 0x00, 0x80),
        (0xFF, 0xFF, 0xFF, 0x80),
        (0xFF, 0x00, 0xFF, 0x01),
    ]


async def test_it_changes_with_the_window_under_it(attached: RecordingServer, screen: Screen) -> None:
    cursor = attached.display.cursor
    window = screen.window()
    shape = argb_cursor(screen, [0xFF00FF00] * (WIDTH * HEIGHT))
    screen.core.ChangeWindowAttributes(window, xproto.CW.Cursor, [shape])
    screen.settle()
    attached.inputs.place(400, 400)
    await cursor.until(lambda: cursor.shapes[-1][0].size != (WIDTH, HEIGHT))
    attached.inputs.place(20, 20)
    await cursor.until(lambda: cursor.shapes[-1][0].size == (WIDTH, HEIGHT))
    attached.inputs.place(400, 400)
    await cursor.until(lambda: cursor.shapes[-1][0].size != (WIDTH, HEIGHT))


async def test_its_place_is_told_at_first(xvfb: dict[str, str], screen: Screen) -> None:
    screen.core.WarpPointer(0, screen.root, 0, 0, 0, 0, 123, 45)
    screen.settle()
    async with attach(xvfb) as server:
        cursor = server.display.cursor
        await cursor.until(lambda: cursor.places == [(123, 45)])
