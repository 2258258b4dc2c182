"""Images are made as each viewer wishes, are never larger than raw, and carry the pixels of their area."""

from __future__ import annotations

import random

import pytest

from spicetrio.canvas import encoder as encoder_module
from spicetrio.canvas.backlog import Backlog
from spicetrio.canvas.choice import SMALLEST_COMPRESSED
from spicetrio.canvas.drawings import Drawing, Drawings
from spicetrio.canvas.encoder import Encoder, Made
from spicetrio.canvas.graduality import Graduality
from spicetrio.canvas.operations import Operation
from spicetrio.canvas.surface import Surface
from spicetrio.canvas.viewer import Memory, Viewer, Wishes
from spicetrio.wire import display
from spicetrio.wire.buffer import Marshalled, Message, ReadBuffer
from spicetrio.wire.draw import DrawCopy, DrawFill
from spicetrio.wire.drawing import DisplayBase, Pattern
from spicetrio.wire.enums import BitmapFlags, BitmapFormat, ImageCompression, SurfaceFlags, SurfaceFormat
from spicetrio.wire.geometry import Point, Rect
from spicetrio.wire.image import Bitmap, Image, Palette
from tests.screen import Screen

WIDTH, HEIGHT = 64, 48
WHOLE, PART = Rect(0, 0, WIDTH, HEIGHT), Rect(5, 7, 40, 30)
RECTS = [WHOLE, PART, Rect(3, 4, 4, 5), Rect(0, 47, 64, 48), Rect(63, 0, 64, 48)]


def surface_of(pixels: bytes, surface_format: SurfaceFormat = SurfaceFormat.XRGB32) -> Surface:
    surface = Surface(WIDTH, HEIGHT, surface_format)
    surface.pixels[:] = pixels
    return surface


NOISE = random.Random(1).randbytes(4 * WIDTH * HEIGHT)
TEXT = random.Random(2).choices([b"\0\0\0\0", b"\xff\xff\xff\0"], k=WIDTH * HEIGHT)
FLAT = bytes(4 * WIDTH * HEIGHT)
SURFACES = {"noise": NOISE, "text": b"".join(TEXT), "flat": FLAT}


def viewer_of(memory: Memory = Memory(0, 1 << 20), **wishes: object) -> Viewer:  # noqa: B008
    reader = Drawings().open(Backlog({0: WHOLE}))
    return Viewer(Wishes(**wishes), reader, memory)  # type: ignore[arg-type]


def message_of(marshalled: Marshalled) -> Message:
    return display.SERVER_MESSAGES[marshalled.type].pull(ReadBuffer(b"".join(marshalled.buffers)))


def shown(made: Made, surface_format: SurfaceFormat = SurfaceFormat.XRGB32) -> Screen:
    screen = Screen()
    screen.handle(display.SurfaceCreate(0, WIDTH, HEIGHT, surface_format, SurfaceFlags.PRIMARY))
    for message in made.messages:
        screen.handle(message_of(message))
    return screen


