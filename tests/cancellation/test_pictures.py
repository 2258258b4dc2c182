"""Drawing that is cancelled, by the application or under it, while viewers look on fast, slowly, or not at all."""

from __future__ import annotations

import gc
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar

import pytest
import trio

from tests.cancellation.guests import Guest
from tests.cancellation.harness import Scenario, Stage, cases, every_place

WIDTH, HEIGHT = 64, 48
LARGE = 512
NOISE = random.Random(1).randbytes(4 * LARGE * LARGE)


class Canvas:
    """A display as it should be: rows of BGRX."""

    def __init__(self) -> None:
        self.data = bytearray(4 * WIDTH * HEIGHT)

    def put(self, x: int, y: int, width: int, rows: list[bytes]) -> bytes:
        for row, pixels in enumerate(rows):
            start = 4 * ((y + row) * WIDTH + x)
            self.data[start : start + 4 * width] = pixels
        return bytes(self.data)

    def rows(self, x: int, y: int, width: int, height: int) -> list[bytes]:
        starts = [4 * ((y + row) * WIDTH + x) for row in range(height)]
        return [bytes(self.data[start : start + 4 * width]) for start in starts]


def _without_x(pixels: bytes) -> bytes:
    return b"".join(pixels[i : i + 3] + b"\0" for i in range(0, len(pixels), 4))


IMAGE = _without_x(NOISE[: 4 * 20 * 10])
FRAME = _without_x(NOISE[4000 : 4000 + 4 * WIDTH * HEIGHT])


def updates(stage: Stage) -> list[Callable[[], Awaitable[None]]]:
    display = stage.display
    return [
        partial(display.fill, 0, 0, 40, 30, 0x336699),
        partial(display.draw_image, 5, 7, IMAGE, width=20, height=10),
        partial(display.copy_area, 30, 20, 20, 10, 5, 7),
        partial(display.draw_frame, FRAME),
        partial(display.fill, 10, 10, 20, 20, 0xFF0000),
        partial(display.draw_image, 44, 38, IMAGE, width=20, height=10),
    ]


def expected_updates() -> list[bytes]:
    canvas = Canvas()
    image = [IMAGE[i : i + 80] for i in range(0, len(IMAGE), 80)]
    return [
        bytes(canvas.data),
        canvas.put(0, 0, 40, [b"\x99\x66\x33\0" * 40] * 30),
        canvas.put(5, 7, 20, image),
        canvas.put(30, 20, 20, canvas.rows(5, 7, 20, 10)),
        canvas.put(0, 0, WIDTH, [FRAME[i : i + 4 * WIDTH] for i in range(0, len(FRAME), 4 * WIDTH)]),
        canvas.put(10, 10, 20, [b"\0\0\xff\0" * 20] * 20),
        canvas.put(44, 38, 20, image),
    ]


async def watch_updates(stage: Stage) -> None:
    guest = stage.guest()
    await guest.come()
    channel = await guest.open_display()
    await guest.watch(channel, lambda screen: screen.marked)
    stage.cue("looking").set()
    await guest.watch(channel, lambda screen: screen.pixels() == UPDATES[-1])


async def draw_updates(stage: Stage) -> None:
    await stage.cue("looking").wait()
    await stage.draw(*updates(stage))


async def read_slowly(stage: Stage) -> None:
    """Take a picture of a megabyte through a small window."""
    guest = await open_slowly(stage)
    channel = guest.channels[-1]
    for _ in range(6):
        await trio.testing.wait_all_tasks_blocked(0.0005)
        channel.framing.receive_data(await channel.stream.receive_some(64 * 1024))
    await guest.watch(channel, lambda screen: screen.marked)


async def open_slowly(stage: Stage) -> Guest:
    guest = stage.guest(connect=partial(stage.connect, receive_buffer=16 * 1024))
    await guest.come()
    await guest.open_display()
    return guest


async def read_no_more(stage: Stage) -> None:
    """Take a little of a picture of a megabyte, and then nothing."""
    guest = await open_slowly(stage)
    channel = guest.channels[-1]
    channel.framing.receive_data(await channel.stream.receive_some(1024))
    await trio.testing.wait_all_tasks_blocked(0.001)


