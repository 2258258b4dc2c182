from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spicetrio.canvas import composite, coverage, formats, mixing, rops, sampling
from spicetrio.canvas.checks import check
from spicetrio.canvas.operations import is_opaque, read, written
from spicetrio.canvas.render import render
from spicetrio.canvas.surface import BITS, Surface
from spicetrio.wire import draw
from spicetrio.wire.drawing import DisplayBase, QMask, Solid
from spicetrio.wire.enums import BitmapFlags, BitmapFormat, Ropd, SurfaceFormat
from spicetrio.wire.geometry import Point, Rect
from spicetrio.wire.image import Bitmap, Image, Palette
from spicetrio.wire.image import Surface as SurfaceImage
from tests.canvas.random_operations import KINDS, RandomOperations
from tests.canvas.reference import Reference
from tests.kernels import uncompiled

SEEDS = st.integers(0, 1 << 32)
FORMATS = [one for one in SurfaceFormat if one is not SurfaceFormat.A1]
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def make_surfaces(seed: int, target: SurfaceFormat) -> dict[int, Surface]:
    """Surfaces with noise on them: 0 is of one format, the others of all."""
    numbers = np.random.default_rng(seed)
    surfaces = {0: Surface(30, 20, target)}
    for index, surface_format in enumerate(FORMATS, 1):
        surfaces[index] = Surface(13 + index, 9 + index, surface_format)
    for surface in surfaces.values():
        pixels = numbers.integers(0, 256, len(surface.pixels), np.uint8)
        if surface.format is SurfaceFormat.XRGB32:
            pixels[3::4] = 0
        elif surface.format is SurfaceFormat.ARGB32:
            pixels[3::4] = pixels.reshape(-1, 4).max(axis=1)
        surface.pixels[:] = pixels.tobytes()
    return surfaces


def make_operation(kind: type, surfaces: dict[int, Surface], seed: int) -> draw.Message:
    operation = RandomOperations(surfaces, seed).operation(kind)
    check(surfaces, operation)
    return operation


def array(surface: Surface) -> np.ndarray:
    """The pixels, to be looked at and changed."""
    return np.frombuffer(surface.pixels, np.uint8).reshape(surface.height, surface.width, 4)


@kinds
@pytest.mark.parametrize("target", [SurfaceFormat.XRGB32, SurfaceFormat.ARGB32])
@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_operations_do_what_a_plain_reference_does(kind: type, target: SurfaceFormat, seed: int) -> None:
    surfaces = make_surfaces(seed, target)
    operation = make_operation(kind, surfaces, seed)
    if kind is draw.DrawComposite and operation.operator > composite.SATURATE:
        return
    wide = {number: surface for number, surface in surfaces.items() if BITS[surface.format] == 32}
    reference = Reference(
        {number: array(surface).copy() for number, surface in wide.items()},
        {number: surface.format for number, surface in wide.items()},
    )
    reference.render(operation)
    render(surfaces, operation)
    for number, surface in wide.items():
        assert np.array_equal(array(surface), reference.arrays[number]), operation


@kinds
@pytest.mark.parametrize("target", FORMATS)
@given(seed=SEEDS)
@settings(max_examples=8, deadline=None)
def test_nothing_changes_outside_what_is_written(kind: type, target: SurfaceFormat, seed: int) -> None:
    surfaces = make_surfaces(seed, target)
    operation = make_operation(kind, surfaces, seed)
    before = {number: bytes(surface.pixels) for number, surface in surfaces.items()}
    render(surfaces, operation)
    changed = np.frombuffer(before[0], np.uint8) != np.frombuffer(surfaces[0].pixels, np.uint8)
    changed = changed.reshape(surfaces[0].height, -1)
    depth = surfaces[0].depth
    for rect in written(operation):
        changed[rect.top : rect.bottom, rect.left * depth : rect.right * depth] = False
    assert not changed.any()
    assert all(surfaces[number].pixels == before[number] for number in surfaces if number)


@kinds
@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_what_is_opaque_does_not_depend_on_what_was_there(kind: type, seed: int) -> None:
    surfaces, others = make_surfaces(seed, SurfaceFormat.XRGB32), make_surfaces(seed, SurfaceFormat.XRGB32)
    operation = make_operation(kind, surfaces, seed)
    if not is_opaque(operation):
        return
    there = np.zeros(array(surfaces[0]).shape[:2], bool)
    for rect in written(operation):
        there[rect.top : rect.bottom, rect.left : rect.right] = True
    for number, rect in read(operation):
        if number == 0:
            there[rect.top : rect.bottom, rect.left : rect.right] = False
    array(others[0])[there] = array(others[0])[there] ^ (255, 255, 255, 0)
    render(surfaces, operation)
    render(others, operation)
    for rect in written(operation):
        area = np.s_[rect.top : rect.bottom, rect.left : rect.right]
        assert np.array_equal(array(surfaces[0])[area], array(others[0])[area])


