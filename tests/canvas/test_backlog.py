"""A viewer that does what its backlog says must end with the picture, however late and in whatever pieces."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spicetrio.canvas import lack as lack_module
from spicetrio.canvas.backlog import MAX_COMMANDS, PRIMARY, Backlog
from spicetrio.canvas.drawings import Drawing
from spicetrio.canvas.region import MAX_RECTS, intersect
from spicetrio.wire.geometry import Rect

WIDTH, HEIGHT = 20, 16
BOUNDS = Rect(0, 0, WIDTH, HEIGHT)
STRIP_PIXELS = 48

Grid = list[list[int]]
Grids = dict[int, Grid]
Command = Callable[[Grids], None]
OFFSCREEN = Rect(0, 0, 9, 7)


@pytest.fixture(autouse=True, scope="module")
def _small_strips() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lack_module, "STRIP_PIXELS", STRIP_PIXELS)
        yield


def image(rect: Rect, surface: int = PRIMARY) -> Drawing:
    return Drawing(surface, (rect,))


def fill(rect: Rect, command: Any, surface: int = PRIMARY) -> Drawing:
    return Drawing(surface, (rect,), command)


def copy(rect: Rect, dx: int, dy: int, command: Any) -> Drawing:
    return Drawing(PRIMARY, (rect,), command, offset=(dx, dy))


def places(rect: Rect) -> list[tuple[int, int]]:
    return [(x, y) for y in range(rect.top, rect.bottom) for x in range(rect.left, rect.right)]


def blurred(value: int) -> int:
    """What a lossy codec leaves of a pixel, which is another one than any that is drawn."""
    return -2 - value


class Scene:
    """Surfaces, a viewer of them, and what it lacks. Each pixel drawn is a new number, so none is right by luck."""

    def __init__(self) -> None:
        self.backlog = Backlog({PRIMARY: BOUNDS})
        self.truth: Grids = {PRIMARY: [[0] * WIDTH for _ in range(HEIGHT)]}
        self.viewer: Grids = {PRIMARY: [[-1] * WIDTH for _ in range(HEIGHT)]}
        self.right_once: set[tuple[int, int]] = set()
        self.bounds = {PRIMARY: BOUNDS}
        self.sent = 0
        self._last = 0
        self._last_surface = 0

    def _new(self) -> int:
        self._last += 1
        return self._last

    def _clipped(self, surface: int, rect: Rect) -> Rect:
        return intersect(rect, self.bounds[surface]) or Rect(0, 0, 1, 1)

    def _do(self, command: Command, drawing: Drawing) -> None:
        command(self.truth)
        self.backlog.take_in(drawing)

    def image(self, rect: Rect, surface: int = PRIMARY) -> None:
        rect = self._clipped(surface, rect)
        for x, y in places(rect):
            self.truth[surface][y][x] = self._new()
        self.backlog.take_in(image(rect, surface))

    def fill(self, rect: Rect, surface: int = PRIMARY) -> None:
        color, rect = self._new(), self._clipped(surface, rect)

        def command(grids: Grids) -> None:
            for x, y in places(rect):
                grids[surface][y][x] = color

        self._do(command, fill(rect, command, surface))

    def mix(self, rect: Rect, surface: int = PRIMARY) -> None:
        """Make new pixels of those that are there."""
        salt, rect = self._new(), self._clipped(surface, rect)

        def command(grids: Grids) -> None:
            for x, y in places(rect):
                grids[surface][y][x] = hash((grids[surface][y][x], salt))

        self._do(command, Drawing(surface, (rect,), command, opaque=False))  # type: ignore[arg-type]

    def copy(self, rect: Rect, src_x: int, src_y: int) -> None:
        def command(grids: Grids) -> None:
            grid = grids[PRIMARY]
            rows = [grid[src_y + row][src_x : src_x + rect.width] for row in range(rect.height)]
            for row, pixels in enumerate(rows):
                grid[rect.top + row][rect.left : rect.right] = pixels

        self._do(command, copy(rect, rect.left - src_x, rect.top - src_y, command))

    def stamp(self, surface: int, x: int, y: int, opaque: bool) -> None:
        """Draw another surface, or mix it with what is there."""
        source = self.bounds[surface]
        rect = Rect(x, y, min(WIDTH, x + source.width), min(HEIGHT, y + source.height))
        source = Rect(0, 0, rect.width, rect.height)

        def command(grids: Grids) -> None:
            for column, row in places(source):
                pixel, grid = grids[surface][row][column], grids[PRIMARY]
                there = grid[y + row][x + column]
                grid[y + row][x + column] = pixel if opaque else hash((pixel, there))

        drawing = Drawing(PRIMARY, (rect,), command, opaque, reads=((surface, source),))  # type: ignore[arg-type]
        self._do(command, drawing)

    def add_surface(self) -> None:
        self._last_surface += 1
        self.bounds[self._last_surface] = OFFSCREEN
        self.truth[self._last_surface] = [[0] * OFFSCREEN.width for _ in range(OFFSCREEN.height)]
        self.backlog.add_surface(self._last_surface, OFFSCREEN)

    def remove_surface(self, surface: int) -> None:
        del self.bounds[surface], self.truth[surface]
        self.backlog.remove_surface(surface)

    def take(self, strips: int, lossy: int = 0) -> list[Rect]:
        """Send all commands and so many strips, of which the first few with losses."""
        sent = self._send(self.backlog, self.viewer, strips, lossy)
        self.right_once |= self._right(self.viewer)
        return sent

    def _send(self, backlog: Backlog, viewer: Grids, strips: int, lossy: int = 0) -> list[Rect]:
        for surface in backlog.take_created():
            assert surface not in viewer, "it is created twice"
            bounds = self.bounds[surface]
            viewer[surface] = [[-1] * bounds.width for _ in range(bounds.height)]
        for command in backlog.take_commands():
            assert command.surface in viewer, "a surface is drawn on before it is created"
            command.operation(viewer)  # type: ignore[misc, operator]
            self.sent += 1
        for surface in backlog.take_destroyed():
            del viewer[surface]
        sent = []
        while len(sent) < strips and (strip := backlog.take_strip() or backlog.take_blurred()):
            number, rect = strip
            bounds = self.bounds[number]
            assert intersect(rect, bounds) == rect
            assert rect.width * rect.height <= max(STRIP_PIXELS, rect.width)
            is_lossy = len(sent) < lossy
            for x, y in places(rect):
                pixel = self.truth[number][y][x]
                viewer[number][y][x] = blurred(pixel) if is_lossy else pixel
            if is_lossy:
                backlog.blur(strip)
            sent.append(rect)
        return sent

    def _right(self, viewer: Grids) -> set[tuple[int, int]]:
        """Return the places that are right but for what was lost."""
        truth = self.truth[PRIMARY]
        return {(x, y) for x, y in places(BOUNDS) if viewer[PRIMARY][y][x] in (truth[y][x], blurred(truth[y][x]))}

    def _exact(self, viewer: Grids) -> set[tuple[int, int]]:
        return {(x, y) for x, y in places(BOUNDS) if viewer[PRIMARY][y][x] == self.truth[PRIMARY][y][x]}

    def check(self) -> None:
        """Everything outside of what would be sent as pixels must be right once the commands are carried out."""
        backlog, viewer = deepcopy(self.backlog), deepcopy(self.viewer)
        self._send(backlog, viewer, 0)
        exact = self._exact(viewer)
        strips = self._send(backlog, viewer, 10_000)
        dirty = {place for strip in strips for place in places(strip)}
        assert len(exact | dirty) >= WIDTH * HEIGHT, "a pixel is wrong and nobody knows"
        assert viewer[PRIMARY] == self.truth[PRIMARY]
        for surface in viewer:
            assert viewer[surface] == self.truth[surface], "another surface is wrong and nobody knows"
        assert not backlog
        assert backlog.complete


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
        st.tuples(st.sampled_from(["image", "fill", "mix"]), rects()),
        st.tuples(st.sampled_from(["image", "fill", "mix"]), rects(), st.integers(1, 3)),
        copies(),
        st.tuples(
            st.just("stamp"), st.integers(1, 3), st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1), st.booleans()
        ),
        st.tuples(st.just("add_surface")),
        st.tuples(st.just("remove_surface"), st.integers(1, 3)),
        st.tuples(st.just("take"), st.integers(0, 5), st.integers(0, 3)),
    ),
    max_size=30,
)


def happens(scene: Scene, name: str, arguments: list[Any]) -> bool:
    """Tell whether the surface that a step names is there."""
    if name in ("stamp", "remove_surface"):
        return arguments[0] in scene.bounds
    return name not in ("image", "fill", "mix") or len(arguments) < 2 or arguments[1] in scene.bounds


@given(steps)
@settings(max_examples=150)
def test_what_is_not_dirty_is_right_after_the_commands_at_every_moment(steps: list[Any]) -> None:
    scene = Scene()
    for name, *arguments in steps:
        if happens(scene, name, arguments):
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
                scene.take(random.randrange(3), random.randrange(3))
            case 4 | 5:
                scene.mix(area)
            case 6 | 7 | 8:
                scene.copy(area, random.randint(0, WIDTH - area.width), random.randint(0, HEIGHT - area.height))
            case _:
                scene.fill(area)
        scene.backlog.complete  # noqa: B018 - it may be asked at any time
    scene.check()
    scene.take(10_000)
    assert scene.viewer[PRIMARY] == scene.truth[PRIMARY]
    assert not scene.backlog
    assert scene.backlog.complete


def test_a_new_viewer_lacks_everything() -> None:
    backlog = Backlog({PRIMARY: BOUNDS})
    assert backlog
    assert not backlog.complete
    assert backlog.take_commands() == []


def test_what_was_filled_is_not_sent_as_pixels() -> None:
    scene = Scene()
    scene.image(BOUNDS)
    scene.fill(BOUNDS)
    assert scene.take(10) == []
    assert scene.viewer[PRIMARY] == scene.truth[PRIMARY]
    assert scene.backlog.complete


def test_a_scroll_of_pixels_that_are_there_sends_only_the_new_line() -> None:
    scene = Scene()
    scene.take(10_000)
    scene.copy(Rect(0, 0, WIDTH, HEIGHT - 1), 0, 1)
    scene.image(Rect(0, HEIGHT - 1, WIDTH, HEIGHT))
    assert scene.take(10) == [Rect(0, HEIGHT - 1, WIDTH, HEIGHT)]
    assert scene.viewer[PRIMARY] == scene.truth[PRIMARY]


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
        scene.mix(Rect(0, 0, 4, 4))
    assert scene.backlog.take_commands() == []
    assert scene.take(10) == [Rect(0, 0, 4, 4)]
    assert scene.viewer[PRIMARY] == scene.truth[PRIMARY]


@pytest.mark.parametrize("kind", ["image", "fill", "copy", "mixed"])
def test_what_waits_is_bounded_however_much_is_drawn(kind: str) -> None:
    bounds = Rect(0, 0, 4000, 4000)
    backlog = Backlog({PRIMARY: bounds})
    random = Random(7)
    command: Any = object()
    for _ in range(3000):
        left, top = random.randrange(3900), random.randrange(3900)
        rect = Rect(left, top, left + random.randint(1, 50), top + random.randint(1, 50))
        match kind if kind != "mixed" else random.choice(["image", "fill", "copy"]):
            case "image":
                backlog.take_in(image(rect))
            case "fill":
                backlog.take_in(fill(rect, command))
            case "copy":
                backlog.take_in(copy(rect, -50, -50, command))
        # A command may cut one rectangle into four; after MAX_COMMANDS of them it is bounded again.
        assert len(backlog._known[PRIMARY].dirty) <= MAX_RECTS + 3 * (MAX_COMMANDS + 1)
        assert len(backlog._commands) <= MAX_COMMANDS


def sends_until(backlog: Backlog, wanted: Callable[[Rect], bool], redraw: Callable[[], None], limit: int) -> int:
    for count in range(1, limit + 1):
        backlog.take_commands()
        strip = backlog.take_strip()
        assert strip is not None
        if wanted(strip.rect):
            return count
        redraw()
    raise AssertionError(f"not sent among {limit} strips")


def test_the_end_of_a_picture_that_changes_all_the_time_is_sent_too() -> None:
    backlog = Backlog({PRIMARY: BOUNDS})
    sends_until(backlog, lambda strip: strip.bottom == HEIGHT, lambda: backlog.take_in(image(BOUNDS)), 20)


def test_a_picture_that_changes_all_the_time_is_complete_some_day() -> None:
    backlog = Backlog({PRIMARY: BOUNDS})
    for _ in range(20):
        backlog.take_strip()
        if backlog.complete:
            return
        backlog.take_in(image(BOUNDS))
    raise AssertionError("it is never shown")


def test_what_changes_all_the_time_does_not_keep_its_neighbours_waiting() -> None:
    film, text = Rect(0, 4, 12, 8), Rect(12, 6, 20, 7)
    backlog = Backlog({PRIMARY: BOUNDS})
    while backlog:
        backlog.take_strip()
    backlog.take_in(image(film))
    backlog.take_in(image(text))
    sends_until(backlog, lambda strip: strip.left >= 12, lambda: backlog.take_in(image(film)), 10)


@given(st.lists(rects(), min_size=1, max_size=6), st.lists(rects(), max_size=4), st.data())
@settings(max_examples=150)
def test_every_pixel_has_its_turn_whatever_changes_meanwhile(
    films: list[Rect], fills: list[Rect], data: st.DataObject
) -> None:
    backlog = Backlog({PRIMARY: BOUNDS})
    x, y = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))

    def redraw() -> None:
        for rect in fills:
            if not (rect.left <= x < rect.right and rect.top <= y < rect.bottom):
                backlog.take_in(fill(rect, command))
        for rect in films:
            backlog.take_in(image(rect))

    command: Any = object()
    sends_until(backlog, lambda strip: strip.left <= x < strip.right and strip.top <= y < strip.bottom, redraw, 150)


def test_what_is_drawn_over_is_never_sent() -> None:
    scene = Scene()
    scene.take(10_000)
    before = scene.sent
    for _ in range(20):
        scene.fill(Rect(2, 2, 6, 6))
        scene.mix(Rect(3, 3, 5, 5))
    scene.fill(Rect(1, 1, 8, 8))
    scene.take(10)
    assert scene.sent == before + 1
    assert scene.viewer[PRIMARY] == scene.truth[PRIMARY]


def test_what_was_copied_away_before_it_is_drawn_over_is_sent() -> None:
    scene = Scene()
    scene.take(10_000)
    scene.fill(Rect(0, 0, 4, 4))
    scene.copy(Rect(10, 10, 14, 14), 0, 0)
    scene.fill(Rect(0, 0, 4, 4))
    assert scene.take(10) == []
    assert scene.viewer[PRIMARY] == scene.truth[PRIMARY]


def test_a_surface_that_is_drawn_from_again_and_again_is_sent_once() -> None:
    scene = Scene()
    scene.take(10_000)
    scene.add_surface()
    scene.image(OFFSCREEN, 1)
    scene.stamp(1, 0, 0, True)
    assert len(scene.take(10_000)) > 1, "the pixels of both"
    for x in range(9):
        scene.stamp(1, x, 3, False)
    assert scene.take(10_000) == [], "only operations"
    assert scene.viewer[PRIMARY] == scene.truth[PRIMARY]


def test_a_surface_that_nothing_is_drawn_from_is_never_sent() -> None:
    scene = Scene()
    scene.add_surface()
    scene.image(OFFSCREEN, 1)
    scene.fill(OFFSCREEN, 1)
    scene.take(10_000)
    assert 1 not in scene.viewer


def test_what_was_lost_is_made_good_when_nothing_else_is_to_be_sent() -> None:
    scene = Scene()
    scene.take(10_000)
    scene.image(Rect(0, 0, 8, 4))
    assert scene.take(1, lossy=1) == [Rect(0, 0, 8, 4)]
    assert scene.viewer[PRIMARY] != scene.truth[PRIMARY]
    assert scene.backlog, "it lacks what was lost"
    scene.image(Rect(9, 9, 12, 12))
    assert scene.take(1) == [Rect(9, 9, 12, 12)], "what is wrong goes before what is blurred"
    assert scene.take(1) == [Rect(0, 0, 8, 4)]
    assert scene.viewer[PRIMARY] == scene.truth[PRIMARY]


def test_a_copy_of_several_areas_takes_all_of_them_before_it_puts_any() -> None:
    scene = Scene()
    scene.take(10_000)
    scene.image(Rect(4, 0, 8, 4))
    areas = (Rect(4, 0, 8, 4), Rect(8, 0, 12, 4))  # the first is where the second comes from

    def command(grids: Grids) -> None:
        before = [row[:] for row in grids[PRIMARY]]
        for area in areas:
            for x, y in places(area):
                grids[PRIMARY][y][x] = before[y][x - 4]

    scene._do(command, Drawing(PRIMARY, areas, command, offset=(4, 0)))  # type: ignore[arg-type]
    scene.check()
