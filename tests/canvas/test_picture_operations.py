"""Operations of all kinds on all surfaces: whatever a viewer is sent, it ends with the picture that the canvas has."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spicetrio.canvas import backlog, lack, picture
from spicetrio.canvas.checks import check
from spicetrio.canvas.exactness import is_exact
from spicetrio.canvas.picture import Picture
from spicetrio.canvas.render import render
from spicetrio.canvas.surface import Surface
from spicetrio.canvas.viewer import Memory, Wishes
from spicetrio.wire import display, draw
from spicetrio.wire.buffer import ReadBuffer
from spicetrio.wire.drawing import DisplayBase
from spicetrio.wire.enums import ImageCompression, SurfaceFormat
from spicetrio.wire.geometry import Rect
from spicetrio.wire.image import Image
from spicetrio.wire.image import Surface as SurfaceImage
from tests.canvas.random_operations import KINDS, RandomOperations
from tests.screen import Screen

WIDTH, HEIGHT = 40, 30


class Scene:
    """A picture, the same surfaces drawn on directly, and viewers."""

    def __init__(self, seed: int) -> None:
        self.picture = Picture(WIDTH, HEIGHT)
        self.truth = {0: Surface(WIDTH, HEIGHT, SurfaceFormat.XRGB32)}
        self.random = Random(seed)
        self.operations = RandomOperations(self.truth, seed)
        self.screens: dict[int, Screen] = {}
        self._last_surface = 0

    def attach(self, **wishes: object) -> Screen:
        number = len(self.screens)
        self.screens[number] = Screen()
        self.picture.attach(number, Wishes(**wishes), Memory(5000, 1 << 20))  # type: ignore[arg-type]
        return self.screens[number]

    def add_surface(self, surface_format: SurfaceFormat) -> int:
        self._last_surface += 1
        self.truth[self._last_surface] = Surface(WIDTH // 2, HEIGHT // 2, surface_format)
        self.picture.add_surface(self._last_surface, Surface(WIDTH // 2, HEIGHT // 2, surface_format))
        return self._last_surface

    def remove_surface(self, number: int) -> None:
        del self.truth[number]
        self.picture.remove_surface(number)

    def draw(self) -> None:
        drawn_on = [number for number, surface in self.truth.items() if surface.format != SurfaceFormat.A1]
        target = 0 if self.random.randrange(3) else self.random.choice(drawn_on)
        operation = self.operations.operation(self.random.choice(KINDS), target)
        check(self.truth, operation)
        render(self.truth, operation)
        self.picture.draw(operation)

    def give(self, number: int) -> None:
        self.picture.credit(number)
        for batch in self.picture.batches():
            for message in batch.messages:
                body = ReadBuffer(b"".join(message.buffers))
                self.screens[batch.viewer].handle(display.SERVER_MESSAGES[message.type].pull(body))

    def settle(self) -> None:
        while hungry := self.picture.hungry():
            for number in hungry:
                self.give(number)
        bounds = Rect(0, 0, WIDTH, HEIGHT)
        assert self.picture.read(bounds) == bytes(self.truth[0].pixels)
        for screen in self.screens.values():
            assert screen.pixels() == bytes(self.truth[0].pixels)


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=60)
def test_every_viewer_ends_with_the_picture_whatever_is_drawn(seed: int, tiny: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if tiny:
            patch.setattr(lack, "STRIP_PIXELS", 90)
            patch.setattr(picture, "BATCH_SIZE", 500)
            patch.setattr(backlog, "MAX_COMMANDS", 5)
        scene = Scene(seed)
        random = scene.random
        for compression in random.sample(list(ImageCompression), 3):
            scene.attach(compression=compression, composite=random.randrange(4) > 0, lz4=True)
        for _ in range(60):
            match random.randrange(12):
                case 0 if len(scene.truth) < 5:
                    scene.add_surface(random.choice(list(SurfaceFormat)))
                case 1 if len(scene.truth) > 1:
                    scene.remove_surface(random.choice([number for number in scene.truth if number]))
                case 2 | 3:
                    scene.give(random.randrange(3))
                case _:
                    scene.draw()
        scene.settle()


@pytest.mark.parametrize("kind", KINDS)
def test_exact_operations_go_out_as_what_they_are_and_others_as_pixels(kind: type) -> None:
    scene = Scene(7)
    screen = scene.attach(composite=True)
    simple = scene.attach(composite=False)
    scene.draw()
    scene.settle()
    native = pixels = 0
    for _ in range(60):
        screen.counts.clear()
        simple.counts.clear()
        operation = scene.operations.operation(kind)
        exact = is_exact(scene.truth, operation)
        render(scene.truth, operation)
        scene.picture.draw(operation)
        scene.settle()
        if exact:
            native += screen.counts.get(kind.__name__, 0)
        elif kind not in (draw.DrawCopy, draw.DrawFill):
            assert kind.__name__ not in screen.counts
            pixels += 1
        if kind not in (draw.DrawCopy, draw.DrawFill, draw.CopyBits):
            assert kind.__name__ not in simple.counts, "a viewer that may not know it was sent it"
    assert native or kind is draw.DrawStroke


def test_what_is_drawn_from_a_surface_again_costs_no_pixels() -> None:
    scene = Scene(1)
    screen = scene.attach(composite=True)
    number = scene.add_surface(SurfaceFormat.XRGB32)
    for _ in range(5):
        operation = scene.operations.operation(draw.DrawCopy, number)
        render(scene.truth, operation)
        scene.picture.draw(operation)
    area = scene.truth[number].bounds

    def stamp(x: int, y: int) -> None:
        image = Image(0, 0, area.width, area.height, SurfaceImage(number))
        base = DisplayBase(0, Rect(x, y, x + area.width, y + area.height))
        operation = draw.DrawCopy(base, image, area)
        render(scene.truth, operation)
        scene.picture.draw(operation)
        scene.settle()

    scene.settle()
    assert number not in screen.surfaces, "nobody needed it"
    stamp(0, 0)
    assert number in screen.surfaces
    screen.counts.clear()
    for x in range(1, 9):
        stamp(x, x)
    assert screen.counts == {"DrawCopy": 8, "Surface": 8}
    scene.remove_surface(number)
    scene.settle()
    assert number not in screen.surfaces


def test_an_operation_that_a_resize_has_overtaken_is_not_drawn() -> None:
    scene = Scene(2)
    scene.attach(composite=True)
    scene.picture.resize(10, 10)
    scene.truth[0] = Surface(10, 10, SurfaceFormat.XRGB32)
    base = DisplayBase(0, Rect(5, 5, 20, 20))
    scene.picture.draw(draw.DrawWhiteness(base))
    assert scene.picture.read(Rect(0, 0, 10, 10)) == bytes(400)