@kinds
@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_of_surfaces_only_what_is_read_has_any_effect(kind: type, seed: int) -> None:
    surfaces, others = make_surfaces(seed, SurfaceFormat.ARGB32), make_surfaces(seed, SurfaceFormat.ARGB32)
    operation = make_operation(kind, surfaces, seed)
    for number, surface in others.items():
        if number and BITS[surface.format] == 32:
            needed = np.zeros(array(surface).shape[:2], bool)
            for _, rect in (one for one in read(operation) if one[0] == number):
                needed[rect.top : rect.bottom, rect.left : rect.right] = True
            array(surface)[~needed] = 0
    render(surfaces, operation)
    render(others, operation)
    assert surfaces[0].pixels == others[0].pixels


@kinds
@pytest.mark.parametrize("target", FORMATS)
def test_compiled_kernels_do_what_they_do_uncompiled(
    kind: type, target: SurfaceFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    surfaces, others = make_surfaces(1, target), make_surfaces(1, target)
    operations = [make_operation(kind, surfaces, seed) for seed in range(6)]
    for operation in operations:
        render(surfaces, operation)
    for module, names in (
        (composite, ["composite"]),
        (mixing, ["mix"]),
        (coverage, ["bits", "differs", "add_glyph", "add_line"]),
        (formats, ["unpack", "pack"]),
        (rops, ["rop3"]),
        (sampling, ["sample"]),
    ):
        pure = uncompiled(module.__name__.removeprefix("spicetrio."))
        for name in names:
            monkeypatch.setattr(module, name, getattr(pure, name))
    for operation in operations:
        render(others, operation)
    assert all(surfaces[number].pixels == others[number].pixels for number in surfaces)


@pytest.mark.parametrize("target", [SurfaceFormat.XRGB1555, SurfaceFormat.RGB565])
@given(seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_surfaces_of_16_bits_get_the_high_bits_of_what_is_drawn(target: SurfaceFormat, seed: int) -> None:
    """What an image becomes does not depend on how precise the surface is."""
    narrow, wide = {0: Surface(30, 20, target)}, {0: Surface(30, 20, SurfaceFormat.XRGB32)}
    operations = RandomOperations(wide, seed)
    operation = operations.operation(draw.DrawCopy)
    colors = (BitmapFormat.BIT16, BitmapFormat.BIT24, BitmapFormat.BIT32, BitmapFormat.RGBA)
    image = operations.bitmap(operation.src_area.right, operation.src_area.bottom, colors)
    operation = replace(operation, src=image, ropd=Ropd.PUT)
    check(narrow, operation)
    render(narrow, operation)
    render(wide, operation)
    packed = bytearray(len(narrow[0].pixels))
    layout = {SurfaceFormat.XRGB1555: "555", SurfaceFormat.RGB565: "565"}[target]
    formats.pack(packed, 0, narrow[0].stride, wide[0].pixels, 0, wide[0].stride, 30, 20, layout)
    assert narrow[0].pixels == packed


def test_colors_of_16_bit_surfaces_are_given_as_they_have_them() -> None:
    surfaces = {0: Surface(2, 1, SurfaceFormat.RGB565)}
    base = DisplayBase(0, Rect(0, 0, 2, 1))
    render(surfaces, draw.DrawFill(base, Solid(0x1234)))
    assert surfaces[0].pixels == b"\x34\x12\x34\x12"
    palette = Palette(0, (0x1234, 0xF81F))
    image = Image(0, 0, 2, 1, Bitmap(BitmapFormat.BIT1_BE, BitmapFlags.TOP_DOWN, 2, 1, 1, palette, b"\x40"))
    render(surfaces, draw.DrawCopy(base, image, Rect(0, 0, 2, 1)))
    assert surfaces[0].pixels == b"\x34\x12\x1f\xf8"


def test_a_mask_may_be_a_surface() -> None:
    surfaces = {0: Surface(8, 1, SurfaceFormat.A8), 1: Surface(16, 1, SurfaceFormat.A1)}
    surfaces[1].pixels[:2] = b"\x50\x01"
    mask = QMask(0, Point(4, 0), Image(0, 0, 16, 1, SurfaceImage(1)))
    operation = draw.DrawWhiteness(DisplayBase(0, Rect(0, 0, 8, 1)), mask)
    check(surfaces, operation)
    render(surfaces, operation)
    assert surfaces[0].pixels == bytes([255, 0, 255, 0, 255, 0, 0, 0])
