"""The demo: its panels on one display, and the way of inputs to them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import trio
from PIL import Image

from spicetrio import ButtonEvent, KeyEvent, PointerMotion, PointerPosition, WheelEvent
from spicetrio.sources.demo import cursors, theme
from spicetrio.sources.demo.clock import ClockPanel
from spicetrio.sources.demo.exchange import Exchange
from spicetrio.sources.demo.guests import Guests
from spicetrio.sources.demo.journal import Journal
from spicetrio.sources.demo.keyboard import KeyboardPanel
from spicetrio.sources.demo.layout import Box, Layout
from spicetrio.sources.demo.motion import MotionPanel
from spicetrio.sources.demo.paint import PaintPanel
from spicetrio.sources.demo.sound import SoundPanel
from spicetrio.sources.demo.ticker import Ticker
from spicetrio.sources.demo.viewers import ViewersPanel

if TYPE_CHECKING:
    from spicetrio import Agent, Display, Inputs, Playback, Record, Server
    from spicetrio.sources.demo.cursors import Shape
    from spicetrio.sources.demo.guests import Guest
    from spicetrio.sources.demo.panel import Panel


async def serve_demo(
    server: Server,
    *,
    size: tuple[int, int] = (1024, 768),
    playback: bool = True,
    record: bool = True,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve a display that shows at once that everything works.

    It needs nothing but a server: there is something to type in, something to paint on, something to play on, and
    something that moves. Several viewers can use it at the same time.

    Args:
        server: What it opens its channels on.
        size: Width and height of the display.
        playback: Viewers can hear something.
        record: Viewers can turn microphones on.
        task_status: Told once the first picture is complete.

    Cancellation: the demo ends.

    Raises:
        ValueError: The size is too small.
    """
    layout = Layout.of(*size)
    async with AsyncExitStack() as stack:
        display = await stack.enter_async_context(server.open_display(*size))
        inputs = await stack.enter_async_context(server.open_inputs())
        heard = await stack.enter_async_context(server.open_playback()) if playback else None
        said = await stack.enter_async_context(server.open_record()) if record else None
        agent = await stack.enter_async_context(server.open_agent())
        nursery = await stack.enter_async_context(trio.open_nursery())
        desk = Desk(server, display, inputs, agent, layout, heard, said)
        await desk.show()
        for panel in desk.panels:
            nursery.start_soon(panel.run, name=f"demo {type(panel).__name__}")
        nursery.start_soon(desk.follow_viewers)
        nursery.start_soon(desk.dispatch)
        nursery.start_soon(desk.exchange.run)
        task_status.started()


