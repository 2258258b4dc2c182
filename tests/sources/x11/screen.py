"""An X client of the tests' own, in blocking calls: it draws, reads the screen, and gets the events of one window."""

from __future__ import annotations

import os
import random
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import trio
import xcffib
import xcffib.xfixes
import xcffib.xproto
import xcffib.xtest
from PIL import Image
from xcffib import xproto

ALL_PLANES = 0xFFFFFFFF
INPUT_EVENTS = (
    xproto.KeyPressEvent,
    xproto.KeyReleaseEvent,
    xproto.ButtonPressEvent,
    xproto.ButtonReleaseEvent,
    xproto.MotionNotifyEvent,
)
_Connection: Any = xcffib.Connection
_Rectangle: Any = xproto.RECTANGLE


class Screen:
    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.core = connection.core
        self.info = connection.setup.roots[0]
        self.root = self.info.root
        self._gc = connection.generate_id()
        self.core.CreateGC(self._gc, self.root, xproto.GC.SubwindowMode, [xproto.SubwindowMode.IncludeInferiors])
        self.settle()

    def settle(self) -> None:
        """Return once the X server has done all that was asked for."""
        self.core.GetInputFocus().reply()

    def size(self) -> tuple[int, int]:
        geometry = self.core.GetGeometry(self.root).reply()
        return geometry.width, geometry.height

    def fill(self, x: int, y: int, width: int, height: int, color: int) -> None:
        self.core.ChangeGC(self._gc, xproto.GC.Foreground, [color])
        area = _Rectangle.synthetic(x, y, width, height)
        self.core.PolyFillRectangle(self.root, self._gc, 1, [area])
        self.connection.flush()

    def scribble(self, values: random.Random, count: int) -> None:
        width, height = self.size()
        for _ in range(count):
            self.core.ChangeGC(self._gc, xproto.GC.Foreground, [values.randrange(1 << 24)])
            place = values.randrange(width), values.randrange(height), values.randint(1, 90), values.randint(1, 40)
            self.core.PolyFillRectangle(self.root, self._gc, 1, [_Rectangle.synthetic(*place)])
        self.connection.flush()

    def rgb(self) -> bytes:
        width, height = self.size()
        request = self.core.GetImage(xproto.ImageFormat.ZPixmap, self.root, 0, 0, width, height, ALL_PLANES)
        data = struct.pack(f"{width * height * 4}B", *request.reply().data)
        return Image.frombytes("RGB", (width, height), data, "raw", "BGRX").tobytes()

    def window(self, width: int = 200, height: int = 150) -> int:
        """A window at the top left that has the focus and gets keys, buttons and motions."""
        window: int = self.connection.generate_id()
        mask = xproto.EventMask
        events = mask.KeyPress | mask.KeyRelease | mask.ButtonPress | mask.ButtonRelease | mask.PointerMotion
        self.core.CreateWindow(
            self.info.root_depth,
            window,
            self.root,
            0,
            0,
            width,
            height,
            0,
            xproto.WindowClass.InputOutput,
            self.info.root_visual,
            xproto.CW.BackPixel | xproto.CW.EventMask,
            [0, events],
        )
        self.core.MapWindow(window)
        self.core.SetInputFocus(xproto.InputFocus.PointerRoot, window, xproto.Time.CurrentTime)
        self.settle()
        return window

    def events(self) -> list[tuple[str, int]]:
        """What the window got since the last time: name and detail of each event."""
        got = []
        while event := self.connection.poll_for_event():
            # Others, such as of a keymap taken over from another keyboard, come to every client.
            if isinstance(event, INPUT_EVENTS):
                got.append((type(event).__name__.removesuffix("Event"), event.detail))
        return got

    async def gather(self, count: int) -> list[tuple[str, int]]:
        """So many events of the window."""
        got = self.events()
        with trio.move_on_after(10):
            while len(got) < count:
                await trio.sleep(0.01)
                got += self.events()
        return got

    def keysym(self, keycode: int) -> int:
        return int(self.core.GetKeyboardMapping(keycode, 1).reply().keysyms[0])

    def server_pid(self) -> int:
        descriptor = os.dup(self.connection.get_file_descriptor())
        with socket.socket(fileno=descriptor) as transport:
            peer = transport.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", peer)[0])

    def pointer(self) -> tuple[int, int, int]:
        """Its place, and which buttons and modifiers are down."""
        reply = self.core.QueryPointer(self.root).reply()
        return reply.root_x, reply.root_y, reply.mask

    def pressed_keys(self) -> list[int]:
        return [
            keycode for keycode in range(256) if self.core.QueryKeymap().reply().keys[keycode // 8] >> keycode % 8 & 1
        ]


@contextmanager
def open_screen_client(environment: dict[str, str]) -> Iterator[Screen]:
    connection = _Connection(environment["DISPLAY"])
    try:
        yield Screen(connection)
    finally:
        connection.disconnect()
