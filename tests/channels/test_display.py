"""Every viewer sees what was drawn, whoever else watches and however slow those are."""

from __future__ import annotations

import gc
import math
import tracemalloc
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
import trio
from PIL import Image

import spicetrio
from spicetrio import ImageCompression, Rect, WanCompression
from spicetrio.canvas import lack, picture
from spicetrio.canvas.viewer import KEEPS_UP
from spicetrio.channels import throughput
from spicetrio.wire import base, display, draw, stream
from spicetrio.wire.buffer import Message
from spicetrio.wire.enums import ChannelType, DisplayCapability, SurfaceFlags, SurfaceFormat
from spicetrio.wire.image import Bitmap, Glz, Jpeg, Lz, Lz4, Quic, ZlibGlz
from spicetrio.wire.link import Capabilities
from tests.channels.stage import closed, open_stage, receive, until
from tests.peer import PeerChannel, Viewer, open_viewer
from tests.screen import Screen

INIT = display.Init(1, 1 << 20, 1, 1 << 20)
NOTHING = Capabilities()


def noise(width: int, height: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8).tobytes()


def without_x(pixels: bytes) -> bytes:
    cleared = bytearray(pixels)
    cleared[3::4] = bytes(len(pixels) // 4)
    return bytes(cleared)


async def shows(viewer: Viewer, channel: PeerChannel, shown: spicetrio.Display) -> None:
    """Watch until the viewer has the display's present picture."""
    truth = await shown.read()
    size = (shown.width, shown.height)

    def same(screen: Screen) -> bool:
        return screen.marked and (screen.width, screen.height) == size and screen.pixels() == truth

    await viewer.watch(channel, same)


def without_pings(message: Message) -> bool:
    return not isinstance(message, base.Ping)


async def first_messages(channel: PeerChannel) -> list[Message]:
    messages = []
    while not messages or not isinstance(messages[-1], display.Mark):
        message = await channel.receive()
        if without_pings(message):
            messages.append(message)
    return messages


@pytest.mark.parametrize("heads", [True, False])
async def test_the_first_messages_come_in_the_order_of_the_specification(heads: bool) -> None:
    capabilities = Capabilities({DisplayCapability.MONITORS_CONFIG}) if heads else NOTHING
    async with open_stage() as stage, stage.server.open_display(40, 30) as shown, stage.viewer() as viewer:
        await shown.draw_image(0, 0, noise(40, 30), width=40, height=30)
        channel = await viewer.open_display(capabilities=capabilities)
        messages = await first_messages(channel)
        names = [type(message).__name__ for message in messages]
        config = ["MonitorsConfig"] if heads else []
        assert names == ["SetAck", "InvalAllPalettes", "SurfaceCreate", "DrawCopy", *config, "Mark"]
        assert messages[0] == base.SetAck(1, stage.server.settings.ack_window)
        assert messages[2] == display.SurfaceCreate(0, 40, 30, SurfaceFormat.XRGB32, SurfaceFlags.PRIMARY)
        assert isinstance(copy := messages[3], draw.DrawCopy)
        assert copy.base.box == Rect(0, 0, 40, 30)
        if heads:
            assert messages[4] == display.MonitorsConfig(1, (display.Head(0, 0, 40, 30, 0, 0, 0),))
        await channel.stream.aclose()


async def test_a_large_picture_is_shown_only_when_all_of_it_is_there() -> None:
    async with open_stage() as stage, stage.server.open_display(1200, 900) as shown, stage.viewer() as viewer:
        await shown.draw_image(0, 0, noise(1200, 900), width=1200, height=900)
        channel = await viewer.open_display()
        await viewer.watch(channel, lambda screen: screen.marked)
        assert viewer.screen.pixels() == await shown.read()
        assert viewer.screen.counts["DrawCopy"] > 1
        await channel.stream.aclose()


async def test_a_second_init_ends_the_viewer() -> None:
    async with open_stage() as stage, stage.server.open_display(8, 8), stage.viewer() as viewer:
        channel = await viewer.open_display()
        await channel.send(INIT)
        await closed(channel)
        await stage.server.clients.wait_value(())


async def test_nothing_is_sent_before_init_but_acks_and_it_may_come_late() -> None:
    async with open_stage() as stage, stage.server.open_display(8, 8) as shown, stage.viewer() as viewer:
        channel = await viewer.open(ChannelType.DISPLAY)
        assert isinstance(await channel.receive(), base.SetAck)
        await shown.fill(0, 0, 8, 8, 0x123456)
        with trio.move_on_after(0.03) as scope:
            await channel.receive()
        assert scope.cancelled_caught
        await channel.send(INIT)
        await shows(viewer, channel, shown)
        await channel.stream.aclose()


STRIPES = (bytes(64) + b"\xff\xff\xff\0" * 16) * 128
"""Of 64 x 64 pixels; neither one color nor a photograph."""


@pytest.mark.parametrize(
    ("setting", "lz4", "preferred", "kind"),
    [
        (ImageCompression.LZ, True, None, Lz),
        (ImageCompression.OFF, True, None, Bitmap),
        (ImageCompression.LZ4, True, None, Lz4),
        (ImageCompression.LZ4, False, None, Lz),
        (ImageCompression.LZ, True, ImageCompression.LZ4, Lz4),
        (ImageCompression.LZ, False, ImageCompression.LZ4, Lz),
        (ImageCompression.LZ, True, ImageCompression.OFF, Bitmap),
        (ImageCompression.OFF, True, ImageCompression.LZ, Lz),
        (ImageCompression.LZ, True, ImageCompression.QUIC, Quic),
        (ImageCompression.LZ, False, ImageCompression.GLZ, Glz),
        (ImageCompression.AUTO_GLZ, False, None, Glz),
        (ImageCompression.AUTO_LZ, True, None, Lz),
        (ImageCompression.OFF, True, 200, Bitmap),
    ],
)
async def test_images_are_compressed_as_the_viewer_prefers_and_can_read(
    setting: ImageCompression, lz4: bool, preferred: int | None, kind: type
) -> None:
    capabilities = Capabilities({DisplayCapability.LZ4_COMPRESSION}) if lz4 else NOTHING
    async with (
        open_stage(image_compression=setting) as stage,
        stage.server.open_display(64, 64) as shown,
        stage.viewer() as viewer,
    ):
        channel = await viewer.open_display(capabilities=capabilities)
        if preferred is not None:
            await channel.send(display.PreferredCompression(preferred))
        await first_messages(channel)
        (client,) = shown.clients
        await until(lambda: client.statistics.received >= 6 + 14 + (7 if preferred is not None else 0))
        await shown.draw_image(0, 0, STRIPES, width=64, height=64)
        assert type((await receive(channel, draw.DrawCopy)).src.payload) is kind
        await channel.stream.aclose()


def photograph(seed: int) -> bytes:
    """A picture of 200 x 200 pixels whose colors change little from one to the next."""
    x, y = np.meshgrid(np.arange(200), np.arange(200))
    colors = [(x + y + seed) // 3 % 200, (2 * x + y) // 3 % 200, (x + 3 * y) // 4 % 200, 0 * x]
    return np.dstack(colors).astype(np.uint8).tobytes()


@pytest.mark.parametrize(
    ("compression", "when", "kind"),
    [
        (ImageCompression.AUTO_LZ, WanCompression.ALWAYS, Jpeg),
        (ImageCompression.AUTO_LZ, WanCompression.AUTO, Quic),
        (ImageCompression.AUTO_LZ, WanCompression.NEVER, Quic),
        (ImageCompression.GLZ, WanCompression.ALWAYS, ZlibGlz),
        (ImageCompression.GLZ, WanCompression.AUTO, Glz),
        (ImageCompression.GLZ, WanCompression.NEVER, Glz),
    ],
)
async def test_a_further_compression_is_for_who_is_said_to_need_it(
    compression: ImageCompression, when: WanCompression, kind: type
) -> None:
    changes = {"image_compression": compression, "jpeg_wan_compression": when, "zlib_glz_wan_compression": when}
    async with (
        open_stage(**changes) as stage,
        stage.server.open_display(200, 200) as shown,
        stage.viewer() as viewer,
    ):
        channel = await viewer.open_display()
        await first_messages(channel)
        await shown.draw_image(0, 0, photograph(1), width=200, height=200)
        assert type((await receive(channel, draw.DrawCopy)).src.payload) is kind
        await channel.stream.aclose()


@pytest.mark.parametrize(("when", "kind"), [(WanCompression.AUTO, "Jpeg"), (WanCompression.NEVER, "Quic")])
async def test_a_connection_that_turns_out_slow_gets_smaller_images(
    monkeypatch: pytest.MonkeyPatch, when: WanCompression, kind: str
) -> None:
    for name in ("LOW", "HIGH"):
        monkeypatch.setattr(throughput, name, math.inf)
    async with (
        open_stage(jpeg_wan_compression=when) as stage,
        stage.server.open_display(200, 200) as shown,
        stage.viewer() as viewer,
    ):
        channel = await viewer.open_display()
        for seed in range(throughput.IN_A_ROW):
            await shown.draw_image(0, 0, noise(200, 200, seed), width=200, height=200)
            await shows(viewer, channel, shown)
        assert not {"Jpeg", "Quic"} & set(viewer.screen.counts)
        await shown.draw_image(0, 0, photograph(2), width=200, height=200)
        await viewer.watch(channel, lambda screen: kind in screen.counts)
        await shows(viewer, channel, shown)
        await channel.stream.aclose()


async def test_reports_on_streams_are_no_error_and_an_unasked_gl_done_is() -> None:
    async with open_stage() as stage, stage.server.open_display(8, 8) as shown, stage.viewer() as viewer:
        channel = await viewer.open_display()
        await channel.send(
            stream.StreamReport(1, 2, 3, 4, 5, 6, 7, 8), display.PreferredVideoCodecType((1, 2)), base.Pong(5, 6)
        )
        await shows(viewer, channel, shown)
        await channel.send(display.GlDrawDone())
        await closed(channel)


def random_draw(random: Random, shown: spicetrio.Display) -> Callable[[], Any]:
    left, top = random.randrange(shown.width), random.randrange(shown.height)
    width, height = random.randint(1, shown.width - left), random.randint(1, shown.height - top)
    match random.randrange(4):
        case 0:
            return lambda: shown.fill(left, top, width, height, random.randrange(1 << 24))
        case 1:
            x, y = random.randint(0, shown.width - width), random.randint(0, shown.height - height)
            return lambda: shown.copy_area(left, top, width, height, x, y)
        case 2:
            pixels = noise(width, height, random.randrange(100))
            return lambda: shown.draw_image(left, top, pixels, width=width, height=height)
        case _:
            return lambda: shown.draw_frame(noise(shown.width, shown.height, random.randrange(5)))


@pytest.mark.parametrize("seed", range(3))
async def test_several_viewers_of_several_displays_see_what_was_drawn_on_each(seed: int) -> None:
    random = Random(seed)
    async with (
        open_stage() as stage,
        stage.server.open_display(90, 70) as one,
        stage.server.open_display(64, 64) as other,
        trio.open_nursery() as nursery,
    ):
        drawn = trio.Event()

        async def watch(delay: float) -> None:
            await trio.sleep(delay)
            async with stage.viewer() as viewer:
                channels = [await viewer.open_display(shown.id) for shown in (one, other)]
                screens = [Screen(), Screen()]

                async def keep_up(index: int) -> None:
                    while True:
                        screens[index].handle(await channels[index].receive())

                async with trio.open_nursery() as watching:
                    for index in (0, 1):
                        watching.start_soon(keep_up, index)
                    await drawn.wait()
                    for screen, shown in zip(screens, (one, other), strict=True):
                        truth = await shown.read()
                        await until(lambda screen=screen, truth=truth: screen.marked and screen.pixels() == truth)  # type: ignore[misc]
                    watching.cancel_scope.cancel()
                for channel in channels:
                    await channel.stream.aclose()

        for number in range(4):
            nursery.start_soon(watch, number * 0.02)
        for _ in range(120):
            await random_draw(random, random.choice((one, other)))()
            if random.random() < 0.2:
                await trio.sleep(0.001)
            if random.random() < 0.03:
                await random.choice((one, other)).resize(random.randint(1, 90), random.randint(1, 90))
        drawn.set()


async def test_a_resize_gives_every_viewer_a_new_surface() -> None:
    async with open_stage() as stage, stage.server.open_display(40, 30) as shown, stage.viewer() as viewer:
        channel = await viewer.open_display()
        await shows(viewer, channel, shown)
        await shown.resize(100, 20)
        assert (shown.width, shown.height) == (100, 20)
        assert await shown.read() == bytes(4 * 100 * 20)
        await shown.fill(99, 19, 1, 1, 0xFFFFFF)
        await shows(viewer, channel, shown)
        assert viewer.screen.counts["SurfaceDestroy"] == 1
        await channel.stream.aclose()


async def test_a_display_that_closes_ends_its_connections_and_the_viewer_stays() -> None:
    async with open_stage() as stage, stage.server.open_display(8, 8) as staying, stage.viewer() as viewer:
        async with stage.server.open_display(8, 8) as leaving:
            channel = await viewer.open_display(leaving.id)
            await first_messages(channel)
            other = await viewer.open_display(staying.id)
            await first_messages(other)
        await closed(channel)
        await staying.fill(0, 0, 8, 8, 1)
        await receive(other, draw.DrawFill)
        assert len(stage.server.clients.value) == 1
        async with stage.server.open_display(16, 16) as again:
            assert again.id == leaving.id
            channel = await viewer.open_display(again.id)
            await viewer.watch(channel, lambda screen: screen.marked)
            await channel.stream.aclose()
        await other.stream.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await leaving.fill(0, 0, 1, 1, 0)


async def test_a_failing_display_ends_its_connections_and_the_viewer_stays() -> None:
    async with open_stage() as stage, stage.viewer() as viewer:
        with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True, allow_unwrapped=True):
            async with stage.server.open_display(8, 8) as failing:
                channel = await viewer.open_display()
                await first_messages(channel)
                await failing.worker.draw(lambda _: 1 / 0)
                await trio.sleep_forever()
        await closed(channel)
        assert len(stage.server.clients.value) == 1


async def healthy(viewer: Viewer, channel: PeerChannel, shown: spicetrio.Display, rounds: int) -> None:
    """Draw, and see that it arrives in time each time."""
    for seed in range(rounds):
        await shown.draw_image(0, 0, noise(shown.width, shown.height, seed), width=shown.width, height=shown.height)
        with trio.fail_after(3):
            await shows(viewer, channel, shown)


@pytest.mark.parametrize("fault", ["withholds INIT", "never acknowledges", "never reads"])
async def test_a_viewer_with_a_fault_harms_nobody_and_its_memory_is_bounded(fault: str) -> None:
    limit = KEEPS_UP * (picture.BATCH_SIZE + 4 * lack.STRIP_PIXELS) + 65536
    async with open_stage() as stage, stage.server.open_display(400, 300) as shown, stage.viewer() as good:
        channel = await good.open_display()

        async def narrow() -> trio.SocketStream:
            return await stage.connect(buffer=4096)

        async with open_viewer(narrow) as bad:
            match fault:
                case "withholds INIT":
                    faulty = await bad.open(ChannelType.DISPLAY)
                case _:
                    faulty = await bad.open_display()
            faulty.acknowledge = False
            await until(lambda: len(shown.clients) == 2)
            client = shown.clients[1]
            async with trio.open_nursery() as nursery:

                async def read_on() -> None:
                    while True:
                        await faulty.receive()

                if fault == "never acknowledges":
                    nursery.start_soon(read_on)
                await healthy(good, channel, shown, 12)
                gc.collect()
                tracemalloc.start()
                try:
                    await healthy(good, channel, shown, 3)
                    gc.collect()
                    before, _ = tracemalloc.get_traced_memory()
                    await healthy(good, channel, shown, 20)
                    gc.collect()
                    after, _ = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
                assert client.writer.peak_bytes < limit
                assert after - before < 2 * limit
                nursery.cancel_scope.cancel()
            await faulty.stream.aclose()
        await healthy(good, channel, shown, 3)
        await channel.stream.aclose()


async def test_a_viewer_that_was_slow_catches_up_with_the_newest_picture_alone() -> None:
    async with open_stage() as stage, stage.server.open_display(400, 300) as shown:

        async def narrow() -> trio.SocketStream:
            return await stage.connect(buffer=4096)

        async with open_viewer(narrow) as viewer:
            channel = await viewer.open_display()
            for seed in range(60):
                await shown.draw_image(0, 0, noise(400, 300, seed), width=400, height=300)
                await shown.worker.ask(lambda _: None)
            channel.received = 0
            await shows(viewer, channel, shown)
            assert channel.received < 6 * 4 * 400 * 300
            await channel.stream.aclose()


async def test_a_small_queue_limit_is_for_what_piles_up_not_for_a_picture() -> None:
    async with (
        open_stage(queue_limit=64 * 1024) as stage,
        stage.server.open_display(600, 500) as shown,
        stage.viewer() as viewer,
    ):
        await shown.draw_image(0, 0, noise(600, 500), width=600, height=500)
        channel = await viewer.open_display()
        await shows(viewer, channel, shown)
        await channel.stream.aclose()


@pytest.mark.parametrize("when", ["at once", "after INIT", "after a message", "in the midst"])
async def test_viewers_that_vanish_at_any_moment_harm_nobody(when: str) -> None:
    async with open_stage() as stage, stage.server.open_display(600, 400) as shown, stage.viewer() as good:
        channel = await good.open_display()
        await shown.draw_image(0, 0, noise(600, 400), width=600, height=400)

        async def vanish() -> None:
            async with open_viewer(lambda: stage.connect(buffer=8192)) as viewer:
                bad = await viewer.open(ChannelType.DISPLAY)
                if when != "at once":
                    await bad.send(INIT)
                if when == "after a message":
                    await bad.receive()
                if when == "in the midst":
                    for _ in range(20):
                        await bad.stream.receive_some(4096)
                await bad.stream.aclose()

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(vanish)
            for seed in range(10):
                await shown.draw_image(0, 0, noise(600, 400, seed), width=600, height=400)
        await shows(good, channel, shown)
        await until(lambda: len(stage.server.clients.value) == 1)
        assert len(shown.clients) == 1
        assert len(shown.worker._viewers) == 1
        await channel.stream.aclose()


async def test_every_kind_of_image_draws_the_same_picture() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (20, 30, 3), np.uint8)
    bgrx = np.dstack([pixels[:, :, ::-1], np.full((20, 30), 9, np.uint8)]).tobytes()
    flat: dict[str, Any] = {"width": 30, "height": 20}
    async with open_stage() as stage, stage.server.open_display(40, 40) as shown:
        pictures = []
        for image, arguments in (
            (Image.fromarray(pixels), {}),
            (Image.fromarray(pixels).convert("RGBA"), {}),
            (pixels, {}),
            (np.asfortranarray(pixels), {}),
            (bgrx, flat),
            (bytearray(bgrx), flat),
            (memoryview(bgrx), flat),
            (pixels.tobytes(), {**flat, "format": "RGB"}),
            (pixels[:, :, ::-1].tobytes(), {**flat, "format": "BGR"}),
        ):
            await shown.fill(0, 0, 40, 40, 0)
            await shown.draw_image(7, 9, image, **arguments)
            assert await shown.read(Rect(7, 9, 37, 29)) == without_x(bgrx)
            pictures.append(await shown.read())
        assert len(set(pictures)) == 1


