from __future__ import annotations

from functools import partial
from typing import TypeVar

import pytest
import trio
from PIL import Image, ImageChops

import spicetrio
from spicetrio import Locks
from spicetrio.sources.demo import cursors, serve_demo, theme
from spicetrio.sources.demo.guests import BRUSHES, COLORS, Guests
from spicetrio.sources.demo.journal import Journal
from spicetrio.sources.demo.keyboard import GREETING, KeyboardPanel
from spicetrio.sources.demo.motion import MotionPanel
from spicetrio.sources.demo.paint import SWATCHES, PaintPanel
from spicetrio.sources.demo.panel import Panel
from spicetrio.sources.demo.ticker import SENTENCES
from spicetrio.sources.demo.viewers import duration
from tests.peer import open_viewer

from .conftest import OpenStage, Stage

PanelT = TypeVar("PanelT", bound=Panel)

LEFT, MIDDLE, RIGHT = 1, 2, 3
SHIFT, CAPS = 0x2A, 0x3A


def find(stage: Stage, kind: type[PanelT]) -> PanelT:
    return next(panel for panel in stage.desk.panels if isinstance(panel, kind))


def same(one: Image.Image, other: Image.Image) -> bool:
    return ImageChops.difference(one, other).getbbox() is None


@pytest.mark.parametrize("size", [(640, 480), (1024, 768), (1920, 1080)])
async def test_everything_is_drawn(open_stage: OpenStage, size: tuple[int, int]) -> None:
    async with open_stage(size) as stage:
        await stage.settle()
        picture = await stage.picture()
        for panel in stage.desk.panels:
            box = panel.box
            part = picture.crop((box.x, box.y, box.right, box.bottom))
            assert len(part.getcolors(1 << 20)) > 8
        assert picture.getpixel((size[0] - 1, 70)) == theme.rgb(theme.GROUND)


