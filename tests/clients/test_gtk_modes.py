"""Whether spice-gtk shows what a display reads, in every way in which it can be sent."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import numpy as np
import pytest

import spicetrio
from spicetrio import ImageCompression, Rect, WanCompression
from spicetrio.canvas import encoder
from spicetrio.wire.image import Payload
from tests.canvas.random_operations import KINDS

from .gtk import OpenGtk
from .scene import Scene, Sent

COMPRESSED = {"Quic", "Glz", "ZlibGlz", "Lz", "LzPalette", "Lz4", "Jpeg", "JpegAlpha"}
USED = {
    ImageCompression.OFF: set(),
    ImageCompression.AUTO_GLZ: {"Quic", "Glz"},
    ImageCompression.AUTO_LZ: {"Quic", "Lz"},
    ImageCompression.QUIC: {"Quic"},
    ImageCompression.GLZ: {"Glz"},
    ImageCompression.LZ: {"Lz"},
    ImageCompression.LZ4: {"Lz4"},
}
"""What pixels are sent as, when nothing may be lost."""
BY_CONTENT = {ImageCompression.AUTO_GLZ, ImageCompression.AUTO_LZ, ImageCompression.QUIC}
"""Those that tell photographs."""

modes = pytest.mark.parametrize("mode", USED, ids=lambda mode: mode.name.lower())


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    return Sent(monkeypatch)


def compressed(sent: Counter[str]) -> set[str]:
    return set(sent) & COMPRESSED


@modes
@pytest.mark.parametrize("when", [WanCompression.NEVER, WanCompression.ALWAYS], ids=lambda when: when.value)
async def test_a_viewer_follows_all_that_is_drawn(
    gtk: OpenGtk, sent: Sent, mode: ImageCompression, when: WanCompression
) -> None:
    settings = {"image_compression": mode, "jpeg_wan_compression": when, "zlib_glz_wan_compression": when}
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True, **settings) as server,
        server.open_display(401, 303) as display,
        Scene.open(display, seed=mode) as scene,
    ):
        await scene.draw(20)
        async with gtk(server.addresses[0], channels=["display"]) as viewer:
            await scene.wait_equal(viewer)
            await scene.draw_and_wait(viewer, 10)
            for count in (1, 1, 5, 10, 50, 150):
                await scene.all_kinds()
                await scene.draw(count)
                await scene.wait_equal(viewer)
            for size in ((77, 401), (500, 260)):
                await scene.draw(5)
                await scene.resize(*size)
                await scene.draw(5)
                await scene.wait_equal(viewer)
            while not sent.to(*display.clients)["Bitmap"]:  # less than it is worth to compress
                await display.draw_image(0, 0, b"\x00\x01\x02\x03" * 2, width=1, height=2)
                await scene.draw(1)
                await scene.wait_equal(viewer)
            seen = sent.to(*display.clients)
    assert set(seen) >= {"DrawFill", "CopyBits", "FromCache", "CACHE_ME", "PAL_CACHE_ME", "PAL_FROM_CACHE"}, seen
    if mode == ImageCompression.OFF:
        assert not compressed(seen), seen
        return
    expected = USED[mode] | {"LzPalette"}
    if when is WanCompression.ALWAYS:
        expected |= {"Jpeg"} if mode in BY_CONTENT else set()
        expected |= {"ZlibGlz"} if "Glz" in expected else set()
    # LZ is for what the others do not take, and for images of operations.
    assert expected <= compressed(seen) <= expected | {"Lz"}, seen


async def test_a_viewer_is_sent_operations_of_all_kinds(gtk: OpenGtk, sent: Sent) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_display(200, 150) as display,
        Scene.open(display, seed=1) as scene,
        gtk(server.addresses[0], channels=["display"]) as viewer,
    ):
        for kind in KINDS:
            while sent.to(*display.clients)[kind.__name__] < 5:
                for _ in range(10):
                    await scene.operation(kind)
                await scene.wait_equal(viewer)
        assert sent.to(*display.clients)["Surface"]


@pytest.mark.parametrize("count", [2, 5])
async def test_displays_share_a_viewers_image_cache_and_one_has_its_dictionary(
    gtk: OpenGtk, sent: Sent, count: int
) -> None:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        server = await enter(
            spicetrio.open_server(port=0, disable_ticketing=True, image_compression=ImageCompression.GLZ)
        )
        displays = [await enter(server.open_display(160 + 8 * number, 120)) for number in range(count)]
        scenes = [await enter(Scene.open(display, seed=number)) for number, display in enumerate(displays)]
        viewer = await enter(gtk(server.addresses[0], channels=["display"]))
        await viewer.wait_channels(*(f"display:{number}" for number in range(count)))
        for _ in range(12):
            for scene in scenes:
                await scene.draw(5)
            for scene in scenes:
                await scene.repeat()
                await scene.wait_equal(viewer)
        seen = [sent.to(*display.clients) for display in displays]
    assert all(one["FromCache"] and one["CACHE_ME"] for one in seen), seen
    assert sum(one["Glz"] > 0 for one in seen) == 1, seen
    assert sum(one["Lz"] > 0 for one in seen) >= count - 1, seen


async def test_a_viewer_that_keeps_little(gtk: OpenGtk, sent: Sent) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True, image_compression=ImageCompression.GLZ) as server,
        server.open_display(200, 150) as display,
        Scene.open(display, seed=3) as scene,
        gtk(server.addresses[0], channels=["display"], cache_size=240_000, glz_window_size=200_000) as viewer,
    ):
        for _ in range(60):
            await scene.repeat()
            await scene.wait_equal(viewer)
            await scene.draw(2)
            await scene.wait_equal(viewer)
        seen = sent.to(*display.clients)
    assert min(seen["CACHE_ME"], seen["FromCache"], seen["InvalList"], seen["Glz"]) > 3, seen


async def test_more_palettes_than_a_viewer_keeps(gtk: OpenGtk, sent: Sent) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_display(400, 300) as display,
        Scene.open(display, seed=8) as scene,
        gtk(server.addresses[0], channels=["display"]) as viewer,
    ):
        for unique in (*range(1, 150), *range(20, 70), *range(1, 40)):
            await scene.palette(unique)
            if unique % 10 == 0:
                await scene.wait_equal(viewer)
        await scene.wait_equal(viewer)
        seen = sent.to(*display.clients)
    assert min(seen["PAL_FROM_CACHE"], seen["InvalPalette"]) > 10, seen


async def test_a_viewers_monitors_show_the_heads_of_a_display(gtk: OpenGtk) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_display(300, 200) as display,
        Scene.open(display, seed=1) as scene,
    ):
        halves = [Rect(0, 0, 150, 200), Rect(150, 0, 300, 200)]
        await display.set_heads(halves)
        async with gtk(server.addresses[0], channels=["display"]) as viewer:
            await viewer.wait_monitors(halves)
            thirds = [Rect(0, 0, 100, 90), Rect(100, 10, 200, 100), Rect(200, 0, 300, 200)]
            await display.set_heads(thirds)
            await viewer.wait_monitors(thirds)
            await scene.draw(10)
            await scene.wait_equal(viewer)
            await scene.resize(200, 100)
            await viewer.wait_monitors([Rect(0, 0, 200, 100)])
            await display.set_heads([Rect(50, 0, 200, 100), Rect(0, 0, 50, 100)])
            await viewer.wait_monitors([Rect(50, 0, 200, 100), Rect(0, 0, 50, 100)])
            await scene.draw(10)
            await scene.wait_equal(viewer)


@pytest.mark.parametrize("mode", [ImageCompression.OFF, ImageCompression.AUTO_GLZ, ImageCompression.LZ4])
async def test_displays_of_extreme_sizes(gtk: OpenGtk, mode: ImageCompression) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True, image_compression=mode) as server,
        server.open_display(1, 1) as display,
        Scene.open(display, seed=4) as scene,
        gtk(server.addresses[0], channels=["display"]) as viewer,
    ):
        for size in ((1, 1), (3, 1), (1, 3), (8192, 16), (16, 8192), (8191, 3), (5, 7)):
            await scene.resize(*size)
            await scene.draw(20)
            await scene.wait_equal(viewer)


@pytest.mark.parametrize("mode", [ImageCompression.AUTO_GLZ, ImageCompression.AUTO_LZ])
async def test_a_display_is_resized_while_drawing_goes_on(gtk: OpenGtk, mode: ImageCompression) -> None:
    settings = {"jpeg_wan_compression": WanCompression.ALWAYS, "zlib_glz_wan_compression": WanCompression.ALWAYS}
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True, image_compression=mode, **settings) as server,
        server.open_display(300, 200) as display,
        Scene.open(display, seed=5) as scene,
        gtk(server.addresses[0], channels=["display"]) as viewer,
    ):
        for number in range(30):
            await scene.draw(scene.random.randint(0, 12))
            await scene.resize(scene.random.randint(1, 600), scene.random.randint(1, 400))
            if number % 5 == 0:
                await scene.draw(scene.random.randint(0, 3))
                await scene.wait_equal(viewer)
        await scene.draw(20)
        await scene.wait_equal(viewer)


async def test_compression_changes_while_viewers_look(gtk: OpenGtk, sent: Sent) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True, image_compression=ImageCompression.LZ) as server,
        server.open_display(301, 203) as display,
        Scene.open(display, seed=6) as scene,
        gtk(server.addresses[0], channels=["display"], compression="glz") as other,
        gtk(server.addresses[0], channels=["display"]) as viewer,
    ):
        follower = display.clients[-1]

        async def see(mode: ImageCompression) -> None:
            sent.clear()
            for _ in range(3):
                await scene.photograph()
                await scene.wait_equal(viewer, other)
                await scene.draw(8)
                await scene.wait_equal(viewer, other)
            seen = sent.to(follower)
            assert USED[mode] <= compressed(seen) <= USED[mode] | {"Lz", "LzPalette"}, (mode, seen)

        for mode in USED:
            display.compression = mode
            await see(mode)
        for mode in reversed(USED):
            await viewer.prefer_compression(mode.name.lower())
            await viewer.wait_quiet(100)
            await see(mode)


async def test_viewers_that_want_the_same_get_what_was_encoded_once(
    gtk: OpenGtk, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = 0
    encode = encoder._encode

    def count(*args: Any) -> Payload:
        nonlocal encoded
        encoded += 1
        return encode(*args)

    monkeypatch.setattr(encoder, "_encode", count)
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_display(201, 153) as display,
        Scene.open(display, seed=9) as scene,
        gtk(server.addresses[0], channels=["display"]) as first,
        gtk(server.addresses[0], channels=["display"]) as second,
    ):
        places = [(0, 0, 60, 50), (70, 3, 100, 90), (5, 60, 50, 80)]
        for _ in range(40):
            x, y, width, height = scene.random.choice(places)
            if scene.random.randrange(3):
                await display.draw_image(x, y, scene.noise.integers(0, 256, (height, width, 3), np.uint8))
            else:
                await display.fill(x, y, width, height, scene.random.randrange(1 << 24))
                await display.draw_image(x, y, bytes(width * height), width=width, height=height, format="L")
            await scene.wait_equal(first, second)
        seen = sent.to(*display.clients)
    assert 0 < encoded < 0.8 * (seen["DrawCopy"] - seen["FromCache"]), (encoded, seen)


@pytest.mark.parametrize("mode", [ImageCompression.AUTO_GLZ, ImageCompression.GLZ])
async def test_viewers_that_join_or_stand_still_come_to_the_same_picture(
    gtk: OpenGtk, sent: Sent, mode: ImageCompression
) -> None:
    settings = {"jpeg_wan_compression": WanCompression.ALWAYS, "zlib_glz_wan_compression": WanCompression.ALWAYS}
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True, image_compression=mode, **settings) as server,
        server.open_display(640, 480) as display,
        Scene.open(display, seed=7) as scene,
        gtk(server.addresses[0], channels=["display"]) as first,
    ):
        for _ in range(2):
            first.stop()
            await scene.draw(60)
            async with gtk(server.addresses[0], channels=["display"]) as second:
                await scene.wait_equal(second)
                for _ in range(3):
                    await scene.draw(20)
                    await scene.wait_equal(second)
                first.resume()
                await scene.wait_equal(first, second)
                second.stop()
                await scene.draw(60)
                await scene.wait_equal(first)
                second.resume()
                await scene.draw(10)
                await scene.wait_equal(first, second)
        for _ in range(10):
            await scene.repeat()
            await scene.wait_equal(first)
        seen = sent.to(*display.clients)
    assert min(seen["ZlibGlz"], seen["FromCache"]) > 0, seen


async def test_surfaces_come_and_go(gtk: OpenGtk, sent: Sent) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True, image_compression=ImageCompression.AUTO_GLZ) as server,
        server.open_display(200, 150) as display,
        gtk(server.addresses[0], channels=["display"]) as viewer,
    ):
        for seed in range(12):
            async with Scene.open(display, seed) as scene:
                for _ in range(seed % 3):
                    await scene.draw(10)
                    await scene.wait_equal(viewer)
                await scene.draw(10)
                await scene.show()
            if seed % 5 == 4:
                await display.resize(200 + seed, 150)
        await scene.wait_equal(viewer)
        seen = sent.to(*display.clients)
    assert min(seen["SurfaceCreate"], seen["SurfaceDestroy"]) > 5, seen


async def test_a_display_takes_the_place_of_one_that_was_closed(gtk: OpenGtk, sent: Sent) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True, image_compression=ImageCompression.GLZ) as server,
        server.open_display(1, 1),
        gtk(server.addresses[0], channels=["display"]) as viewer,
    ):
        for seed in range(3):
            async with server.open_display(200 + seed, 150) as display, Scene.open(display, seed) as scene:
                for _ in range(20):
                    await scene.repeat()
                    await scene.wait_equal(viewer)
                seen = sent.to(*display.clients)
            assert min(seen["CACHE_ME"], seen["FromCache"]) > 0, seen
