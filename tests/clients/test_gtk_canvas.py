"""Whether spice-gtk makes of drawing operations what the library's canvas makes of them, pixel by pixel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import spicetrio
from spicetrio.canvas.checks import check
from spicetrio.canvas.exactness import is_exact
from spicetrio.canvas.operations import Operation
from spicetrio.canvas.render import render
from spicetrio.canvas.surface import Surface
from spicetrio.wire import draw
from spicetrio.wire.display import SurfaceCreate
from spicetrio.wire.drawing import DisplayBase, LineAttr, Path, PathSegment, Solid
from spicetrio.wire.enums import BitmapFormat, PathFlags, SurfaceFlags, SurfaceFormat
from spicetrio.wire.geometry import PointFix, Rect
from spicetrio.wire.image import Image
from spicetrio.wire.image import Surface as SurfaceImage
from tests.canvas.random_operations import KINDS, RandomOperations

from .gtk import GtkClient, OpenGtk, Picture

BATCH = 10
WIDTH, HEIGHT = 100, 70
GREY = 0x808080

kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


class Canvas:
    """A viewer's surfaces, and our own."""

    def __init__(self, display: spicetrio.Display, viewer: GtkClient) -> None:
        self.writer = display.clients[0].writer
        self.viewer = viewer
        self.surfaces = {0: Surface(WIDTH, HEIGHT, SurfaceFormat.XRGB32)}
        self.operations = RandomOperations(self.surfaces, seed=5)

    def create(self, surface_id: int, width: int, height: int, surface_format: SurfaceFormat) -> None:
        self.surfaces[surface_id] = Surface(width, height, surface_format)
        self.writer.post(SurfaceCreate(surface_id, width, height, surface_format, SurfaceFlags.NONE))

    def draw(self, operation: Operation) -> None:
        check(self.surfaces, operation)
        render(self.surfaces, operation)
        self.writer.post(operation)

    def cover(self, surface_id: int) -> None:
        """Draw noise all over a surface."""
        surface = self.surfaces[surface_id]
        has_alpha = surface.format is SurfaceFormat.ARGB32
        self.operations.target = surface
        formats = (BitmapFormat.RGBA if has_alpha else BitmapFormat.BIT32,)
        image = self.operations.bitmap(surface.width, surface.height, formats)
        self.draw(draw.DrawCopy(DisplayBase(surface_id, surface.bounds), image, surface.bounds))

    def exact(self, kind: type, surface_id: int) -> Operation:
        """A random operation that every viewer is said to render as we do."""
        while True:
            operation = self.operations.operation(kind, surface_id)
            if is_exact(self.surfaces, operation):
                return operation

    def show(self, surface_id: int) -> None:
        """Draw a surface's colors on the left of the primary one, and on the right what its alpha makes of gray."""
        surface = self.surfaces[surface_id]
        image = Image(0, 0, surface.width, surface.height, SurfaceImage(surface_id))
        right = Rect(WIDTH - surface.width, 0, WIDTH, surface.height)
        self.draw(draw.DrawCopy(DisplayBase(0, surface.bounds), image, surface.bounds))
        self.draw(draw.DrawFill(DisplayBase(0, right), Solid(GREY)))
        self.draw(draw.DrawAlphaBlend(DisplayBase(0, right), 0, 255, image, surface.bounds))

    async def wait_equal(self) -> None:
        await self.viewer.wait_equal(Picture(WIDTH, HEIGHT, bytes(self.surfaces[0].pixels)))


@asynccontextmanager
async def open_canvas(gtk: OpenGtk) -> AsyncIterator[Canvas]:
    """A canvas of a viewer, with noise on a primary surface and three others."""
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_display(WIDTH, HEIGHT) as display,
        gtk(server.addresses[0], channels=["display"]) as viewer,
    ):
        canvas = Canvas(display, viewer)
        canvas.create(1, 33, 21, SurfaceFormat.ARGB32)
        canvas.create(2, 60, 60, SurfaceFormat.XRGB32)
        canvas.create(3, 50, 40, SurfaceFormat.ARGB32)
        for surface_id in canvas.surfaces:
            canvas.cover(surface_id)
        await canvas.wait_equal()
        yield canvas


@kinds
async def test_a_viewer_draws_what_we_draw(gtk: OpenGtk, kind: type) -> None:
    async with open_canvas(gtk) as canvas:
        for _ in range(8):
            for _ in range(BATCH):
                canvas.draw(canvas.exact(kind, 0))
            await canvas.wait_equal()
        for _ in range(4):
            for _ in range(BATCH):
                canvas.draw(canvas.exact(kind, 3))
            canvas.show(3)
            await canvas.wait_equal()


async def test_a_viewer_draws_all_kinds_in_turn_as_we_do(gtk: OpenGtk) -> None:
    async with open_canvas(gtk) as canvas:
        for _ in range(20):
            for kind in KINDS:
                canvas.draw(canvas.exact(kind, canvas.operations.random.choice((0, 0, 1, 2, 3))))
            await canvas.wait_equal()
        for surface_id in (1, 3):
            canvas.show(surface_id)
            await canvas.wait_equal()


async def test_a_viewer_draws_long_lines_from_outside_as_we_do(gtk: OpenGtk) -> None:
    async with open_canvas(gtk) as canvas:
        numbers = canvas.operations.random
        for _ in range(5):
            for _ in range(BATCH):
                places = (numbers.randint(-16000, 16000) for _ in range(8))
                points = tuple(PointFix(x, y) for x, y in zip(places, places, strict=False))
                path = Path((PathSegment(PathFlags.BEGIN | PathFlags.END, points),))
                base = DisplayBase(0, canvas.surfaces[0].bounds)
                canvas.draw(draw.DrawStroke(base, path, LineAttr(), Solid(numbers.randrange(1 << 24))))
            await canvas.wait_equal()
