"""`Display.draw`, surfaces that are not shown, heads, and the compression of a display, through the public names."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image as PillowImage

import spicetrio
from spicetrio import operations as ops
from spicetrio.wire.enums import DisplayCapability
from spicetrio.wire.link import Capabilities
from tests.channels.stage import open_stage
from tests.peer import Viewer

ABLE = Capabilities({DisplayCapability.MONITORS_CONFIG, DisplayCapability.COMPOSITE})
PIXELS = bytes(range(256)) * 4


async def watch(viewer: Viewer, channel: Any, shown: spicetrio.Display) -> None:
    truth = await shown.read()
    await viewer.watch(channel, lambda screen: screen.marked and screen.pixels() == truth)


async def test_an_operation_is_drawn_and_sent_as_what_it_is() -> None:
    async with open_stage() as stage, stage.server.open_display(64, 48) as shown, stage.viewer() as viewer:
        channel = await viewer.open_display(capabilities=ABLE)
        await shown.draw_image(0, 0, PIXELS, width=16, height=16)
        await watch(viewer, channel, shown)
        await shown.draw(ops.DrawInvers(ops.DisplayBase(0, ops.Rect(4, 4, 30, 20))))
        await watch(viewer, channel, shown)
        assert viewer.screen.counts["DrawInvers"] == 1
        assert (await shown.read(ops.Rect(29, 19, 30, 20)))[:3] == b"\xff\xff\xff"
        await channel.stream.aclose()


async def test_a_surface_is_there_while_its_block_runs() -> None:
    async with open_stage() as stage, stage.server.open_display(64, 48) as shown, stage.viewer() as viewer:
        channel = await viewer.open_display(capabilities=ABLE)
        async with shown.open_surface(16, 16) as surface:
            assert isinstance(surface, spicetrio.SurfaceHandle)
            image = ops.image_of(PIXELS, width=16, height=16)
            await shown.draw(ops.DrawCopy(ops.DisplayBase(surface.id, surface.bounds), image, surface.bounds))
            stamp = ops.Image(0, 0, 16, 16, ops.SurfaceImage(surface.id))
            for left in (0, 20, 40):
                base = ops.DisplayBase(0, ops.Rect(left, 8, left + 16, 24))
                await shown.draw(ops.DrawCopy(base, stamp, surface.bounds))
                await watch(viewer, channel, shown)
        with pytest.raises(ValueError, match="surface 1"):
            await shown.draw(ops.DrawCopy(base, stamp, surface.bounds))
        await shown.fill(0, 0, 1, 1, 5)
        await watch(viewer, channel, shown)
        await viewer.watch(channel, lambda screen: set(screen.surfaces) == {0})
        await channel.stream.aclose()


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (ops.DrawInvers(ops.DisplayBase(0, ops.Rect(0, 0, 65, 1))), "within"),
        (ops.DrawInvers(ops.DisplayBase(7, ops.Rect(0, 0, 1, 1))), "surface 7"),
        (
            ops.DrawCopy(
                ops.DisplayBase(0, ops.Rect(0, 0, 8, 8)),
                ops.image_of(PIXELS, width=16, height=16),
                ops.Rect(9, 9, 17, 17),
            ),
            "src_area",
        ),
    ],
)
async def test_what_makes_no_sense_is_refused_and_nothing_is_drawn(operation: ops.Operation, words: str) -> None:
    async with open_stage() as stage, stage.server.open_display(64, 48) as shown:
        with pytest.raises(ValueError, match=words):
            await shown.draw(operation)
        assert await shown.read() == bytes(4 * 64 * 48)


async def test_an_image_may_change_after_it_was_drawn_with() -> None:
    async with open_stage() as stage, stage.server.open_display(16, 16) as shown:
        data = bytearray(PIXELS)
        image = ops.image_of(data, width=16, height=16)
        bitmap = ops.Bitmap(ops.BitmapFormat.BIT32, ops.BitmapFlags.TOP_DOWN, 16, 16, 64, None, data)
        for source in (image, ops.Image(0, 0, 16, 16, bitmap)):
            await shown.draw(ops.DrawCopy(ops.DisplayBase(0, ops.Rect(0, 0, 16, 16)), source, ops.Rect(0, 0, 16, 16)))
            data[:] = bytes(1024)
            drawn = await shown.read()
            assert drawn[4:7] == PIXELS[4:7]
            data[:] = PIXELS


def test_images_are_made_of_what_displays_take() -> None:
    picture = PillowImage.new("RGB", (3, 2), (1, 2, 3))
    payload = ops.image_of(picture).payload
    assert isinstance(payload, ops.Bitmap)
    assert bytes(payload.data) == b"\3\2\1\0" * 6
    payload = ops.image_of(b"\1\2\3\4" * 6 + b"gap!", width=2, height=2, format="BGRA", stride=12, alpha=True).payload
    assert isinstance(payload, ops.Bitmap)
    assert payload.format == ops.BitmapFormat.RGBA
    assert bytes(payload.data) == b"\1\2\3\4" * 4
    with pytest.raises(ValueError, match="BGRA"):
        ops.image_of(picture, alpha=True)


async def test_heads_show_parts_of_a_display() -> None:
    async with open_stage() as stage, stage.server.open_display(64, 48) as shown, stage.viewer() as viewer:
        channel = await viewer.open_display(capabilities=ABLE)
        await watch(viewer, channel, shown)
        await shown.set_heads([ops.Rect(0, 0, 40, 48), ops.Rect(40, 0, 64, 48)], most=4)
        await viewer.watch(channel, lambda screen: len(screen.heads) == 2)
        assert viewer.screen.most_heads == 4
        await shown.resize(20, 10)
        await viewer.watch(channel, lambda screen: len(screen.heads) == 1)
        assert viewer.screen.most_heads == 4
        await shown.set_heads([ops.Rect(0, 0, 10, 10), ops.Rect(10, 0, 20, 10)])
        await viewer.watch(channel, lambda screen: len(screen.heads) == 2)
        assert viewer.screen.most_heads == 2
        with pytest.raises(ValueError, match="most is 65"):
            await shown.set_heads([ops.Rect(0, 0, 10, 10)], most=65)
        for areas in ([], [ops.Rect(0, 0, 65, 48)], [ops.Rect(0, 0, 1, 1)] * 65):
            with pytest.raises(ValueError, match=r"expected|inside"):
                await shown.set_heads(areas)
        await channel.stream.aclose()


async def test_the_compression_of_a_display_can_be_changed_for_who_has_no_preference() -> None:
    async with (
        open_stage(image_compression=spicetrio.ImageCompression.OFF) as stage,
        stage.server.open_display(64, 48) as shown,
        stage.viewer() as viewer,
    ):
        channel = await viewer.open_display()
        await watch(viewer, channel, shown)
        stripes = (bytes(4) + b"\xff\xff\xff\0") * 32 * 48
        await shown.draw_image(0, 0, stripes, width=64, height=48)
        await watch(viewer, channel, shown)
        assert viewer.screen.counts["Bitmap"] == 1
        shown.compression = spicetrio.ImageCompression.LZ
        assert shown.compression is spicetrio.ImageCompression.LZ
        await shown.draw_image(0, 0, stripes[4:] + stripes[:4], width=64, height=48)
        await watch(viewer, channel, shown)
        assert viewer.screen.counts["Lz"] == 1
        await channel.stream.aclose()


async def test_a_second_display_with_the_same_dictionary_goes_without() -> None:
    async with (
        open_stage(image_compression=spicetrio.ImageCompression.GLZ) as stage,
        stage.server.open_display(64, 48) as first,
        stage.server.open_display(64, 48) as second,
        stage.viewer() as viewer,
    ):
        stripes = (bytes(4) + b"\xff\xff\xff\0") * 32 * 48
        counts = []
        for shown in (first, second):
            await shown.draw_image(0, 0, stripes, width=64, height=48)
            channel = await viewer.open_display(shown.id)
            viewer.screen = type(viewer.screen)()
            await watch(viewer, channel, shown)
            counts.append(viewer.screen.counts)
            await channel.stream.aclose()
        assert "Glz" in counts[0]
        assert "Lz" in counts[1]