class Desk:
    """All panels.

    Args:
        server: Whose viewers are listed.
        display: What is drawn on.
        inputs: Where keys and the mouse come from.
        agent: Where copied text and files come from.
        layout: Where the panels are.
        playback: What viewers hear, if they do.
        record: What viewers say, if they may.
    """

    def __init__(
        self,
        server: Server,
        display: Display,
        inputs: Inputs,
        agent: Agent,
        layout: Layout,
        playback: Playback | None = None,
        record: Record | None = None,
    ) -> None:
        self._server = server
        self._display = display
        self._inputs = inputs
        self._layout = layout
        self._shape: Shape | None = None
        self._guests = Guests(layout.width // 2, layout.height // 2)
        self._journal = Journal(display, layout.journal, server)
        self._keyboard = KeyboardPanel(display, layout.keyboard, server, inputs, self._journal)
        self._sound = SoundPanel(display, layout.sound, playback, record, self._journal)
        self.exchange = Exchange(agent, self._keyboard, self._journal, self._guests)
        self._viewers = ViewersPanel(display, layout.viewers, server, self._guests)
        self.panels: tuple[Panel, ...] = (
            PaintPanel(display, layout.paint, self._journal),
            self._keyboard,
            self._sound,
            ClockPanel(display, layout.clock, server),
            MotionPanel(display, layout.motion, server, self._journal),
            self._viewers,
            self._journal,
            Ticker(display, layout.ticker, server),
        )

    async def show(self) -> None:
        """Draw everything for the first time.

        Cancellation: it is not complete.
        """
        await self._display.fill(0, 0, self._layout.width, self._layout.height, theme.GROUND)
        await self._display.draw_image(self._layout.header.x, self._layout.header.y, _header(self._layout))
        self._journal.add("The demo is ready", theme.GREEN)
        for panel in self.panels:
            await panel.show()
        self._point(cursors.arrow())

    async def follow_viewers(self) -> None:
        """Keep the guests those who are connected."""
        async for viewers in self._server.clients.eventual_values():
            come, gone = self._guests.keep(viewers)
            for guest in come:
                self._journal.add(f"{guest.viewer.peer} came", guest.color)
            for guest in gone:
                self._keyboard.leave(guest)
                self._journal.add(f"{guest.viewer.peer} left", guest.color)
            self._viewers.wake()

    async def dispatch(self) -> None:
        """Bring each input to the panel it is for."""
        async for event in self._inputs:
            if event.viewer not in self._guests and event.viewer not in self._server.clients.value:
                continue  # what somebody held who has gone; we have let go of it already
            guest = self._guests.of(event.viewer)
            match event:
                case KeyEvent(code=code, down=down):
                    self._sound.key(guest, code, down)
                    self._keyboard.key(guest, code, down)
                    if down:
                        self.exchange.key(guest, code)
                case PointerPosition(x=x, y=y):
                    self._move(guest, x, y)
                case PointerMotion(dx=dx, dy=dy):
                    self._move(guest, guest.x + dx, guest.y + dy)
                    self._display.cursor.move(guest.x, guest.y)
                case ButtonEvent(button=button, down=True):
                    self._press(guest, button)
                case ButtonEvent(button=button):
                    self._release(guest, button)
                case WheelEvent(steps=steps):
                    panel = self._panel(guest)
                    if panel is not None:
                        panel.wheel(guest, steps)
            self._follow(guest)

    def _panel(self, guest: Guest) -> Panel | None:
        """Return the panel that somebody's pointer belongs to."""
        if guest.grab is not None:
            return guest.grab
        return next((panel for panel in self.panels if panel.box.holds(guest.x, guest.y)), None)

    def _move(self, guest: Guest, x: int, y: int) -> None:
        guest.x = min(max(x, 0), self._layout.width - 1)
        guest.y = min(max(y, 0), self._layout.height - 1)
        panel = self._panel(guest)
        if panel is not None:
            panel.move(guest)

    def _press(self, guest: Guest, button: int) -> None:
        guest.grab = self._panel(guest)
        guest.buttons.add(button)
        if guest.grab is not None:
            guest.grab.press(guest, button)

    def _release(self, guest: Guest, button: int) -> None:
        guest.buttons.discard(button)
        if guest.grab is not None:
            guest.grab.release(guest, button)
        if not guest.buttons:
            guest.grab = None

    def _follow(self, guest: Guest) -> None:
        """Give the pointer the shape for where it is; all viewers have one pointer, the one that moved last."""
        panel = self._panel(guest)
        self._point(panel.shape(guest) if panel is not None else cursors.arrow())

    def _point(self, shape: Shape) -> None:
        if shape is not self._shape:
            self._shape = shape
            self._display.cursor.set(shape.image, shape.hot_x, shape.hot_y)


def _header(layout: Layout) -> Image.Image:
    """Return the strip with the name."""
    box = layout.header
    image = theme.plain(box.width, box.height, theme.GROUND)
    middle = box.height / 2 + 1
    for x, y, radius, color in ((10, 7, 8, theme.TEAL), (26, 7, 8, theme.AMBER), (18, -8, 8, theme.ROSE)):
        theme.disc(image, x, middle + y, radius, color)
    theme.write(image, 46, middle, "spicetrio", 26, theme.TEXT)
    left = 46 + theme.text_width("spicetrio", 26) + 16
    theme.write(image, left, middle + 3, "a SPICE server on Trio · this is its demo", 14, theme.MUTED)
    size = f"{layout.width} x {layout.height}"
    badge = round(theme.text_width(size, 13)) + 22
    theme.round_box(image, Box(box.width - badge, round(middle) - 13, badge, 26), 13, theme.PANEL, theme.EDGE)
    theme.write(image, box.width - badge / 2, middle, size, 13, theme.SOFT, "middle")
    return image