def area_of(pixels: bytes | bytearray, rect: Rect, *, alpha: bool = False) -> bytes:
    rows = b"".join(
        bytes(pixels[4 * (y * WIDTH + rect.left) : 4 * (y * WIDTH + rect.right)]) for y in range(rect.top, rect.bottom)
    )
    if alpha:
        return rows
    cleared = bytearray(rows)
    cleared[3::4] = bytes(len(rows) // 4)
    return bytes(cleared)


@pytest.mark.parametrize("compression", list(ImageCompression))
@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize("rect", RECTS)
def test_a_strip_carries_the_pixels_of_its_area(name: str, rect: Rect, compression: ImageCompression) -> None:
    surface, viewer = surface_of(SURFACES[name]), viewer_of(compression=compression, lz4=True)
    made = Encoder(0).strip(0, surface, rect, viewer, lossless=False, share=False)
    screen = shown(made)
    assert area_of(screen.pixels(), rect) == area_of(surface.pixels, rect)
    assert not made.lossy
    assert made.size <= 4 * rect.width * rect.height + 128


@pytest.mark.parametrize("compression", [ImageCompression.OFF, ImageCompression.LZ, ImageCompression.AUTO_GLZ])
@pytest.mark.parametrize("rect", RECTS)
def test_a_strip_of_a_surface_with_alpha_carries_it(rect: Rect, compression: ImageCompression) -> None:
    surface = surface_of(NOISE, SurfaceFormat.ARGB32)
    made = Encoder(0).strip(0, surface, rect, viewer_of(compression=compression), lossless=True, share=False)
    screen = shown(made, SurfaceFormat.ARGB32)
    assert area_of(screen.pixels(), rect, alpha=True) == area_of(surface.pixels, rect, alpha=True)


def test_how_gradual_an_area_is_is_looked_at_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []
    monkeypatch.setattr(encoder_module, "graduality", lambda *area: looked.append(area) or Graduality.LOW)
    encoder, surface = Encoder(0), surface_of(NOISE)
    for compression in (ImageCompression.LZ, ImageCompression.AUTO_LZ, ImageCompression.AUTO_GLZ):
        encoder.strip(0, surface, PART, viewer_of(compression=compression), lossless=False, share=True)
    assert len(looked) == 1
    encoder.changed(0, PART)
    encoder.strip(0, surface, PART, viewer_of(compression=ImageCompression.AUTO_LZ), lossless=False, share=True)
    assert len(looked) == 2


def test_an_area_of_one_color_is_a_fill() -> None:
    surface = surface_of(b"\x33\x66\x99\0" * (WIDTH * HEIGHT))
    made = Encoder(0).strip(0, surface, PART, viewer_of(), lossless=False, share=False)
    message = message_of(made.messages[0])
    assert isinstance(message, DrawFill)
    assert message.base == DisplayBase(0, PART)
    assert made.size < 100


def test_what_would_not_become_smaller_is_sent_raw() -> None:
    for compression in (ImageCompression.LZ, ImageCompression.LZ4, ImageCompression.QUIC, ImageCompression.GLZ):
        viewer = viewer_of(compression=compression, lz4=True)
        made = Encoder(0).strip(0, surface_of(NOISE), WHOLE, viewer, lossless=False, share=False)
        assert made.size <= 4 * WIDTH * HEIGHT + 128


def test_tiny_areas_are_not_compressed() -> None:
    rect = Rect(0, 0, SMALLEST_COMPRESSED // 4, 1)
    made = Encoder(0).strip(0, surface_of(SURFACES["text"]), rect, viewer_of(), lossless=False, share=False)
    assert shown(made).counts["Bitmap"] == 1


def test_what_was_shared_is_made_again_once_its_area_has_changed() -> None:
    encoder, surface = Encoder(0), surface_of(SURFACES["text"])
    first = encoder.strip(0, surface, PART, viewer_of(), lossless=False, share=True)
    assert encoder.strip(0, surface, PART, viewer_of(), lossless=False, share=True) is first
    surface.pixels[4 * (10 * WIDTH + 10)] ^= 0x40
    encoder.changed(0, Rect(10, 10, 11, 11))
    again = encoder.strip(0, surface, PART, viewer_of(), lossless=False, share=True)
    assert area_of(shown(again).pixels(), PART) == area_of(surface.pixels, PART)


def test_ids_of_images_differ_between_displays_and_between_images() -> None:
    ids = set()
    for number in (0, 1, 255):
        encoder, viewer = Encoder(number), viewer_of(Memory(images=1 << 20), compression=ImageCompression.LZ)
        for _ in range(3):
            made = encoder.strip(0, surface_of(SURFACES["text"]), WHOLE, viewer, lossless=False, share=False)
            message = message_of(made.messages[-1])
            assert isinstance(message, DrawCopy)
            ids.add(message.src.id)
    assert len(ids) == 2 * 3, "of each display one for an image that is new, and one for that which comes again"


def palette_image(unique: int) -> Image:
    palette = Palette(unique, tuple(range(unique, unique + 256)))
    bitmap = Bitmap(BitmapFormat.BIT8, BitmapFlags.TOP_DOWN, 32, 32, 32, palette, bytes(range(32)) * 32)
    return Image(1, 0, 32, 32, bitmap)


def operation_of(image: Image) -> Operation:
    return DrawFill(DisplayBase(0, PART), Pattern(image, Point(0, 0)))


@pytest.mark.parametrize("compression", [ImageCompression.OFF, ImageCompression.LZ])
def test_a_palette_is_sent_once_as_long_as_the_viewer_keeps_it(compression: ImageCompression) -> None:
    encoder, viewer, screen = Encoder(0), viewer_of(compression=compression), Screen()
    screen.handle(display.SurfaceCreate(0, WIDTH, HEIGHT, SurfaceFormat.XRGB32, SurfaceFlags.PRIMARY))
    sizes = []
    for unique in (1, 1, 2, 1, *range(3, 140), 1, 2, 1):
        operation = operation_of(palette_image(unique))
        messages = encoder.operation(Drawing(0, (PART,), operation), viewer).messages
        sizes.append(messages[-1].size)
        for message in messages:
            screen.handle(message_of(message))
        assert len(screen.palettes) <= 128
    assert sizes[1] < sizes[0] - 1000
    assert sizes[3] < sizes[2] - 1000
    assert screen.counts["InvalPalette"] > 0


def test_an_operation_is_made_once_for_viewers_that_want_it_alike() -> None:
    encoder, drawing = Encoder(0), Drawing(0, (PART,), operation_of(palette_image(0)))
    first = encoder.operation(drawing, viewer_of()).messages
    assert encoder.operation(drawing, viewer_of()).messages[-1] is first[-1]
    raw = encoder.operation(drawing, viewer_of(compression=ImageCompression.OFF)).messages[-1]
    assert raw is not first[-1]
    assert first[-1].size < raw.size
