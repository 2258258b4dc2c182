"""All viewers, however late and with whatever wishes, end with the picture that was drawn."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spicetrio.canvas import backlog, encoder, lack, picture
from spicetrio.canvas.drawings import MAX_DRAWINGS
from spicetrio.canvas.picture import Batch, Picture
from spicetrio.canvas.pixelbuffer import pixel_buffer
from spicetrio.canvas.surface import Surface
from spicetrio.canvas.viewer import KEEPS_UP, Memory, Wishes
from spicetrio.wire import display, draw
from spicetrio.wire.buffer import Marshalled, Message, ReadBuffer
from spicetrio.wire.enums import ImageCompression
from spicetrio.wire.framing import Bundle
from spicetrio.wire.geometry import Rect
from tests.screen import Screen

RAW, LZ, LZ4 = ImageCompression.OFF, ImageCompression.LZ, ImageCompression.LZ4
WISHES = [
    Wishes(compression=compression, monitors_config=heads) for compression in (RAW, LZ, LZ4) for heads in (True, False)
]


def message_of(marshalled: Marshalled) -> Message:
    return display.SERVER_MESSAGES[marshalled.type].pull(ReadBuffer(b"".join(marshalled.buffers)))


class Naive:
    """A picture as rows of numbers, drawn in the most obvious way."""

    def __init__(self, width: int, height: int) -> None:
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.rows = [[0] * width for _ in range(height)]

    def inside(self, rect: Rect) -> bool:
        return rect.right <= self.width and rect.bottom <= self.height

    def fill(self, rect: Rect, color: int) -> None:
        if self.inside(rect):
            for y in range(rect.top, rect.bottom):
                self.rows[y][rect.left : rect.right] = [color] * rect.width

    def copy_area(self, rect: Rect, src_x: int, src_y: int) -> None:
        if self.inside(rect) and self.inside(Rect(src_x, src_y, src_x + rect.width, src_y + rect.height)):
            rows = [self.rows[src_y + y][src_x : src_x + rect.width] for y in range(rect.height)]
            for y, row in enumerate(rows):
                self.rows[rect.top + y][rect.left : rect.right] = row

    def draw_image(self, x: int, y: int, width: int, height: int, colors: list[int]) -> None:
        if self.inside(Rect(x, y, x + width, y + height)):
            for row in range(height):
                self.rows[y + row][x : x + width] = colors[row * width : (row + 1) * width]

    def pixels(self) -> bytes:
        return b"".join(color.to_bytes(4, "little") for row in self.rows for color in row)


class Watcher:
    """A viewer: it has a screen, and checks the promises about batches."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.screen = Screen()
        self.sated = False
        self.names: list[str] = []

    def take(self, batch: Batch) -> None:
        assert batch.messages, "an empty batch uses up a credit"
        for marshalled in batch.messages:
            message = message_of(marshalled)
            self.names.append(type(message).__name__)
            self.screen.handle(message)
        self.sated = batch.sated


