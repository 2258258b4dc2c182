"""Whether spice-gtk shows the video that an application, or a guest's streaming device, has encoded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from spicetrio import RemoteProtocolError, StreamDisplay, VideoCodec, serve_stream_device
from spicetrio.wire.enums import CursorType
from spicetrio.wire.streamdevice import CursorMove, CursorSet, Data, Format, NotifyError, StartStop
from tests.channels.guest import StreamGuest

from .encoding import Encoder, Scene, film, open_cinema
from .gtk import OpenGtk

SIZES = ((320, 240), (402, 300), (160, 128))


def test_takes_differ_by_far_more_than_codecs_lose() -> None:
    pictures = [Scene(take=take).picture().array().astype(int) for take in range(6)]
    differences = [abs(one - other).mean() for one, other in pairwise(pictures)]
    assert min(differences) > 20


@pytest.mark.parametrize("codec", VideoCodec, ids=lambda codec: codec.name)
async def test_viewers_see_what_was_encoded(gtk: OpenGtk, codec: VideoCodec) -> None:
    scene = Scene()
    async with open_cinema() as (server, display, nursery):
        nursery.start_soon(film, display, codec, scene)
        async with gtk(server.addresses[0], channels=["display"]) as viewer:
            for scene.width, scene.height in SIZES:
                scene.take += 1
                await viewer.wait_similar(scene.picture())
            async with gtk(server.addresses[0], channels=["display"]) as late:
                await late.wait_similar(scene.picture())
                for scene.width, scene.height in (SIZES[2], SIZES[0]):
                    scene.take += 1
                    for one in (viewer, late):
                        await one.wait_similar(scene.picture())
            scene.take += 1
            await viewer.wait_similar(scene.picture())


async def test_a_viewer_that_was_frozen_sees_the_newest_picture(gtk: OpenGtk) -> None:
    scene = Scene(640, 480)
    async with open_cinema() as (server, display, nursery):
        nursery.start_soon(film, display, VideoCodec.H264, scene)
        async with gtk(server.addresses[0], channels=["display"]) as viewer:
            await viewer.wait_similar(scene.picture())
            async with gtk(server.addresses[0], channels=["display"]) as frozen:
                await frozen.wait_similar(scene.picture())
                client = display.clients[1]
                frozen.stop()
                while client.follows:
                    scene.take += 1  # what changes takes bytes, until nothing more fits
                    await trio.sleep(0.05)
                await viewer.wait_similar(scene.picture())
                frozen.resume()
                await frozen.wait_similar(scene.picture())


class Agent:
    """A guest's agent: it captures while it is asked to, in the first codec of these that it is asked for."""

    codecs = (VideoCodec.VP8, VideoCodec.MJPEG)

    def __init__(self, guest: StreamGuest, scene: Scene) -> None:
        self.scene = scene
        self.guest = guest
        self.asked: list[tuple[int, ...]] = []
        self._started = trio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Agent]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen)
            nursery.start_soon(self._capture)
            yield self
            nursery.cancel_scope.cancel()

    async def _listen(self) -> None:
        while True:
            message = await self.guest.receive()
            if isinstance(message, StartStop):
                self.asked.append(message.codecs)
                self._started.set()
                self._started = trio.Event()

    async def _capture(self) -> None:
        begun = None
        while True:
            while not (self.asked and self.asked[-1]):
                await self._started.wait()
            wanted = (len(self.asked), self.scene.width, self.scene.height)
            if begun != wanted:
                begun = wanted
                codec = next(codec for codec in self.codecs if codec in self.asked[-1])
                encoder = Encoder(codec, self.scene.width, self.scene.height)
                await self.guest.send(Format(self.scene.width, self.scene.height, codec))
            await self.guest.send(Data(encoder.encode(self.scene.image())))
            await trio.sleep(1 / 30)


@asynccontextmanager
async def open_port(path: Path, display: StreamDisplay) -> AsyncIterator[StreamGuest]:
    """A guest's end of a port, as QEMU has it: a UNIX socket."""
    with trio.socket.socket(trio.socket.AF_UNIX) as listener:
        await listener.bind(str(path))
        listener.listen()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_serve, listener, display)
            async with await trio.open_unix_socket(str(path)) as stream:
                yield StreamGuest(stream)
            nursery.cancel_scope.cancel()
    await trio.Path(path).unlink()


async def _serve(listener: trio.socket.SocketType, display: StreamDisplay) -> None:
    connection, _ = await listener.accept()
    with suppress(RemoteProtocolError):  # the guest is told
        await serve_stream_device(trio.SocketStream(connection), display)


async def test_viewers_see_what_a_guests_device_sends(gtk: OpenGtk, tmp_path: Path) -> None:
    scene = Scene()
    async with (
        open_cinema() as (server, display, _),
        open_port(tmp_path / "port", display) as guest,
        Agent(guest, scene).running() as agent,
    ):
        async with gtk(server.addresses[0], channels=["display", "cursor"]) as viewer:
            await viewer.wait_similar(scene.picture())
            scene.width, scene.height, scene.take = 400, 304, 1
            await viewer.wait_similar(scene.picture())
            async with gtk(server.addresses[0], channels=["display"]) as late:
                await late.wait_similar(scene.picture())
            assert len(agent.asked) == 2
            assert VideoCodec.VP8 in agent.asked[1]
            pixels = bytes.fromhex("010203ff 04050680") * 32
            await guest.send(CursorSet(8, 8, 1, 2, CursorType.ALPHA, pixels), CursorMove(30, 40))
            shape = await viewer.wait_event("cursor-set", width=8, height=8, hot_x=1, hot_y=2)
            assert shape["rgba"] == "030201ff06050480" * 32
            await viewer.wait_event("cursor-move", x=30, y=40)
        while agent.asked[-1]:  # noqa: ASYNC110 - nothing tells
            await trio.sleep(0.01)


async def test_a_device_that_breaks_is_told_and_the_next_one_is_shown(gtk: OpenGtk, tmp_path: Path) -> None:
    scene = Scene()
    async with (
        open_cinema() as (server, display, _),
        gtk(server.addresses[0], channels=["display"], picture=False) as viewer,
    ):
        async with open_port(tmp_path / "port", display) as guest:
            await guest.send(Format(320, 240, VideoCodec.MJPEG))
            frame = Data(Encoder(VideoCodec.MJPEG, 320, 240).encode(scene.image()))
            with trio.fail_after(15):
                await guest.send(frame)
                while await viewer.difference(scene.picture()) > 5:
                    await guest.send(frame)  # on a slow machine one may be late
                    await trio.sleep(0.2)
            await guest.stream.send_all(b"\2" * 8)
            while not isinstance(await guest.receive(), NotifyError):
                pass
            with pytest.raises(EOFError):
                await guest.receive()
        await viewer.wait_event("primary-destroy")
        scene.take += 1
        async with open_port(tmp_path / "port", display) as guest, Agent(guest, scene).running():
            await viewer.wait_similar(scene.picture())