async def test_reading_sees_all_that_was_drawn_before() -> None:
    async with open_stage() as stage, stage.server.open_display(16, 8) as shown:
        assert await shown.read() == bytes(4 * 16 * 8)
        for color in range(50):
            await shown.fill(0, 0, 16, 8, color)
            assert await shown.read(Rect(15, 7, 16, 8)) == bytes((color, 0, 0, 0))


@pytest.mark.parametrize("large", [True, False])
async def test_a_buffer_may_be_changed_once_the_call_has_returned(large: bool) -> None:
    size = 256 if large else 16
    async with open_stage() as stage, stage.server.open_display(size, size) as shown:
        buffer = bytearray(b"\1\2\3\0" * size * size)
        for call in (shown.draw_frame, lambda data: shown.draw_image(0, 0, data, width=size, height=size)):
            buffer[:] = b"\1\2\3\0" * size * size
            await call(buffer)
            buffer[:] = b"\7\7\7\0" * size * size
            assert await shown.read() == b"\1\2\3\0" * size * size
            await shown.fill(0, 0, size, size, 0)


IMAGE = {"image": bytes(16), "width": 2, "height": 2}


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("fill", (0, 0, 9, 1, 0), "9 x 1"),
        ("fill", (0, 0, 0, 1, 0), "0 x 1"),
        ("fill", (0, 0, 1, -1, 0), "1 x -1"),
        ("fill", (-1, 0, 2, 2, 0), r"\(-1, 0\)"),
        ("fill", (8, 0, 1, 1, 0), r"\(8, 0\)"),
        ("fill", (0, 0, 1, 1, -1), "color"),
        ("fill", (0, 0, 1, 1, 0x1000000), "color is 0x1000000"),
        ("copy_area", (0, 0, 4, 4, 5, 0), "display of 8 x 8"),
        ("copy_area", (5, 0, 4, 4, 0, 0), "display of 8 x 8"),
        ("copy_area", (0, 0, 4, 4, 0, -1), "display of 8 x 8"),
        ("draw_image", (7, 0, np.zeros((2, 2, 3), np.uint8)), "2 x 2"),
        ("draw_image", (0, 0, bytes(16)), "width and a height"),
        ("draw_image", (0, 0, Image.new("RGB", (9, 9))), "9 x 9"),
        ("draw_frame", (bytes(255),), "255 bytes"),
        ("draw_frame", (Image.new("RGB", (8, 9)),), "8 x 9, expected the display's 8 x 8"),
        ("draw_frame", (np.zeros((7, 8, 4), np.uint8),), "8 x 7"),
        ("resize", (0, 8), "0 x 8"),
        ("resize", (8193, 8), "8193 x 8"),
        ("read", (Rect(0, 0, 9, 8),), "9 x 8"),
        ("read", (Rect(4, 4, 4, 8),), "0 x 4"),
    ],
)
async def test_what_is_outside_is_refused_and_nothing_is_drawn(
    name: str, arguments: tuple[Any, ...], text: str
) -> None:
    async with open_stage() as stage, stage.server.open_display(8, 8) as shown:
        with pytest.raises(ValueError, match=text):
            await getattr(shown, name)(*arguments)
        assert (shown.width, shown.height) == (8, 8)
        assert await shown.read() == bytes(256)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("fill", (0.0, 0, 1, 1, 0)),
        ("fill", (0, 0, 1.0, 1, 0)),
        ("fill", (0, 0, 1, 1, 7.0)),
        ("copy_area", (0, 0, 1, 1, 1.5, 0)),
        ("draw_image", (0.0, 0.0, np.zeros((2, 2, 3), np.uint8))),
        ("draw_frame", (bytes(256), [Rect(0.0, 0, 4, 4)])),  # type: ignore[arg-type]
        ("resize", (8.0, 8)),
        ("read", (Rect(0, 0, 1.0, 1),)),  # type: ignore[arg-type]
    ],
)
async def test_a_number_that_is_not_whole_fails_in_the_call_not_in_the_thread(
    name: str, arguments: tuple[Any, ...]
) -> None:
    async with open_stage() as stage, stage.server.open_display(8, 8) as shown:
        with pytest.raises(TypeError):
            await getattr(shown, name)(*arguments)
        assert await shown.read() == bytes(256)