class Scene:
    def __init__(self, width: int, height: int) -> None:
        self.picture = Picture(width, height, 3)
        self.naive = Naive(width, height)
        self.watchers: dict[int, Watcher] = {}
        self.random = Random(1)
        self._last = 0

    def attach(self, wishes: Wishes, memory: Memory | None = None) -> Watcher:
        self._last += 1
        watcher = Watcher(self._last)
        self.watchers[watcher.number] = watcher
        if memory is None:
            memory = Memory(self.random.choice((0, 400, 1 << 20)), self.random.choice((0, 400, 1 << 20)))
        self.picture.attach(watcher.number, wishes, memory)
        return watcher

    def detach(self, number: int) -> None:
        del self.watchers[number]
        self.picture.detach(number)

    def fill(self, rect: Rect, color: int) -> None:
        self.picture.fill(rect, color)
        self.naive.fill(rect, color)

    def copy_area(self, rect: Rect, src_x: int, src_y: int) -> None:
        self.picture.copy_area(rect, src_x, src_y)
        self.naive.copy_area(rect, src_x, src_y)

    def draw_image(self, x: int, y: int, width: int, height: int, seed: int) -> None:
        random = Random(seed)
        palette = [random.randrange(1 << 24) for _ in range(random.choice([1, 2, 1000]))]
        colors = [random.choice(palette) for _ in range(width * height)]
        data = b"".join((color | 0xAB000000).to_bytes(4, "little") for color in colors)
        self.picture.draw_image(x, y, pixel_buffer(data, width=width, height=height))
        self.naive.draw_image(x, y, width, height, colors)

    def resize(self, width: int, height: int) -> None:
        self.picture.resize(width, height)
        self.naive.resize(width, height)

    def give(self, watcher: Watcher) -> None:
        self.picture.credit(watcher.number)
        self.deliver()

    def deliver(self) -> None:
        hungry_before = self.picture.hungry()
        for batch in self.picture.batches():
            assert batch.viewer not in hungry_before, "a viewer without credit was sent a batch"
            self.watchers[batch.viewer].take(batch)

    def settle(self) -> None:
        """Give credit until nobody lacks anything."""
        for _ in range(10_000):
            self.deliver()
            hungry = self.picture.hungry()
            if not hungry:
                break
            for number in hungry:
                self.picture.credit(number)
        else:
            raise AssertionError("a viewer is never sated")
        for watcher in self.watchers.values():
            assert watcher.screen.marked
            assert (watcher.screen.width, watcher.screen.height) == (self.naive.width, self.naive.height)
            assert watcher.screen.pixels() == self.naive.pixels()
        assert self.picture.read(Rect(0, 0, self.naive.width, self.naive.height)) == self.naive.pixels()