async def test_nothing_moves_while_nobody_watches(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.settle()
        before = await stage.picture()
        await trio.sleep(0.3)
        assert same(before, await stage.picture())
        stage.join()
        for box in (stage.layout.motion, stage.layout.clock, stage.layout.ticker):
            before = await stage.picture(box)
            with trio.fail_after(5):
                while same(before, await stage.picture(box)):
                    await trio.lowlevel.checkpoint()


async def test_what_is_typed_appears(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        keyboard = find(stage, KeyboardPanel)
        await stage.settle()
        before = await stage.picture(stage.layout.keyboard)
        others = await stage.picture(stage.layout.paint)
        one, two = stage.join(), stage.join("10.0.0.2")
        stage.key(SHIFT, one, True)
        stage.key(0x23, one)
        stage.key(0x17, two)  # one's Shift is not two's
        stage.key(SHIFT, one, False)
        stage.type(" there", two)
        await stage.settle()
        assert keyboard.field.text == GREETING + "Hi there"
        assert not same(before, await stage.picture(stage.layout.keyboard))
        assert same(others, await stage.picture(stage.layout.paint))
        stage.key(0x0E, two, True, True, True, False)  # a key that is held repeats
        await stage.settle()
        assert keyboard.field.text == GREETING + "Hi th"


async def test_lock_keys_switch_the_lights(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        keyboard = find(stage, KeyboardPanel)
        viewer = stage.join()
        stage.key(CAPS, viewer, True, True, False)
        stage.type("x", viewer)
        await stage.settle()
        assert keyboard.locks == stage.inputs.locks.value == Locks.CAPS
        assert keyboard.field.text.endswith("X")
        stage.key(CAPS, viewer)
        await stage.settle()
        assert keyboard.locks == stage.inputs.locks.value == Locks.NONE


async def test_long_texts_scroll_and_the_caret_goes_where_it_is_put(open_stage: OpenStage) -> None:
    async with open_stage((640, 480)) as stage:
        keyboard = find(stage, KeyboardPanel)
        viewer = stage.join()
        for _ in range(30):
            stage.type("a\n", viewer)
        await stage.settle()
        box = stage.layout.keyboard
        stage.point(box.x + 30, box.y + 60, viewer)
        stage.button(LEFT, True, viewer)
        stage.button(LEFT, False, viewer)
        await stage.settle()
        assert GREETING.count("\n") < keyboard.field.text[: keyboard.field.caret].count("\n") < 31


async def test_two_paint_at_the_same_time(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        sheet = find(stage, PaintPanel).sheet
        one, two = stage.join(), stage.join("10.0.0.2")
        x, y = sheet.x, sheet.bottom - 60
        for viewer, dy in ((one, 0), (two, 25)):
            stage.point(x + 20, y + dy, viewer)
            stage.button(LEFT, True, viewer)
        for viewer, dy in ((one, 0), (two, 25)):
            stage.point(x + 220, y + dy, viewer)
            stage.button(LEFT, False, viewer)
        stage.point(x + 220, y - 20, one)  # no button is down any more
        await stage.settle()
        picture = await stage.picture()
        for step in range(20, 220):
            assert picture.getpixel((x + step, y)) == theme.rgb(COLORS[0])
            assert picture.getpixel((x + step, y + 25)) == theme.rgb(COLORS[1])
        assert picture.getpixel((x + 220, y - 12)) != theme.rgb(COLORS[0])


async def test_painting_beyond_the_paper_stays_on_it(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.settle()
        before = await stage.picture()
        sheet = find(stage, PaintPanel).sheet
        viewer = stage.join()
        stage.point(sheet.x + 5, sheet.y + 5, viewer)
        stage.button(LEFT, True, viewer)
        stage.point(0, 0, viewer)
        stage.point(-9999, 9999, viewer)
        stage.button(LEFT, False, viewer)
        await stage.settle()
        after = await stage.picture()
        for picture in (before, after):
            picture.paste(0, (sheet.x, sheet.y, sheet.right, sheet.bottom))
            for box in (stage.layout.clock, stage.layout.motion, stage.layout.viewers):
                picture.paste(0, (box.x, box.y, box.right, box.bottom))
            for box in (stage.layout.journal, stage.layout.ticker, stage.layout.keyboard):
                picture.paste(0, (box.x, box.y, box.right, box.bottom))
        assert same(before, after)


async def test_erasing_and_a_new_sheet(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        paint = find(stage, PaintPanel)
        sheet = paint.sheet
        viewer = stage.join()
        bare = paint.paper.color_at(10, 7)
        for button, color in ((LEFT, COLORS[0]), (RIGHT, bare)):
            stage.point(sheet.x + 10, sheet.y + 7, viewer)
            stage.button(button, True, viewer)
            stage.button(button, False, viewer)
            await stage.settle()
            assert (await stage.picture()).getpixel((sheet.x + 10, sheet.y + 7)) == theme.rgb(color)
        stage.point(stage.layout.paint.right - 40, stage.layout.paint.bottom - 28, viewer)
        stage.button(LEFT, True, viewer)
        stage.button(LEFT, False, viewer)
        await stage.settle()
        picture = await stage.picture(sheet)
        assert theme.rgb(COLORS[2]) not in [color for _, color in picture.getcolors(1 << 20)]


async def test_colours_and_sizes_of_the_brush(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        sheet = find(stage, PaintPanel).sheet
        viewer = stage.join()
        await stage.settle()
        guest = stage.desk._guests.of(viewer)
        stage.point(sheet.x + 10, sheet.bottom + 20, viewer)
        stage.inputs.put(spicetrio.WheelEvent(1, viewer))
        await stage.settle()
        assert guest.paint == SWATCHES[1]
        stage.button(LEFT, True, viewer)
        stage.button(LEFT, False, viewer)
        await stage.settle()
        assert guest.paint == SWATCHES[0]
        stage.point(sheet.x + 4, sheet.y + 4, viewer)
        stage.button(MIDDLE, True, viewer)
        stage.button(MIDDLE, False, viewer)
        for _ in range(20):
            stage.inputs.put(spicetrio.WheelEvent(-1, viewer))
        await stage.settle()
        assert guest.paint == theme.PAPER
        assert guest.diameter == BRUSHES[-1]
        assert stage.shapes[-1][0].width > BRUSHES[-1]


async def test_the_pointer_takes_the_shape_of_where_it_is(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        layout = stage.layout
        viewer = stage.join()
        sheet = find(stage, PaintPanel).sheet
        for x, y, shape in (
            (sheet.x + 9, sheet.y + 9, cursors.ring(BRUSHES[2], COLORS[0])),
            (sheet.x + 9, sheet.bottom + 15, cursors.hand()),
            (layout.keyboard.x + 60, layout.keyboard.y + 90, cursors.beam()),
            (layout.motion.x + 60, layout.motion.y + 90, cursors.hand()),
            (layout.clock.x + 60, layout.clock.y + 60, cursors.arrow()),
            (0, 0, cursors.arrow()),
        ):
            stage.point(x, y, viewer)
            await stage.settle()
            assert stage.shapes[-1] == (shape.image, shape.hot_x, shape.hot_y)
        assert len(stage.shapes) == 6  # the arrow is set at first, and not again when it stays


async def test_motions_move_the_pointer(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        viewer = stage.join()
        for dx, dy in ((10, -20), (-5000, 0), (3, 9999)):
            stage.inputs.put(spicetrio.PointerMotion(dx, dy, viewer))
        await stage.settle()
        assert tuple(stage.display.cursor.state.position) == (3, 767)


async def test_balls_are_kicked(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        motion = find(stage, MotionPanel)
        viewer = stage.join()
        await stage.settle()
        speed = [(ball.dx, ball.dy) for ball in motion._balls.balls]
        stage.point(motion.body.x + 30, motion.body.y + 30, viewer)
        stage.button(LEFT, True, viewer)
        await stage.settle()
        assert speed != [(ball.dx, ball.dy) for ball in motion._balls.balls]


async def test_who_comes_and_goes_is_told(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.settle()
        nobody = await stage.picture(stage.layout.viewers)
        journal = await stage.picture(stage.layout.journal)
        viewers = [stage.join(f"10.0.0.{number}") for number in range(9)]
        stage.key(SHIFT, viewers[0], True)
        await stage.settle()
        assert len(stage.desk._guests) == 9
        assert not same(nobody, await stage.picture(stage.layout.viewers))
        assert not same(journal, await stage.picture(stage.layout.journal))
        for viewer in viewers:
            stage.leave(viewer)
        stage.key(SHIFT, viewers[0], False)  # what was held is released when its viewer has gone
        await stage.settle()
        assert len(stage.desk._guests) == 0
        assert same(nobody, await stage.picture(stage.layout.viewers))


async def test_the_journal_scrolls_line_by_line(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        journal = find(stage, Journal)
        area = journal._area
        for number in range(40):
            journal.add(f"line {number}")
        await stage.settle()
        before = await stage.picture(area)
        journal.add("another one")
        await stage.settle()
        after = await stage.picture(area)
        assert same(before.crop((0, 20, area.width, area.height)), after.crop((0, 0, area.width, area.height - 20)))
        assert not same(before, after)


async def test_guests_are_told_apart_by_colours() -> None:
    guests = Guests(0, 0)
    viewers = [object() for _ in range(7)]
    come, gone = guests.keep(viewers)  # type: ignore[arg-type]
    assert [guest.color for guest in come] == [*COLORS, COLORS[0]]
    assert not gone
    come, gone = guests.keep(viewers[1:])  # type: ignore[arg-type]
    assert (len(come), len(gone), len(guests)) == (0, 1, 6)


def test_guests_have_ages() -> None:
    assert [duration(seconds) for seconds in (0.4, 59.9, 61, 3599, 3600, 90061)] == [
        "0 s",
        "59 s",
        "1 min 01 s",
        "59 min 59 s",
        "1 h 00 min",
        "25 h 01 min",
    ]


def test_texts_have_only_letters_of_the_font() -> None:
    missing = bytes(theme.font(16).getmask("\ufffe"))
    texts = [*SENTENCES, GREETING.strip(), *(hint for panel in (PaintPanel, MotionPanel) for hint in panel.hints)]
    for character in set("".join(texts)):
        assert bytes(theme.font(16).getmask(character)) != missing or character == " "


async def test_a_viewer_sees_what_the_display_shows() -> None:
    async with spicetrio.open_server(port=0, disable_ticketing=True) as server, trio.open_nursery() as nursery:
        await nursery.start(partial(serve_demo, server, size=(640, 480)))
        host, port = server.addresses[0].removeprefix("spice://").split(":")
        async with open_viewer(partial(trio.open_tcp_stream, host, int(port))) as viewer:
            channel = await viewer.open_display()
            async with channel.stream:
                with trio.fail_after(10):
                    screen = await viewer.watch(
                        channel, lambda screen: screen.counts.get("CopyBits", 0) > 10 and screen.marked
                    )
            assert (screen.width, screen.height) == (640, 480)
            assert screen.pixels()[4 * (640 * 70) : 4 * (640 * 70) + 3] == theme.GROUND.to_bytes(3, "little")
        nursery.cancel_scope.cancel()


async def test_too_small_a_display_is_refused_before_it_is_opened() -> None:
    async with spicetrio.open_server(disable_ticketing=True) as server:
        with pytest.raises(ValueError, match="at least"):
            await serve_demo(server, size=(320, 200))
        assert len(server.channels) == 1