async def draw_noise(stage: Stage) -> None:
    await stage.draw(partial(stage.display.draw_image, 0, 0, NOISE, width=LARGE, height=LARGE))


class Huge:
    """Draws that the thread has to copy, so that they wait for it."""

    FRAMES: ClassVar = [bytearray(_without_x(bytes([number, 7, 9, 0]) * 160 * 120)) for number in range(1, 4)]
    PICTURES: ClassVar = [bytes(4 * 160 * 120), *map(bytes, FRAMES)]


async def draw_huge(stage: Stage) -> None:
    await stage.cue("looking").wait()
    stage.notes["buffers"] = buffers = [bytearray(frame) for frame in Huge.FRAMES]
    await stage.draw(*(partial(stage.display.draw_frame, buffer) for buffer in buffers))


def buffers_are_free(stage: Stage) -> None:
    gc.collect()  # errors hold the frames that they went through
    for buffer in stage.notes.get("buffers", ()):
        buffer.append(0)  # raises if somebody holds its memory still


async def watch_huge(stage: Stage) -> None:
    guest = stage.guest()
    await guest.come()
    channel = await guest.open_display()
    await guest.watch(channel, lambda screen: screen.marked)
    stage.cue("looking").set()
    await guest.watch(channel, lambda screen: screen.pixels() == Huge.PICTURES[-1])


async def come_and_go(stage: Stage) -> None:
    """Look at a second display until it is closed."""
    guest = stage.guest()
    await guest.come()
    await stage.cue("opened").wait()
    assert (2, 1) in await guest.list_channels() or stage.trigger.fired
    channel = await guest.open_display(1)
    await guest.watch(channel, lambda screen: screen.marked)
    stage.cue("looking").set()
    with pytest.raises((EOFError, trio.BrokenResourceError)):
        await guest.watch(channel, lambda screen: False)
    assert "SurfaceDestroy" in guest.screens[channel].counts or stage.trigger.fired


async def open_resize_close(stage: Stage) -> None:
    with stage.scope("second"):
        async with stage.server.open_display(32, 32) as second:
            stage.channels[second.key] = second
            stage.channels[second.cursor.key] = second.cursor
            await second.fill(0, 0, 32, 32, 0x123456)
            stage.cue("opened").set()
            await stage.cue("looking").wait()
            await second.resize(40, 20)
            await second.fill(1, 1, 30, 10, 0x654321)
            assert (second.width, second.height) == (40, 20)
            assert len(await second.read()) == 4 * 40 * 20
            await second.fill(1, 1, 30, 10, 0x111111)


UPDATES = expected_updates()
SCENARIOS = {
    "updates": Scenario(peers=watch_updates, application=draw_updates, pictures=UPDATES),
    "slow": Scenario(peers=read_slowly, application=draw_noise, size=(LARGE, LARGE)),
    "silent": Scenario(
        peers=read_no_more, application=draw_noise, size=(LARGE, LARGE), cut=True, settings={"grace": 0.02}
    ),
    "waiting": Scenario(
        peers=watch_huge, application=draw_huge, size=(160, 120), pictures=Huge.PICTURES, check=buffers_are_free
    ),
    "second": Scenario(peers=come_and_go, application=open_resize_close),
}


@pytest.mark.parametrize(
    ("scenario", "target", "place"),
    [
        *cases(
            "updates", "server", "client", "display client", "display", "application",
            threads=("server", "client", "display client", "display", "application"),
        ),
        *cases("slow", "server", "client", "display client", "display", threads=("server", "client", "display")),
        *cases("silent", "server", "client", "display client", "display"),
        *cases("waiting", "server", "display", "application", threads=("server", "display", "application")),
        *cases(
            "second", "server", "client", "second", "application",
            threads=("server", "client", "second", "application"),
        ),
    ],
)  # fmt: skip
def test_picture_is_right_wherever_something_is_cancelled(scenario: str, target: str, place: str) -> None:
    every_place(SCENARIOS[scenario], target, place)
