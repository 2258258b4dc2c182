"""The Trio end of `gtk_probe.py`: a spice-gtk client as an async context manager.

    async with open_gtk("spice://127.0.0.1:5900", password="secret") as viewer:
        await viewer.wait_equal(expected)

Every request has a deadline, and the client's process ends with the block.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import trio
from PIL import Image

from spicetrio import Rect

from .processes import complaints, open_child

SYSTEM_PYTHON = "/usr/bin/python3"
PROBE = Path(__file__).with_name("gtk_probe.py")
REQUEST_TIMEOUT = 15.0

SERVER_MOUSE = 1
CLIENT_MOUSE = 2


class GtkError(Exception):
    """The client could not do what it was asked."""


@dataclass(frozen=True)
class Picture:
    """What a client shows: rows of B, G, R, x without padding."""

    width: int
    height: int
    pixels: bytes

    @classmethod
    def of_image(cls, image: Image.Image) -> Picture:
        pixels = image.convert("RGB").tobytes("raw", "BGRX")
        return cls(image.width, image.height, pixels)

    @classmethod
    def of_array(cls, array: np.ndarray) -> Picture:
        """Of height x width x 3 bytes of red, green, blue."""
        return cls.of_image(Image.fromarray(array))

    def image(self) -> Image.Image:
        return Image.frombuffer("RGB", (self.width, self.height), self.pixels, "raw", "BGRX", 0, 1)

    def array(self) -> np.ndarray:
        """Height x width x 3 bytes of red, green, blue."""
        return np.asarray(self.image())

    def difference(self, other: Picture) -> str:
        """Empty when the colours of all pixels are equal; else where and how many are not."""
        if (self.width, self.height) != (other.width, other.height):
            return f"{self.width}x{self.height} against {other.width}x{other.height}"
        ys, xs = np.nonzero((self.array() != other.array()).any(axis=2))
        if not len(xs):
            return ""
        return f"{len(xs)} pixels differ within x {xs.min()}..{xs.max()}, y {ys.min()}..{ys.max()}"


@dataclass
class GtkClient:
    """One running client. Made by `open_gtk`."""

    process: trio.Process
    folder: Path
    events: list[dict[str, Any]] = field(default_factory=list)
    """Everything the client reported unasked, oldest first."""
    errors: bytearray = field(default_factory=bytearray)
    """Its standard error so far."""
    _answers: dict[int, dict[str, Any]] = field(default_factory=dict)
    _changed: trio.Event = field(default_factory=trio.Event)
    _next_id: int = 0
    _ended: bool = False

    async def request(self, do: str, *, timeout: float = REQUEST_TIMEOUT, **fields: Any) -> Any:  # noqa: ASYNC109
        """Send one request and give its answer; `timeout` is the client's own deadline for it."""
        self._next_id += 1
        number = self._next_id
        line = json.dumps({"id": number, "do": do, "timeout": timeout, **fields}) + "\n"
        assert self.process.stdin is not None
        with trio.fail_after(timeout + 5):
            await self.process.stdin.send_all(line.encode())
            while number not in self._answers:
                if self._ended:
                    raise GtkError(f"the client ended while asked to {do}; see its standard error")
                await self._changed.wait()
        answer = self._answers.pop(number)
        if "error" in answer:
            raise GtkError(f"{do}: {answer['error']}")
        return answer["ok"]

    async def wait_event(
        self,
        event: str,
        *,
        after: int = 0,
        timeout: float = REQUEST_TIMEOUT,  # noqa: ASYNC109
        **fields: Any,
    ) -> dict[str, Any]:
        """The first event of that name with those fields among `events[after:]`, waited for if need be."""

        def found() -> dict[str, Any] | None:
            for seen in self.events[after:]:
                if seen["event"] == event and fields.items() <= seen.items():
                    return seen
            return None

        with trio.move_on_after(timeout):
            while (seen := found()) is None and not self._ended:
                await self._changed.wait()
        if (seen := found()) is None:
            raise GtkError(f"no {event} {fields} among {self.events[after:]}")
        return seen

    async def wait_picture(self, *, display: int = 0) -> tuple[int, int]:
        """Wait until the client may show its display; its width and height."""
        shown = await self.request("wait_picture", display=display)
        return shown["width"], shown["height"]

    async def picture(self, *, display: int = 0) -> Picture:
        """What the client has now."""
        file = self.folder / "picture"
        shape = await self.request("picture", display=display, file=str(file))
        return Picture(shape["width"], shape["height"], await trio.Path(file).read_bytes())

    async def wait_equal(
        self,
        expected: Picture,
        *,
        display: int = 0,
        timeout: float = REQUEST_TIMEOUT,  # noqa: ASYNC109
    ) -> None:
        """Wait until the client's picture is the expected one, pixel by pixel."""
        file = self.folder / "expected"
        await trio.Path(file).write_bytes(expected.pixels)
        try:
            await self.request(
                "wait_equal",
                display=display,
                file=str(file),
                width=expected.width,
                height=expected.height,
                timeout=timeout,
            )
        except GtkError as error:
            difference = (await self.picture(display=display)).difference(expected)
            raise AssertionError(f"{error}; {difference}") from error

    async def wait_similar(
        self,
        expected: Picture,
        *,
        display: int = 0,
        loss: float = 5,
        timeout: float = REQUEST_TIMEOUT,  # noqa: ASYNC109
    ) -> None:
        """Wait until the client's picture is the expected one but for what a codec loses (see `difference`)."""
        found = math.inf
        with trio.move_on_after(timeout):
            while (found := await self.difference(expected, display=display)) > loss:  # noqa: ASYNC110
                await trio.sleep(0.05)
            return
        raise AssertionError(f"the picture never became the expected one: a difference of {found:.1f}")

    async def difference(self, expected: Picture, *, display: int = 0) -> float:
        """How much colors differ on average over all pixels, of 255; infinite with another size, or no picture."""
        if not await self.request("has_picture", display=display):
            return math.inf
        picture = await self.picture(display=display)
        if (picture.width, picture.height) != (expected.width, expected.height):
            return math.inf
        return float(np.abs(picture.array().astype(int) - expected.array()).mean())

    async def wait_quiet(self, milliseconds: int = 300, *, display: int = 0) -> None:
        """Wait until nothing of the picture has changed for so long."""
        await self.request("wait_quiet", milliseconds=milliseconds, display=display)

    async def wait_monitors(self, areas: Iterable[Rect], *, display: int = 0) -> None:
        """Wait until the client's monitors show those areas of a display."""
        places = [[area.left, area.top, area.width, area.height] for area in areas]
        await self.request("wait_monitors", areas=places, display=display)

    async def wait_channels(self, *names: str) -> list[str]:
        """Wait until the named channels ("inputs:0") are open; the names of all there are."""
        return await self.request("wait_channels", names=names)

    async def key(self, code: int, *, down: bool) -> None:
        """Press or release a key: its PC set-1 code, 0x100 added where that has an E0 prefix."""
        await self.request("key", code=code, down=down)

    async def tap(self, *codes: int) -> None:
        """Press and release keys, one after another."""
        for code in codes:
            await self.request("tap", code=code)

    async def position(self, x: int, y: int, *, mask: int = 0) -> None:
        await self.request("position", x=x, y=y, mask=mask)

    async def motion(self, dx: int, dy: int, *, mask: int = 0) -> None:
        await self.request("motion", dx=dx, dy=dy, mask=mask)

    async def button(self, button: int, *, down: bool) -> None:
        """Press or release one of the protocol's buttons: 1 left, 2 middle, 3 right, 4 and 5 the wheel."""
        held = 1 << (button - 1) if button <= 3 and down else 0
        await self.request("button", button=button, down=down, mask=held)

    async def click(self, button: int) -> None:
        await self.button(button, down=True)
        await self.button(button, down=False)

    async def set_locks(self, locks: int) -> None:
        """Tell the server the state of this viewer's lock keys: 1 scroll, 2 num, 4 caps."""
        await self.request("set_locks", locks=locks)

    async def get(self, of: str, name: str) -> Any:
        """A property of the session ("session") or of a channel ("main:0")."""
        return await self.request("get", of=of, name=name)

    async def wait_get(self, of: str, name: str, value: object) -> None:
        """Wait until a property has that value."""
        await self.request("wait_get", of=of, name=name, value=value)

    async def request_mouse_mode(self, mode: int) -> None:
        await self.request("request_mouse_mode", mode=mode)

    async def copy(self, kinds: dict[int, bytes], *, selection: int = 0) -> None:
        """Copy something at the viewer, as each of some clipboard types."""
        files = {}
        for kind, data in kinds.items():
            file = self.folder / f"copied-{selection}-{kind}"
            await trio.Path(file).write_bytes(data)
            files[kind] = str(file)
        await self.request("copy", selection=selection, files=files)

    async def paste(self, kind: int, *, selection: int = 0, timeout: float = REQUEST_TIMEOUT) -> tuple[int, bytes]:  # noqa: ASYNC109
        """Ask for what was copied elsewhere; its type, 0 for none, and the data."""
        file = self.folder / f"pasted-{selection}-{kind}"
        got = await self.request("paste", selection=selection, type=kind, file=str(file), timeout=timeout)
        return got["type"], await trio.Path(file).read_bytes()

    async def send_files(self, *files: Path, timeout: float = REQUEST_TIMEOUT) -> dict[str, Any]:  # noqa: ASYNC109
        """Drop files on the viewer; `{"ok": True}` once all are there, or how it failed."""
        return await self.request("send_files", files=[str(file) for file in files], timeout=timeout)

    async def cancel_files(self) -> None:
        """Cancel what `send_files` waits for."""
        await self.request("cancel_files")

    async def wait_capability(self, capability: int, *, there: bool = True) -> None:
        """Wait until the agent has a capability, or has told others and not this one."""
        await self.request("capability", capability=int(capability), value=there)

    async def ask_for_monitors(self, *areas: Rect) -> None:
        """Ask for monitors of these sizes and places."""
        await self.request("monitors", areas=[[area.left, area.top, area.width, area.height] for area in areas])

    async def prefer_compression(self, compression: str) -> None:
        """Ask the server for one of its image compressions from here on."""
        await self.request("compression", compression=compression)

    async def port_write(self, channel: str, data: bytes) -> None:
        """Send bytes to a port ("port:0")."""
        await self.request("port_write", channel=channel, data=data.hex())

    async def port_event(self, channel: str, event: int) -> None:
        """Send a port an event: 0 opened, 1 closed, 2 break."""
        await self.request("port_event", channel=channel, event=event)

    async def port_data(self, channel: str, size: int) -> bytes:
        """Wait for the first bytes that came from a port since the client was started."""
        data = b""
        with trio.fail_after(REQUEST_TIMEOUT):
            while len(data := self._port_data(channel)) < size:
                await self._changed.wait()
        return data

    def _port_data(self, channel: str) -> bytes:
        pieces = [e["data"] for e in self.events if e["event"] == "port-data" and e["channel"] == channel]
        return bytes.fromhex("".join(pieces))

    async def close_channel(self, channel: str) -> None:
        """Close one channel, as a viewer does whose folder is shared no more."""
        await self.request("close_channel", channel=channel)

    async def share_cd(self, file: Path) -> None:
        """Give the server a USB CD drive with the file in it; `usb-connected` comes when it has it."""
        await self.request("share_cd", file=str(file))

    async def sound(self, seconds: float = 1.0) -> bytes:
        """What it heard since it was asked last, once that is so long at 48000 samples a second."""
        file = self.folder / "sound"
        await self.request("sound", file=str(file), size=round(seconds * 48000) * 4)
        return await trio.Path(file).read_bytes()

    async def record(self, samples: bytes, *, seconds: float) -> None:
        """Send samples as its microphone, 10 ms at 48000 samples a second at a time, all of them in so many seconds."""
        file = self.folder / "microphone"
        await trio.Path(file).write_bytes(samples)
        await self.request("record", file=str(file), size=1920, seconds=seconds)

    async def read_bytes(self) -> dict[str, int]:
        """How many bytes each channel has received."""
        return await self.request("read_bytes")

    async def disconnect(self) -> None:
        """End the session; the process stays and can tell of it."""
        await self.request("disconnect")

    def stop(self) -> None:
        """Freeze the process: a viewer that neither reads nor answers."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def _read(self) -> None:
        buffer = b""
        assert self.process.stdout is not None
        async for data in self.process.stdout:
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "event" in message:
                    self.events.append(message)
                else:
                    self._answers[message["id"]] = message
            self._wake()
        self._ended = True
        self._wake()

    async def _read_errors(self) -> None:
        assert self.process.stderr is not None
        async for data in self.process.stderr:
            self.errors += data

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


@asynccontextmanager
async def open_gtk(
    address: str,
    *,
    password: str | None = None,
    channels: Iterable[str] | None = None,
    compression: str | None = None,
    cache_size: int | None = None,
    glz_window_size: int | None = None,
    picture: bool = True,
    read_only: bool = False,
    devices: Mapping[str, Any] | None = None,
) -> AsyncIterator[GtkClient]:
    """Start a client and connect it to `address` (spice://host:port or spice+unix:///path).

    `channels` names the kinds it may open ("display", "inputs", ...; by default all that are offered),
    `compression` is what it asks for before its first picture, `cache_size` and `glz_window_size` are
    bytes that it keeps of images, by default those that it thinks fit. `devices` are the session's properties about
    them: "usbredir", "smartcard", "shared-dir", "smartcard-db", "smartcard-certificates". With `picture` the block is
    entered once
    there is one to show.

    When the block is left, the client library must not have complained of anything the server sent.
    """
    fields: dict[str, Any] = {"read-only": read_only, **(devices or {})}
    url = urlsplit(address)
    if url.scheme == "spice+unix":
        fields["unix-path"] = url.path
    else:
        fields["host"], fields["port"] = url.hostname, url.port
    if password is not None:
        fields["password"] = password
    if channels is not None:
        fields["channels"] = ["main", *channels]
        fields["audio"] = not {"playback", "record"}.isdisjoint(fields["channels"])
    if compression is not None:
        fields["preferred-compression"] = compression
    if cache_size is not None:
        fields["cache-size"] = cache_size
    if glz_window_size is not None:
        fields["glz-window-size"] = glz_window_size
    with tempfile.TemporaryDirectory() as folder:
        async with open_child(
            [SYSTEM_PYTHON, str(PROBE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"NO_AT_BRIDGE": "1"},
        ) as process:
            client = GtkClient(process, Path(folder))
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(client._read)
                    nursery.start_soon(client._read_errors)
                    await client.request("connect", **fields)
                    if picture:
                        await client.wait_picture()
                    yield client
                    client.resume()
                    assert process.stdin is not None
                    await process.stdin.aclose()
            finally:
                sys.stderr.write(client.errors.decode(errors="replace"))
            if found := complaints(client.errors):
                raise AssertionError("\n".join(["the client complained:", *found]))


OpenGtk = Callable[..., Any]
