"""A viewer that does what its backlog says must end with the picture, however late and in whatever pieces."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spicetrio.canvas import backlog as backlog_module
from spicetrio.canvas.backlog import MAX_COMMANDS, Backlog
from spicetrio.canvas.region import MAX_RECTS
from spicetrio.wire.geometry import Rect

WIDTH, HEIGHT = 20, 16
BOUNDS = Rect(0, 0, WIDTH, HEIGHT)
STRIP_PIXELS = 48

Grid = list[list[int]]
Command = Callable[[Grid], None]


@pytest.fixture(autouse=True, scope="module")
def _small_strips() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backlog_module, "STRIP_PIXELS", STRIP_PIXELS)
        yield


class Scene:
    """A picture, a viewer of it, and what it lacks. Each pixel drawn is a new number, so none is right by luck."""

    def __init__(self) -> None:
        self.backlog = Backlog(BOUNDS)
        self.truth: Grid = [[0] * WIDTH for _ in range(HEIGHT)]
        self.viewer: Grid = [[-1] * WIDTH for _ in range(HEIGHT)]
        self.right_once: set[tuple[int, int]] = set()
        self._last = 0

    def _new(self) -> int:
        self._last += 1
        return self._last

    def image(self, rect: Rect) -> None:
        for y in range(rect.top, rect.bottom):
            for x in range(rect.left, rect.right):
                self.truth[y][x] = self._new()
        self.backlog.image(rect)

    def fill(self, rect: Rect) -> None:
        color = self._new()

        def command(grid: Grid) -> None:
            for y in range(rect.top, rect.bottom):
                grid[y][rect.left : rect.right] = [color] * rect.width

        command(self.truth)
        self.backlog.fill(rect, command)  # type: ignore[arg-type]

    def copy(self, rect: Rect, src_x: int, src_y: int) -> None:
        def command(grid: Grid) -> None:
            rows = [grid[src_y + row][src_x : src_x + rect.width] for row in range(rect.height)]
            for row, pixels in enumerate(rows):
                grid[rect.top + row][rect.left : rect.right] = pixels

        command(self.truth)
        self.backlog.copy(rect, rect.left - src_x, rect.top - src_y, command)  # type: ignore[arg-type]

    def take(self, strips: int) -> list[Rect]:
        """Send all commands and so many strips."""
        sent = self._send(self.backlog, self.viewer, strips)
        self.right_once |= self._right(self.viewer)
        return sent

    def _send(self, backlog: Backlog, viewer: Grid, strips: int) -> list[Rect]:
        for command in backlog.take_commands():
            command(viewer)  # type: ignore[operator]
        sent = []
        while len(sent) < strips and (strip := backlog.take_strip()):
            assert 0 <= strip.left < strip.right <= WIDTH
            assert 0 <= strip.top < strip.bottom <= HEIGHT
            assert strip.width * strip.height <= max(STRIP_PIXELS, strip.width)
            sent.append(strip)
            for y in range(strip.top, strip.bottom):
                viewer[y][strip.left : strip.right] = self.truth[y][strip.left : strip.right]
        return sent

    def _right(self, viewer: Grid) -> set[tuple[int, int]]:
        return {(x, y) for y in range(HEIGHT) for x in range(WIDTH) if viewer[y][x] == self.truth[y][x]}

    def check(self) -> None:
        """Everything outside of what would be sent as pixels must be right once the commands are carried out."""
        backlog, viewer = deepcopy(self.backlog), deepcopy(self.viewer)
        self._send(backlog, viewer, 0)
        right = self._right(viewer)
        strips = self._send(backlog, viewer, 10_000)
        dirty = {(x, y) for strip in strips for y in range(*strip[1::2]) for x in range(*strip[0::2])}
        assert len(right | dirty) == WIDTH * HEIGHT, "a pixel is wrong and nobody knows"
        assert len(self._right(viewer)) == WIDTH * HEIGHT
        assert not backlog
        assert backlog.complete
        assert bool(self.backlog) == bool(strips or deepcopy(self.backlog).take_commands())


@st.composite
def rects(draw: st.DrawFn) -> Rect:
    left, top = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
    return Rect(left, top, draw(st.integers(left + 1, WIDTH)), draw(st.integers(top + 1, HEIGHT)))


@st.composite
def copies(draw: st.DrawFn) -> tuple[str, Rect, int, int]:
    rect = draw(rects())
    src_x = draw(st.integers(0, WIDTH - rect.width))
    src_y = draw(st.integers(0, HEIGHT - rect.height))
    return "copy", rect, src_x, src_y


steps = st.lists(
    st.one_of(
        st.tuples(st.just("image"), rects()),
        st.tuples(st.just("fill"), rects()),
        copies(),
        st.tuples(st.just("take"), st.integers(0, 5)),
    ),
    max_size=30,
)


@given(steps)
@settings(max_examples=150)
def test_what_is_not_dirty_is_right_after_the_commands_at_every_moment(steps: list[Any]) -> None:
    scene = Scene()
    for name, *arguments in steps:
        getattr(scene, name)(*arguments)
        scene.check()
        if name == "take" and scene.backlog.complete:
            assert len(scene.right_once) == WIDTH * HEIGHT, "it is shown before it was all there"


@given(st.integers(0, 2**32))
@settings(max_examples=15)
def test_a_viewer_that_takes_now_and_then_ends_with_the_picture(seed: int) -> None:
    random = Random(seed)
    scene = Scene()

    def rect() -> Rect:
        left, top = random.randrange(WIDTH), random.randrange(HEIGHT)
        return Rect(left, top, random.randint(left + 1, WIDTH), random.randint(top + 1, HEIGHT))

    for _ in range(6 * MAX_COMMANDS):  # commands overflow several times
        area = rect()
        match random.randrange(20):
            case 0 | 1 | 2:
                scene.image(area)
            case 3:
                scene.take(random.randrange(3))
            case 4 | 5 | 6 | 7 | 8:
                scene.copy(area, random.randint(0, WIDTH - area.width), random.randint(0, HEIGHT - area.height))
            case _:
                scene.fill(area)
        scene.backlog.complete  # noqa: B018 - it may be asked at any time
    scene.check()
    scene.take(10_000)
    assert scene.viewer == scene.truth
    assert not scene.backlog
    assert scene.backlog.complete


def test_a_new_viewer_lacks_everything() -> None:
    backlog = Backlog(BOUNDS)
    assert backlog
    assert not backlog.complete
    assert backlog.take_commands() == []


def test_what_was_filled_is_not_sent_as_pixels() -> None:
    scene = Scene()
    scene.image(BOUNDS)
    scene.fill(BOUNDS)
    assert scene.take(10) == []
    assert scene.viewer == scene.truth
    assert scene.backlog.complete


def test_a_scroll_of_pixels_that_are_there_sends_only_the_new_line() -> None:
    scene = Scene()
    scene.take(10_000)
    scene.copy(Rect(0, 0, WIDTH, HEIGHT - 1), 0, 1)
    scene.image(Rect(0, HEIGHT - 1, WIDTH, HEIGHT))
    assert scene.take(10) == [Rect(0, HEIGHT - 1, WIDTH, HEIGHT)]
    assert scene.viewer == scene.truth


def test_a_copy_of_what_the_viewer_lacks_is_no_command() -> None:
    scene = Scene()
    scene.take(10_000)
    scene.image(Rect(0, 0, 4, 4))
    scene.copy(Rect(8, 8, 12, 12), 0, 0)
    assert scene.backlog.take_commands() == []


def test_too_many_commands_become_pixels_and_are_sent_once() -> None:
    scene = Scene()
    scene.take(10_000)
    for _ in range(MAX_COMMANDS + 1):
        scene.fill(Rect(0, 0, 4, 4))
    assert scene.backlog.take_commands() == []
    assert scene.take(10) == [Rect(0, 0, 4, 4)]
    assert scene.viewer == scene.truth


@pytest.mark.parametrize("kind", ["image", "fill", "copy", "mixed"])
def test_what_waits_is_bounded_however_much_is_drawn(kind: str) -> None:
    bounds = Rect(0, 0, 4000, 4000)
    backlog = Backlog(bounds)
    random = Random(7)
    command: Any = object()
    for _ in range(3000):
        left, top = random.randrange(3900), random.randrange(3900)
        rect = Rect(left, top, left + random.randint(1, 50), top + random.randint(1, 50))
        match kind if kind != "mixed" else random.choice(["image", "fill", "copy"]):
            case "image":
                backlog.image(rect)
            case "fill":
                backlog.fill(rect, command)
            case "copy":
                backlog.copy(rect, -50, -50, command)
        # A command may cut one rectangle into four; after MAX_COMMANDS of them it is bounded again.
        assert len(backlog._dirty) <= MAX_RECTS + 3 * (MAX_COMMANDS + 1)
        assert len(backlog._commands) <= MAX_COMMANDS


def sends_until(backlog: Backlog, wanted: Callable[[Rect], bool], redraw: Callable[[], None], limit: int) -> int:
    for count in range(1, limit + 1):
        backlog.take_commands()
        strip = backlog.take_strip()
        assert strip is not None
        if wanted(strip):
            return count
        redraw()
    raise AssertionError(f"not sent among {limit} strips")


def test_the_end_of_a_picture_that_changes_all_the_time_is_sent_too() -> None:
    backlog = Backlog(BOUNDS)
    sends_until(backlog, lambda strip: strip.bottom == HEIGHT, lambda: backlog.image(BOUNDS), 20)


def test_a_picture_that_changes_all_the_time_is_complete_some_day() -> None:
    backlog = Backlog(BOUNDS)
    for _ in range(20):
        backlog.take_strip()
        if backlog.complete:
            return
        backlog.image(BOUNDS)
    raise AssertionError("it is never shown")


def test_what_changes_all_the_time_does_not_keep_its_neighbours_waiting() -> None:
    film, text = Rect(0, 4, 12, 8), Rect(12, 6, 20, 7)
    backlog = Backlog(BOUNDS)
    while backlog:
        backlog.take_strip()
    backlog.image(film)
    backlog.image(text)
    sends_until(backlog, lambda strip: strip.left >= 12, lambda: backlog.image(film), 10)


@given(st.lists(rects(), min_size=1, max_size=6), st.lists(rects(), max_size=4), st.data())
@settings(max_examples=150)
def test_every_pixel_has_its_turn_whatever_changes_meanwhile(
    films: list[Rect], fills: list[Rect], data: st.DataObject
) -> None:
    backlog = Backlog(BOUNDS)
    x, y = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))

    def redraw() -> None:
        for rect in fills:
            if not (rect.left <= x < rect.right and rect.top <= y < rect.bottom):
                backlog.fill(rect, command)
        for rect in films:
            backlog.image(rect)

    command: Any = object()
    sends_until(backlog, lambda strip: strip.left <= x < strip.right and strip.top <= y < strip.bottom, redraw, 150)