async def test_whole_numbers_of_other_kinds_are_taken() -> None:
    async with open_stage() as stage, stage.server.open_display(300, 8) as shown:
        small = np.uint8(200)
        await shown.fill(small, 0, np.uint8(100), np.int64(8), np.int32(0xABCDEF))  # type: ignore[arg-type]
        await shown.copy_area(0, 0, small, 8, np.uint8(100), 0)  # type: ignore[arg-type]
        assert await shown.read(Rect(299, 7, 300, 8)) == bytes((0xEF, 0xCD, 0xAB, 0))
        assert await shown.read(Rect(100, 0, 101, 1)) == bytes((0xEF, 0xCD, 0xAB, 0))


@pytest.mark.parametrize("size", [(0, 1), (1, 0), (8193, 1), (1, 8193), (-1, 5)])
async def test_a_display_of_an_impossible_size_is_not_opened(size: tuple[int, int]) -> None:
    async with open_stage() as stage:
        with pytest.raises(ValueError, match="expected 1 x 1 to 8192 x 8192"):
            async with stage.server.open_display(*size):
                pass
        assert all(kind == ChannelType.MAIN for kind, _ in stage.server.channels)


async def test_the_widest_and_the_highest_display_are_shown() -> None:
    for width, height in ((8192, 2), (2, 8192)):
        async with (
            open_stage() as stage,
            stage.server.open_display(width, height) as shown,
            stage.viewer() as viewer,
        ):
            await shown.draw_image(0, 0, noise(width, height), width=width, height=height)
            channel = await viewer.open_display()
            await shows(viewer, channel, shown)
            await channel.stream.aclose()


async def test_a_draw_that_is_cancelled_is_drawn_wholly_or_not_at_all() -> None:
    async with open_stage() as stage, stage.server.open_display(256, 256) as shown:
        for round_number in range(40):
            pixel = bytes((round_number + 1, 2, 3, 0))
            before = await shown.read()
            after = pixel * 256 * 256
            with trio.move_on_after(0.0002 * (round_number % 8)) as scope:
                await shown.draw_frame(bytearray(after))
            now = await shown.read()
            assert now in (before, after)
            if not scope.cancelled_caught:
                assert now == after