@pytest.fixture
def small_batches() -> Any:
    """A few rows a strip and a strip or two a batch, so that pictures of tests come in many pieces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lack, "STRIP_PIXELS", 100)
        patch.setattr(picture, "BATCH_SIZE", 600)
        yield


def random_rect(random: Random, width: int, height: int) -> Rect:
    left, top = random.randrange(width), random.randrange(height)
    return Rect(left, top, random.randint(left + 1, width), random.randint(top + 1, height))


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=40)
def test_several_viewers_with_credits_at_random_times_all_end_with_the_picture(seed: int, tiny: bool) -> None:
    random = Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        if tiny:
            patch.setattr(lack, "STRIP_PIXELS", 50)
            patch.setattr(picture, "BATCH_SIZE", 300)
            patch.setattr(backlog, "MAX_COMMANDS", 4)
        scene = Scene(30, 20)
        for _ in range(80):
            width, height = scene.naive.width, scene.naive.height
            rect = random_rect(random, width, height)
            match random.randrange(16):
                case 0 | 1:
                    if len(scene.watchers) < 6:
                        scene.attach(random.choice(WISHES))
                case 2 | 3 | 4:
                    scene.fill(rect, random.randrange(1 << 24))
                case 5 | 6 | 7:
                    x, y = random.randint(0, width - rect.width), random.randint(0, height - rect.height)
                    scene.copy_area(rect, x, y)
                case 8 | 9:
                    scene.draw_image(rect.left, rect.top, rect.width, rect.height, random.randrange(99))
                case 10 if random.randrange(5) == 0:
                    scene.resize(random.randint(1, 40), random.randint(1, 30))
                case 11 if scene.watchers:
                    scene.picture.change(random.choice(list(scene.watchers)), random.choice(WISHES))
                case 12 if len(scene.watchers) > 3:
                    scene.detach(random.choice(list(scene.watchers)))
                case 13 | 14 | 15 if scene.watchers:
                    scene.give(scene.watchers[random.choice(list(scene.watchers))])
        scene.settle()


def test_who_has_missed_drawings_is_not_sent_the_same_as_who_has_not() -> None:
    """Though both have come equally far, and nothing was lacking before."""
    scene = Scene(40, 30)
    prompt, late = (scene.attach(WISHES[0], Memory()) for _ in range(2))
    scene.settle()
    spots = [Rect(x, y, x + 1, y + 1) for y in range(30) for x in range(40)]
    half = (MAX_DRAWINGS + 2) // 2
    for number in range(MAX_DRAWINGS + 1):
        if number == half:
            scene.give(prompt)
        scene.fill(spots[3 * number], number + 1)
    scene.picture.credit(prompt.number)
    scene.picture.credit(late.number)
    scene.settle()


@pytest.mark.parametrize("heads", [True, False])
def test_a_new_viewer_is_told_in_the_order_of_the_specification(heads: bool) -> None:
    scene = Scene(40, 30)
    scene.draw_image(3, 3, 20, 20, 1)
    watcher = scene.attach(Wishes(compression=LZ, monitors_config=heads))
    scene.give(watcher)
    wanted = ["InvalAllPalettes", "SurfaceCreate", "DrawCopy", *["MonitorsConfig"] * heads, "Mark"]
    assert watcher.names == wanted
    assert watcher.sated


def test_the_picture_is_shown_once_all_of_it_is_there_and_only_once(small_batches: Any) -> None:
    scene = Scene(40, 30)
    watcher = scene.attach(WISHES[0])
    while not watcher.sated:
        assert not watcher.screen.marked
        scene.give(watcher)
    assert watcher.names[-1] == "Mark"
    scene.fill(Rect(0, 0, 40, 30), 1)
    scene.draw_image(0, 0, 40, 30, 5)
    scene.settle()
    assert watcher.screen.counts["Mark"] == 1


def test_a_picture_that_changes_all_over_all_the_time_is_shown_nonetheless(small_batches: Any) -> None:
    scene = Scene(40, 30)
    watcher = scene.attach(WISHES[0])
    for frame in range(60):
        scene.draw_image(0, 0, 40, 30, frame)
        scene.give(watcher)
    assert watcher.screen.marked


def test_a_batch_is_bounded_however_much_is_lacking() -> None:
    scene = Scene(2000, 1000)
    noise = Random(1).randbytes(4 * 2000 * 1000)
    scene.picture.draw_image(0, 0, pixel_buffer(noise, width=2000, height=1000))
    scene.attach(WISHES[0])
    scene.picture.credit(1)
    (batch,) = scene.picture.batches()
    size = sum(message.size for message in batch.messages)
    assert picture.BATCH_SIZE <= size < picture.BATCH_SIZE + 4 * lack.STRIP_PIXELS + 4096
    assert not batch.sated


@pytest.mark.parametrize("slow", [False, True])
def test_a_viewer_that_keeps_up_is_sent_more_at_a_time_and_a_slow_one_is_not(slow: bool) -> None:
    scene = Scene(2000, 1000)
    watcher = scene.attach(Wishes(compression=RAW, slow=slow))
    scene.give(watcher)  # all of it is black, which is one command
    assert watcher.screen.marked
    noise = Random(1).randbytes(4 * 2000 * 1000)
    scene.picture.draw_image(0, 0, pixel_buffer(noise, width=2000, height=1000))
    scene.picture.credit(1)
    (batch,) = scene.picture.batches()
    size = sum(message.size for message in batch.messages)
    scale = 1 if slow else KEEPS_UP
    assert scale * picture.BATCH_SIZE <= size < scale * (picture.BATCH_SIZE + 4 * lack.STRIP_PIXELS) + 4096
    assert len(batch.messages) == 1


def test_before_each_batch_its_maker_is_told() -> None:
    scene = Scene(40, 30)
    for _ in range(3):
        scene.picture.credit(scene.attach(WISHES[0]).number)
    scene.attach(WISHES[0])
    steps: list[object] = []
    steps.extend(batch.viewer for batch in scene.picture.batches(lambda: steps.append("next")))
    assert steps == ["next", 1, "next", 2, "next", 3]


def test_without_credit_nothing_is_made() -> None:
    scene = Scene(40, 30)
    watcher = scene.attach(WISHES[0])
    scene.deliver()
    assert watcher.names == []
    assert scene.picture.hungry() == {1}


def test_a_credit_is_good_for_one_batch_and_waits_until_something_is_lacking() -> None:
    scene = Scene(40, 30)
    watcher = scene.attach(WISHES[0])
    scene.give(watcher)
    scene.give(watcher)  # it lacks nothing
    watcher.names.clear()
    scene.fill(Rect(0, 0, 1, 1), 1)
    scene.deliver()
    assert watcher.names == ["DrawFill"]
    scene.fill(Rect(0, 0, 1, 1), 2)
    scene.deliver()
    assert watcher.names == ["DrawFill"]
    assert scene.picture.hungry() == {1}


def test_two_credits_are_one() -> None:
    scene = Scene(40, 30)
    watcher = scene.attach(WISHES[0])
    scene.picture.credit(1)
    scene.give(watcher)
    scene.fill(Rect(0, 0, 1, 1), 1)
    assert scene.picture.hungry() == {1}


def test_what_was_superseded_is_never_sent() -> None:
    scene = Scene(40, 30)
    watcher = scene.attach(WISHES[0])
    scene.give(watcher)
    watcher.names.clear()
    for seed in range(20):
        scene.draw_image(0, 0, 40, 30, seed)
    scene.give(watcher)
    assert watcher.names == ["DrawCopy"]
    assert watcher.screen.pixels() == scene.naive.pixels()


@pytest.mark.parametrize(("width", "height"), [(60, 50), (10, 10), (40, 30), (1, 1), (30, 40)])
def test_after_a_resize_a_viewer_gets_a_new_surface_and_it_is_black(width: int, height: int) -> None:
    scene = Scene(40, 30)
    watcher = scene.attach(Wishes(compression=LZ, monitors_config=True))
    scene.draw_image(0, 0, 40, 30, 1)
    scene.give(watcher)
    watcher.names.clear()
    scene.resize(width, height)
    scene.give(watcher)
    assert watcher.names == ["SurfaceDestroy", "SurfaceCreate", "DrawFill", "MonitorsConfig", "Mark"]
    assert watcher.screen.pixels() == bytes(4 * width * height)


def test_of_several_resizes_only_the_last_is_sent() -> None:
    scene = Scene(40, 30)
    watcher = scene.attach(Wishes(compression=LZ, monitors_config=False))
    scene.resize(7, 7)
    scene.resize(8, 8)
    scene.give(watcher)
    assert watcher.names[:2] == ["InvalAllPalettes", "SurfaceCreate"]
    scene.resize(9, 9)
    scene.resize(10, 10)
    scene.settle()
    assert watcher.screen.counts["SurfaceCreate"] == 2


def test_a_resize_in_the_midst_of_the_first_picture_begins_again(small_batches: Any) -> None:
    scene = Scene(40, 30)
    draw_colors(scene, 40, 30, photograph(40, 30, 3))
    watcher = scene.attach(WISHES[0])
    scene.give(watcher)
    assert not watcher.screen.marked
    scene.resize(50, 10)
    scene.settle()
    assert watcher.screen.counts["SurfaceDestroy"] == 1
    assert watcher.screen.counts["Mark"] == 1


def test_a_shared_image_of_before_a_resize_is_not_sent_after_it() -> None:
    scene = Scene(40, 30)
    for wishes in (WISHES[0], WISHES[0]):
        scene.attach(wishes)
    scene.draw_image(20, 20, 10, 10, 1)
    scene.settle()
    scene.draw_image(20, 20, 10, 10, 2)
    scene.give(scene.watchers[1])
    scene.resize(10, 10)
    scene.settle()
    scene.resize(40, 30)
    scene.settle()


def test_what_a_resize_has_overtaken_is_not_drawn() -> None:
    scene = Scene(40, 30)
    scene.attach(WISHES[0])
    scene.resize(20, 10)
    scene.fill(Rect(0, 0, 40, 30), 5)
    scene.fill(Rect(19, 9, 21, 10), 5)
    scene.copy_area(Rect(0, 0, 5, 5), 16, 0)
    scene.copy_area(Rect(16, 0, 21, 5), 0, 0)
    scene.draw_image(15, 5, 10, 3, 1)
    scene.picture.draw_frame(pixel_buffer(b"\1" * 4 * 40 * 30, width=40, height=30), None)
    assert scene.picture.read(Rect(0, 0, 40, 30)) == b""
    scene.settle()
    assert scene.naive.pixels() == bytes(4 * 20 * 10)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Rect]:
    """The areas that were encoded."""
    areas: list[Rect] = []

    def encode(surface: Surface, rect: Rect, *rest: Any) -> Any:
        areas.append(rect)
        return original(surface, rect, *rest)

    original = encoder._encode
    monkeypatch.setattr(encoder, "_encode", encode)
    return areas


def test_viewers_with_equal_wishes_share_what_was_encoded(made: list[Rect]) -> None:
    scene = Scene(40, 30)
    draw_colors(scene, 40, 30, photograph(40, 30, 3))
    watchers = [scene.attach(Wishes(compression=LZ, monitors_config=heads), Memory()) for heads in (True, False) * 16]
    for watcher in watchers:
        scene.give(watcher)
    assert len(made) == 1
    scene.give(scene.attach(Wishes(compression=RAW, monitors_config=True), Memory()))
    assert len(made) == 2
    scene.settle()


@pytest.mark.parametrize("compression", list(ImageCompression))
def test_a_picture_that_comes_again_and_again_is_sent_twice_and_then_remembered(compression: ImageCompression) -> None:
    scene = Scene(100, 60)
    watcher = scene.attach(Wishes(compression=compression, lz4=True), Memory(1 << 20, 1 << 20))
    scene.settle()
    for seed in (4, 5, 4, 5, 4, 5, 4, 5):
        draw_colors(scene, 70, 40, photograph(70, 40, seed))
        scene.settle()
    assert watcher.screen.counts["FromCache"] == 4
    assert len(watcher.screen.images) == 2


def test_a_viewer_keeps_no_more_images_than_it_offered(made: list[Rect]) -> None:
    scene = Scene(100, 60)
    watcher = scene.attach(Wishes(compression=LZ), Memory(images=5 * 400))
    for _ in range(4):
        for seed in range(8):
            draw_colors(scene, 20, 20, photograph(20, 20, seed))
            scene.settle()
            assert sum(image.width * image.height for image in watcher.screen.images.values()) <= 5 * 400
    assert watcher.screen.counts["InvalList"] > 0


def test_a_viewer_without_a_cache_is_told_to_keep_nothing() -> None:
    scene = Scene(100, 60)
    watcher = scene.attach(Wishes(compression=LZ), Memory())
    for _ in range(4):
        for seed in (1, 2):
            draw_colors(scene, 20, 20, photograph(20, 20, seed))
            scene.settle()
    assert not watcher.screen.images


def photograph(width: int, height: int, seed: int) -> list[int]:
    """Colors that change little from pixel to pixel."""
    return [
        (40 + (x * 3 + y + seed) % 160) << 16 | (50 + (x + 2 * y) % 150) << 8 | (60 + (x + y) // 2 % 130)
        for y in range(height)
        for x in range(width)
    ]


def draw_colors(scene: Scene, width: int, height: int, colors: list[int]) -> None:
    data = b"".join(color.to_bytes(4, "little") for color in colors)
    scene.picture.draw_image(0, 0, pixel_buffer(data, width=width, height=height))
    scene.naive.draw_image(0, 0, width, height, colors)


@pytest.mark.parametrize("compression", [ImageCompression.AUTO_LZ, ImageCompression.AUTO_GLZ, ImageCompression.QUIC])
def test_what_was_lost_is_made_good_as_soon_as_nothing_else_is_to_be_sent(compression: ImageCompression) -> None:
    scene = Scene(64, 64)
    watcher = scene.attach(Wishes(compression=compression, lossy=True), Memory())
    for seed in range(3):
        draw_colors(scene, 64, 64, photograph(64, 64, seed))
        scene.give(watcher)
        assert watcher.screen.lossy
        assert watcher.screen.pixels() != scene.naive.pixels()
        assert not watcher.sated
    scene.settle()
    assert watcher.screen.counts["Jpeg"] == 3
    assert watcher.sated


def test_what_a_viewer_keeps_was_sent_without_loss() -> None:
    scene = Scene(64, 64)
    watcher = scene.attach(Wishes(compression=ImageCompression.AUTO_LZ, lossy=True), Memory(1 << 20))
    for seed, comes_again in ((4, False), (5, False), (4, True)):
        draw_colors(scene, 64, 64, photograph(64, 64, seed))
        scene.give(watcher)
        assert bool(watcher.screen.images) == comes_again
        assert (watcher.screen.pixels() == scene.naive.pixels()) == comes_again


@pytest.mark.parametrize("compression", [ImageCompression.LZ, ImageCompression.GLZ, ImageCompression.OFF])
def test_nothing_is_lost_in_modes_that_do_not_look_for_photographs(compression: ImageCompression) -> None:
    scene = Scene(64, 64)
    watcher = scene.attach(Wishes(compression=compression, lossy=True), Memory(0, 1 << 20))
    draw_colors(scene, 64, 64, photograph(64, 64, 1))
    scene.settle()
    assert "Jpeg" not in watcher.screen.counts


@pytest.mark.parametrize(
    ("compression", "kind"),
    [
        (ImageCompression.OFF, "Bitmap"),
        (ImageCompression.AUTO_GLZ, "Quic"),
        (ImageCompression.AUTO_LZ, "Quic"),
        (ImageCompression.QUIC, "Quic"),
        (ImageCompression.GLZ, "Glz"),
        (ImageCompression.LZ, "Lz"),
        (ImageCompression.LZ4, "Lz4"),
    ],
)
def test_a_photograph_is_sent_as_the_viewer_wishes(compression: ImageCompression, kind: str) -> None:
    scene = Scene(64, 64)
    watcher = scene.attach(Wishes(compression=compression, lz4=True), Memory(0, 1 << 20))
    picture = photograph(64, 64, 1)
    draw_colors(scene, 64, 64, picture if kind != "Lz4" else picture[:512] * 8)
    scene.settle()
    assert watcher.screen.counts[kind] == 1


def test_heads_are_told_whenever_they_change() -> None:
    scene = Scene(64, 48)
    watcher = scene.attach(Wishes(monitors_config=True))
    scene.settle()
    assert [(head.width, head.height, head.x, head.y) for head in watcher.screen.heads] == [(64, 48, 0, 0)]
    scene.picture.show([Rect(0, 0, 32, 48), Rect(32, 0, 64, 48)], 0)
    scene.settle()
    assert [(head.monitor_id, head.x) for head in watcher.screen.heads] == [(0, 0), (1, 32)]
    scene.picture.show([Rect(0, 0, 65, 48)], 0)  # overtaken by a resize
    assert len(watcher.screen.heads) == 2
    scene.resize(20, 10)
    scene.settle()
    assert [(head.width, head.height) for head in watcher.screen.heads] == [(20, 10)]


def frame_of(scene: Scene) -> bytearray:
    return bytearray(scene.naive.pixels())


def draw_frame(scene: Scene, frame: bytearray, damage: list[Rect] | None, **arguments: Any) -> None:
    width, height = scene.naive.width, scene.naive.height
    scene.picture.draw_frame(pixel_buffer(frame, width=width, height=height, **arguments), damage)


def take_over(scene: Scene, frame: bytearray) -> None:
    width = scene.naive.width
    for index in range(len(frame) // 4):
        color = int.from_bytes(frame[4 * index : 4 * index + 3], "little")
        scene.naive.rows[index // width][index % width] = color


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_a_frame_is_shown_whatever_changed_in_it(seed: int) -> None:
    random = Random(seed)
    scene = Scene(150, 100)
    watcher = scene.attach(random.choice(WISHES))
    scene.draw_image(0, 0, 150, 100, seed)
    scene.settle()
    frame = frame_of(scene)
    for _ in range(random.randint(0, 4)):
        rect = random_rect(random, 150, 100)
        for y in range(rect.top, rect.bottom):
            start = 4 * (150 * y + rect.left)
            frame[start : start + 4 * rect.width] = random.randbytes(4) * rect.width
    if random.random() < 0.5:  # scrolled
        shift = random.randint(1, 60) * 600
        frame = frame[shift:] + frame[:shift]
    draw_frame(scene, frame, None)
    take_over(scene, frame)
    scene.settle()
    watcher.names.clear()
    draw_frame(scene, frame, None)
    scene.give(watcher)
    assert watcher.names == [], "a frame without a change was sent"


def test_of_a_frame_only_the_damage_is_looked_at() -> None:
    scene = Scene(40, 30)
    scene.draw_image(0, 0, 40, 30, 1)
    frame = bytearray(b"\1\2\3\0" * 40 * 30)
    draw_frame(scene, frame, [Rect(0, 0, 10, 10), Rect(35, 25, 99, 99), Rect(-5, -5, 2, 2), Rect(7, 7, 7, 9)])
    scene.naive.fill(Rect(0, 0, 10, 10), 0x030201)
    scene.naive.fill(Rect(35, 25, 40, 30), 0x030201)
    scene.attach(WISHES[0])
    scene.settle()
    draw_frame(scene, frame, [])
    scene.settle()
    draw_frame(scene, frame, [Rect(500, 500, 600, 600), Rect(20, 20, 10, 10)])
    scene.settle()


def test_alpha_of_a_frame_is_neither_a_change_nor_drawn() -> None:
    scene = Scene(40, 30)
    frame = bytearray(Random(1).randbytes(4 * 40 * 30))
    draw_frame(scene, frame, None, format="BGRA")
    take_over(scene, frame)
    assert not any(scene.picture.read(Rect(0, 0, 40, 30))[3::4])
    watcher = scene.attach(WISHES[0])
    scene.settle()
    watcher.names.clear()
    frame[3::4] = bytes(40 * 30)
    draw_frame(scene, frame, None, format="BGRA")
    scene.give(watcher)
    assert watcher.names == []


@pytest.mark.parametrize("damage", [None, [Rect(0, 0, 200, 120)], [Rect(0, 0, 90, 120), Rect(90, 0, 200, 120)]])
def test_a_scrolled_frame_goes_out_as_a_copy_and_a_line(damage: list[Rect] | None) -> None:
    random = Random(3)
    scene = Scene(200, 120)
    frame = bytearray(b"".join(random.choice((b"\0\0\0\0", b"\xff\xff\xff\0")) for _ in range(200 * 120)))
    draw_frame(scene, frame, None)
    take_over(scene, frame)
    watcher = scene.attach(WISHES[0])
    scene.settle()
    watcher.names.clear()
    frame = frame[800 * 16 :] + bytearray(b"".join(random.choice((b"\0\0\0\0", b"\7\7\7\0")) for _ in range(200 * 16)))
    draw_frame(scene, frame, damage)
    take_over(scene, frame)
    scene.give(watcher)
    assert set(watcher.names) == {"CopyBits", "DrawCopy"}
    scene.settle()


@pytest.mark.parametrize("name", ["BGRX", "BGRA", "RGBX", "RGBA", "RGB", "BGR"])
def test_a_frame_may_be_of_any_format_and_its_alpha_is_no_change(name: str) -> None:
    scene = Scene(40, 30)
    scene.draw_image(0, 0, 40, 30, 2)
    watcher = scene.attach(WISHES[0])
    scene.settle()
    watcher.names.clear()
    pixels = frame_of(scene)
    letters = {"B": pixels[0::4], "G": pixels[1::4], "R": pixels[2::4], "X": b"\x99" * 1200, "A": b"\x77" * 1200}
    frame = bytearray(len(name) * 1200)
    for index, letter in enumerate(name):
        frame[index :: len(name)] = letters[letter]
    draw_frame(scene, frame, None, format=name)
    scene.give(watcher)
    assert watcher.names == []


def test_a_frame_may_have_gaps_between_its_rows() -> None:
    scene = Scene(40, 30)
    scene.attach(WISHES[0])
    scene.draw_image(0, 0, 40, 30, 4)
    pixels = frame_of(scene)
    spaced = bytearray(b"".join(bytes(pixels[160 * y : 160 * y + 160]) + b"\xee" * 24 for y in range(30)))
    scene.picture.fill(Rect(3, 3, 20, 20), 0)
    draw_frame(scene, spaced, None, stride=184)
    scene.settle()


def test_a_fill_and_a_copy_go_out_as_what_they_are() -> None:
    scene = Scene(40, 30)
    watcher = scene.attach(WISHES[0])
    scene.settle()
    watcher.names.clear()
    scene.fill(Rect(1, 2, 3, 4), 0x123456)
    scene.copy_area(Rect(10, 10, 12, 12), 1, 2)
    scene.picture.credit(1)
    (batch,) = scene.picture.batches()
    fill, copy = (message_of(message) for message in batch.messages)
    assert isinstance(fill, draw.DrawFill)
    assert fill.base.box == Rect(1, 2, 3, 4)
    assert isinstance(copy, draw.CopyBits)
    assert copy.base.box == Rect(10, 10, 12, 12)
    assert tuple(copy.src_position) == (1, 2)
    assert scene.picture.read(Rect(10, 10, 11, 11)) == bytes((0x56, 0x34, 0x12, 0))


def test_reading_returns_packed_rows_and_x_is_zero() -> None:
    scene = Scene(40, 30)
    scene.picture.draw_image(0, 0, pixel_buffer(b"\1\2\3\xff" * 1200, width=40, height=30))
    assert scene.picture.read(Rect(5, 5, 8, 7)) == b"\1\2\3\0" * 6


def bundles_of(scene: Scene) -> dict[int, Bundle]:
    """Give credit to all; return what each is sent."""
    for number in scene.watchers:
        scene.picture.credit(number)
    return {batch.viewer: batch.messages for batch in scene.picture.batches()}


def test_viewers_that_need_the_same_are_sent_the_very_same_messages() -> None:
    scene = Scene(40, 30)
    memory = Memory(400, 0)
    for wishes in (WISHES[0], WISHES[0], WISHES[1]):
        scene.attach(wishes, memory)
    scene.settle()
    scene.draw_image(1, 2, 9, 9, 5)
    scene.copy_area(Rect(20, 10, 24, 14), 1, 2)
    sent = bundles_of(scene)
    assert sent[1] is sent[2]
    assert sent[1] is not sent[3]
    assert len(sent[3]) == 2
    assert bundles_of(scene) == {}, "somebody still lacks something"


def test_viewers_that_lack_something_else_are_sent_messages_of_their_own() -> None:
    scene = Scene(40, 30)
    for _ in range(2):
        scene.attach(WISHES[0], Memory(400, 0))
    scene.settle()
    scene.fill(Rect(0, 0, 5, 5), 7)
    scene.picture.credit(1)
    assert len(list(scene.picture.batches())) == 1
    scene.fill(Rect(5, 5, 9, 9), 8)
    sent = bundles_of(scene)
    assert (len(sent[1]), len(sent[2])) == (1, 2)


def test_messages_that_rely_on_what_a_viewer_keeps_are_for_it_alone() -> None:
    scene = Scene(40, 30)
    memory = Memory(1 << 20, 0)
    scene.attach(WISHES[0], memory)
    for _ in range(3):
        scene.draw_image(1, 1, 20, 20, 6)
        scene.settle()
        scene.fill(Rect(1, 1, 21, 21), 0)
        scene.settle()
    scene.attach(WISHES[0], memory)
    scene.settle()
    scene.draw_image(1, 1, 20, 20, 6)
    sent = bundles_of(scene)
    assert sent[2].size > sent[1].size, "the one that keeps the image was sent it again, or the other one was not"
