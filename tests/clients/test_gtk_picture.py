"""What spice-gtk shows of a server made with the library, and what the library learns of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import trio
from PIL import Image

import spicetrio

from .drawing import Drawing
from .gtk import CLIENT_MOUSE, SERVER_MOUSE, GtkError, OpenGtk, Picture

CAPS = 4
CAPS_LOCK_KEY, NUM_LOCK_KEY = 0x3A, 0x45

compressions = pytest.mark.parametrize("compression", ["off", "lz", "lz4"])


class Heard:
    """The input events that came, with what is the same in every run of a test."""

    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []
        self._changed = trio.Event()

    async def listen(self, inputs: spicetrio.Inputs) -> None:
        async for event in inputs:
            match event:
                case spicetrio.KeyEvent(code, down):
                    self.events.append(("key", code, down))
                case spicetrio.ButtonEvent(button, down):
                    self.events.append(("button", button, down))
                case spicetrio.WheelEvent(steps):
                    self.events.append(("wheel", steps))
                case spicetrio.PointerPosition(x, y, display_id):
                    self.events.append(("position", x, y, display_id))
                case spicetrio.PointerMotion(dx, dy):
                    self.events.append(("motion", dx, dy))
            self._changed.set()
            self._changed = trio.Event()

    async def wait(self, *expected: tuple[object, ...]) -> None:
        """Wait until as many came, compare, and begin anew."""
        assert await self.take(len(expected)) == list(expected)

    async def take(self, count: int) -> list[tuple[object, ...]]:
        """What came, at least so many if time allows."""
        with trio.move_on_after(10):
            while len(self.events) < count:
                await self._changed.wait()
        taken, self.events = self.events, []
        return taken


@pytest.fixture
async def server() -> AsyncIterator[spicetrio.Server]:
    async with spicetrio.open_server(port=0, disable_ticketing=True, name="test server") as server:
        yield server


@pytest.fixture
async def display(server: spicetrio.Server) -> AsyncIterator[spicetrio.Display]:
    async with server.open_display(321, 243) as display:
        yield display


@pytest.fixture
async def inputs(server: spicetrio.Server) -> AsyncIterator[spicetrio.Inputs]:
    async with server.open_inputs() as inputs:
        yield inputs


@pytest.fixture
async def heard(inputs: spicetrio.Inputs, nursery: trio.Nursery) -> Heard:
    heard = Heard()
    nursery.start_soon(heard.listen, inputs)
    return heard


@compressions
async def test_the_first_picture_is_what_was_drawn_before(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display, compression: str
) -> None:
    drawing = Drawing(display, seed=1)
    await drawing.draw(20)
    async with gtk(server.addresses[0], compression=compression) as viewer:
        await viewer.wait_equal(drawing.picture)
        assert await display.read() == (await viewer.picture()).pixels


@compressions
@pytest.mark.parametrize("seed", range(4))
async def test_a_viewer_follows_what_is_drawn(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display, compression: str, seed: int
) -> None:
    drawing = Drawing(display, seed)
    async with gtk(server.addresses[0], compression=compression) as viewer:
        for count in (1, 1, 1, 5, 40, 200):
            await drawing.draw(count)
            await viewer.wait_equal(drawing.picture)


@compressions
async def test_a_picture_wider_than_a_block_of_the_encoders(
    gtk: OpenGtk, server: spicetrio.Server, compression: str
) -> None:
    async with server.open_display(1919, 1081) as display:
        drawing = Drawing(display, seed=5)
        async with gtk(server.addresses[0], compression=compression) as viewer:
            await drawing.draw(10)
            await viewer.wait_equal(drawing.picture)


@pytest.mark.parametrize("compression", ["lz", "lz4"])
async def test_compression_is_what_the_viewer_asked_for(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display, compression: str
) -> None:
    raw = display.width * display.height * 4
    pattern = np.zeros((display.height, display.width, 3), np.uint8)
    pattern[::2, ::3] = 200
    async with gtk(server.addresses[0], compression="off") as viewer:
        before = (await viewer.read_bytes())["display:0"]
        await display.draw_image(0, 0, pattern)
        await viewer.wait_equal(Picture.of_array(pattern))
        assert (await viewer.read_bytes())["display:0"] - before >= raw

        await viewer.prefer_compression(compression)
        await viewer.wait_quiet(100)
        before = (await viewer.read_bytes())["display:0"]
        await display.draw_image(0, 0, 255 - pattern)
        await viewer.wait_equal(Picture.of_array(255 - pattern))
        assert (await viewer.read_bytes())["display:0"] - before < raw / 4


async def test_a_resized_display_begins_black(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display
) -> None:
    drawing = Drawing(display, seed=6)
    async with gtk(server.addresses[0]) as viewer:
        for size in ((400, 300), (64, 48), (333, 1)):
            await drawing.draw(5)
            await drawing.resize(*size)
            await viewer.wait_equal(drawing.picture)
            await drawing.draw(5)
            await viewer.wait_equal(drawing.picture)


async def test_three_viewers_see_the_same(gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display) -> None:
    drawing = Drawing(display, seed=7)
    address = server.addresses[0]
    async with gtk(address, compression="off") as first, gtk(address, compression="lz") as second:
        await drawing.draw(20)
        async with gtk(address, compression="lz4") as third:
            assert len(server.clients.value) == 3
            await drawing.draw(20)
            for viewer in (first, second, third):
                await viewer.wait_equal(drawing.picture)
        with trio.fail_after(5):
            await server.clients.wait_value(lambda viewers: len(viewers) == 2)
        await drawing.draw(20)
        for viewer in (first, second):
            await viewer.wait_equal(drawing.picture)


async def test_viewers_come_and_go_while_drawing_goes_on(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display
) -> None:
    drawing = Drawing(display, seed=12)
    enough = trio.Event()
    arrived = 0

    async def draw() -> None:
        while not enough.is_set():
            await drawing.draw(10)
            await trio.sleep(0.002)

    async def visit(compression: str) -> None:
        nonlocal arrived
        async with gtk(server.addresses[0], compression=compression):
            pass
        async with gtk(server.addresses[0], compression=compression) as viewer:
            arrived += 1
            if arrived == 3:
                enough.set()
            await drawn.wait()
            await viewer.wait_equal(drawing.picture)

    drawn = trio.Event()
    async with trio.open_nursery() as nursery:
        for compression in ("off", "lz", "lz4"):
            nursery.start_soon(visit, compression)
        await draw()
        drawn.set()


async def test_two_displays(gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display, heard: Heard) -> None:
    async with gtk(server.addresses[0]) as viewer:
        async with server.open_display(100, 80) as second:
            drawings = Drawing(display, seed=13), Drawing(second, seed=14)
            await viewer.wait_channels("display:0", "display:1", "cursor:1", "inputs:0")
            for drawing in drawings:
                await drawing.draw(20)
            for drawing in drawings:
                await viewer.wait_equal(drawing.picture, display=drawing.display.id)
            await viewer.request_mouse_mode(CLIENT_MOUSE)
            await viewer.wait_get("main:0", "mouse-mode", CLIENT_MOUSE)
            await viewer.request("position", x=9, y=8, mask=0, display=second.id)
            await heard.wait(("position", 9, 8, second.id))
        await drawings[0].draw(20)
        await viewer.wait_equal(drawings[0].picture)


async def test_a_frozen_viewer_holds_up_nobody_and_catches_up(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display
) -> None:
    drawing = Drawing(display, seed=8)
    async with gtk(server.addresses[0]) as frozen, gtk(server.addresses[0]) as other:
        frozen.stop()
        for _ in range(10):
            await drawing.draw(50)
            await other.wait_equal(drawing.picture, timeout=3)
        frozen.resume()
        await frozen.wait_equal(drawing.picture)


async def test_a_viewer_may_want_no_picture(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display, inputs: spicetrio.Inputs
) -> None:
    async with gtk(server.addresses[0], channels=["inputs"], picture=False) as viewer:
        assert await viewer.wait_channels("inputs:0") == ["inputs:0", "main:0"]


async def test_viewers_get_the_cursor_and_its_shape(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display
) -> None:
    shape = np.random.default_rng(9).integers(0, 256, (20, 24, 4), np.uint8)
    shape[:, :, 3] = 255
    shape[5:, 5:] = 0
    seen = {"width": 24, "height": 20, "hot_x": 3, "hot_y": 7, "rgba": shape.tobytes().hex()}
    async with gtk(server.addresses[0]) as viewer:
        await viewer.wait_channels("cursor:0")
        display.cursor.set(Image.fromarray(shape, "RGBA"), 3, 7)
        await viewer.wait_event("cursor-set", **seen)

        async with gtk(server.addresses[0]) as late:
            await late.wait_event("cursor-set", **seen)

        mark = len(viewer.events)
        display.cursor.hide()
        await viewer.wait_event("cursor-hide", after=mark)
        mark = len(viewer.events)
        display.cursor.show()
        await viewer.wait_event("cursor-move", after=mark)

        mark = len(viewer.events)
        bgra = np.ascontiguousarray(shape[:, :, [2, 1, 0, 3]]).tobytes()
        display.cursor.set(bgra, 0, 0, width=24, height=20)
        await viewer.wait_event("cursor-set", after=mark, **seen | {"hot_x": 0, "hot_y": 0})


async def test_more_cursors_than_a_viewer_remembers(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display
) -> None:
    async with gtk(server.addresses[0]) as viewer:
        await viewer.wait_channels("cursor:0")
        for number in [*range(260), 0, 259, 1, 4, 258]:
            shape = Image.new("RGBA", (4, 4), (number & 255, number >> 8, 9, 255))
            mark = len(viewer.events)
            display.cursor.set(shape, 0, 0)
            await viewer.wait_event("cursor-set", after=mark, rgba=shape.tobytes().hex())


async def test_half_transparent_cursors_keep_their_colours(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display
) -> None:
    shape = np.zeros((16, 16, 4), np.uint8)
    shape[:] = (200, 100, 50, 128)
    async with gtk(server.addresses[0]) as viewer:
        await viewer.wait_channels("cursor:0")
        mark = len(viewer.events)
        display.cursor.set(Image.fromarray(shape, "RGBA"), 0, 0)
        seen = await viewer.wait_event("cursor-set", after=mark)
    got = np.frombuffer(bytes.fromhex(seen["rgba"]), np.uint8).reshape(16, 16, 4).astype(int)
    assert abs(got - shape.astype(int)).max() <= 2, got[0, 0]


async def test_the_cursor_survives_a_resize(gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display) -> None:
    shapes = [Image.new("RGBA", (8, 8), (60 * i, 0, 255, 255)) for i in range(4)]
    async with gtk(server.addresses[0]) as viewer:
        await viewer.wait_channels("cursor:0")
        for width in range(100, 104):
            mark = len(viewer.events)
            for shape in shapes:
                display.cursor.set(shape, 0, 0)
            await display.resize(width, 100)
            await viewer.wait_event("cursor-set", after=mark, rgba=shapes[-1].tobytes().hex(), timeout=5)
            shapes.insert(0, shapes.pop())


async def test_the_cursor_moves_in_server_mouse_mode(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display, inputs: spicetrio.Inputs
) -> None:
    display.cursor.set(Image.new("RGBA", (8, 8), (255, 0, 0, 255)), 0, 0)
    async with gtk(server.addresses[0]) as viewer:
        await viewer.wait_channels("cursor:0")
        await viewer.request_mouse_mode(SERVER_MOUSE)
        await viewer.wait_get("main:0", "mouse-mode", SERVER_MOUSE)
        display.cursor.move(17, 23)
        await viewer.wait_event("cursor-move", x=17, y=23)


async def test_pointer_in_both_mouse_modes(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display, heard: Heard
) -> None:
    async with gtk(server.addresses[0]) as viewer:
        await viewer.wait_channels("inputs:0")
        await viewer.request_mouse_mode(CLIENT_MOUSE)
        await viewer.wait_get("main:0", "mouse-mode", CLIENT_MOUSE)
        await viewer.position(100, 50)
        await heard.wait(("position", 100, 50, 0))

        await viewer.request_mouse_mode(SERVER_MOUSE)
        await viewer.wait_get("main:0", "mouse-mode", SERVER_MOUSE)
        await viewer.motion(-3, 12)
        await heard.wait(("motion", -3, 12))


async def test_a_long_drag_is_not_cut_short(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display, heard: Heard
) -> None:
    async with gtk(server.addresses[0]) as viewer:
        await viewer.wait_channels("inputs:0")
        await viewer.request_mouse_mode(CLIENT_MOUSE)
        await viewer.wait_get("main:0", "mouse-mode", CLIENT_MOUSE)
        await viewer.position(10, 10)
        await viewer.button(1, down=True)
        await heard.wait(("position", 10, 10, 0), ("button", 1, True))
        for x in range(11, 60):
            await viewer.position(x, 10, mask=1)
            await heard.wait(("position", x, 10, 0))
        await viewer.button(1, down=False)
        await heard.wait(("button", 1, False))


async def test_keys(gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display, heard: Heard) -> None:
    async with gtk(server.addresses[0]) as viewer:
        await viewer.wait_channels("inputs:0")
        await viewer.key(30, down=True)
        await heard.wait(("key", 30, True))
        await viewer.key(30, down=False)
        await heard.wait(("key", 30, False))
        await viewer.tap(0x11D, 28)  # right control
        await heard.wait(("key", 0xE01D, True), ("key", 0xE01D, False), ("key", 28, True), ("key", 28, False))


async def test_buttons_and_wheel(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display, heard: Heard
) -> None:
    async with gtk(server.addresses[0]) as viewer:
        await viewer.wait_channels("inputs:0")
        await viewer.position(5, 6)
        await heard.wait(("position", 5, 6, 0))
        for button in (1, 2, 3, 6, 7):
            await viewer.click(button)
            await heard.wait(("button", button, True), ("button", button, False))
        await viewer.click(4)
        await viewer.click(5)
        await heard.wait(("wheel", -1), ("wheel", 1))


async def test_what_a_viewer_held_is_released_when_it_goes(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display, heard: Heard
) -> None:
    async with gtk(server.addresses[0]) as viewer:
        await viewer.wait_channels("inputs:0")
        await viewer.position(5, 6)
        await viewer.key(42, down=True)
        await viewer.button(3, down=True)
        await heard.wait(("position", 5, 6, 0), ("key", 42, True), ("button", 3, True))
    assert sorted(await heard.take(2)) == [("button", 3, False), ("key", 42, False)]


async def test_locks_are_in_step(
    gtk: OpenGtk, server: spicetrio.Server, display: spicetrio.Display, inputs: spicetrio.Inputs, heard: Heard
) -> None:
    async with gtk(server.addresses[0]) as viewer:
        await viewer.wait_channels("inputs:0")
        inputs.set_locks(spicetrio.Locks.NUM)
        await viewer.wait_get("inputs:0", "key-modifiers", spicetrio.Locks.NUM.value)

        await viewer.set_locks(spicetrio.Locks.NUM | CAPS)
        await heard.wait(("key", CAPS_LOCK_KEY, True), ("key", CAPS_LOCK_KEY, False))
        inputs.set_locks(spicetrio.Locks.NUM | spicetrio.Locks.CAPS)
        await viewer.wait_get("inputs:0", "key-modifiers", spicetrio.Locks.NUM | CAPS)
        assert inputs.locks.value == spicetrio.Locks.NUM | spicetrio.Locks.CAPS

        async with gtk(server.addresses[0]) as late:
            await late.wait_event("modifiers", locks=spicetrio.Locks.NUM | CAPS)
            # The library says at first that its locks are all off, until its window tells it better. It does not type.
            await late.position(5, 6)
            await heard.wait(("position", 5, 6, 0))
            assert inputs.locks.value == spicetrio.Locks.NUM | spicetrio.Locks.CAPS

        await viewer.set_locks(spicetrio.Locks.NUM | CAPS)  # in step already: nothing to press
        await viewer.tap(30)
        await heard.wait(("key", 30, True), ("key", 30, False))


async def test_name_and_uuid(gtk: OpenGtk) -> None:
    uuid = UUID("11223344-5566-7788-99aa-bbccddeeff00")
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True, name="Grüße", uuid=uuid) as server,
        server.open_display(32, 32),
        gtk(server.addresses[0]) as viewer,
    ):
        await viewer.wait_get("session", "name", "Grüße")
        await viewer.wait_get("session", "uuid", uuid.hex)


async def test_the_right_ticket_opens(gtk: OpenGtk) -> None:
    async with (
        spicetrio.open_server(port=0, ticket="sésame") as server,
        server.open_display(32, 32),
        server.open_inputs(),
        gtk(server.addresses[0], password="sésame") as viewer,
    ):
        await viewer.wait_channels("display:0", "cursor:0", "inputs:0")


@pytest.mark.parametrize("password", ["wrong", None])
async def test_a_wrong_ticket_is_told_so(gtk: OpenGtk, password: str | None) -> None:
    async with (
        spicetrio.open_server(port=0, ticket="right", failure_delay=0.1) as server,
        server.open_display(32, 32),
        gtk(server.addresses[0], password=password, picture=False) as viewer,
    ):
        await viewer.wait_event("channel-event", channel="main:0", what="error-auth")
        assert server.clients.value == ()
        with pytest.raises(GtkError):
            await viewer.request("wait_picture", timeout=0.2)


async def test_over_a_unix_socket(gtk: OpenGtk, tmp_path: Path) -> None:
    async with (
        spicetrio.open_server(unix=tmp_path / "spice.socket", disable_ticketing=True) as server,
        server.open_display(100, 100) as display,
    ):
        (address,) = (a for a in server.addresses if a.startswith("spice+unix"))
        async with gtk(address) as viewer:
            drawing = Drawing(display, seed=10)
            await drawing.draw(10)
            await viewer.wait_equal(drawing.picture)


async def test_over_ipv6(gtk: OpenGtk) -> None:
    async with (
        spicetrio.open_server(host="::1", port=0, disable_ticketing=True) as server,
        server.open_display(100, 100) as display,
    ):
        assert server.addresses[0].startswith("spice://[::1]:")
        async with gtk(server.addresses[0]) as viewer:
            drawing = Drawing(display, seed=11)
            await drawing.draw(10)
            await viewer.wait_equal(drawing.picture)


async def test_a_viewer_is_told_when_the_server_ends(gtk: OpenGtk, nursery: trio.Nursery) -> None:
    end = trio.Event()

    async def serve(task_status: trio.TaskStatus[str]) -> None:
        async with spicetrio.open_server(port=0, disable_ticketing=True) as server, server.open_display(64, 64):
            task_status.started(server.addresses[0])
            await end.wait()

    address = await nursery.start(serve)
    async with gtk(address) as viewer:
        end.set()
        await viewer.wait_event("channel-event", channel="main:0", what="closed")
