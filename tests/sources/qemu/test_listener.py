from __future__ import annotations

import os
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import jeepney
import pytest
import trio

import spicetrio
from spicetrio.sources.errors import SourceError
from spicetrio.sources.qemu.listener import Listener
from spicetrio.sources.qemu.screen import Screen
from tests.sources.qemu.peer import ANSWER, BIG, LISTENER, LITTLE, MAP, PROPERTIES, Peer, RegisteringBus, registered
from tests.sources.qemu.stage import descriptors
from tests.sources.qemu.test_screen import taken

BGRX = 0x20020888


class RecordingCursor:
    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def set(self, pixels: memoryview, hot_x: int, hot_y: int, *, width: int, height: int) -> None:
        self.calls.append(("set", bytes(pixels), hot_x, hot_y, width, height))

    def move(self, x: int, y: int) -> None:
        self.calls.append(("move", x, y))

    def hide(self) -> None:
        self.calls.append(("hide",))


@dataclass
class Scene:
    """A listener that runs, and QEMU's end of its connection."""

    bus: RegisteringBus
    screen: Screen
    cursor: RecordingCursor
    listener: Listener
    peer: Peer


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    bus, screen, cursor = RegisteringBus(), Screen("tested"), RecordingCursor()
    listener = Listener(bus.bus, "/console", screen, cast(spicetrio.Cursor, cursor))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.run)
        async with registered(bus) as peer:
            yield Scene(bus, screen, cursor, listener, peer)
        nursery.cancel_scope.cancel()


def kind(answer: jeepney.Message) -> jeepney.MessageType:
    return answer.header.message_type


async def test_its_interfaces_are_told_at_once(scene: Scene) -> None:
    answer = await scene.peer.call(PROPERTIES, "GetAll", "s", LISTENER)
    assert answer.body == ({"Interfaces": ("as", [MAP])},)
    answer = await scene.peer.call(PROPERTIES, "GetAll", "s", MAP)
    assert answer.body == ({},)


async def test_the_greeting_is_there_before_qemu_looks() -> None:
    bus = RegisteringBus()
    listener = Listener(bus.bus, "/console", Screen("tested"), cast(spicetrio.Cursor, RecordingCursor()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.run)
        peer = await bus.peers.receive()
        with peer.socket:
            user = str(os.geteuid()).encode().hex().encode()
            assert await peer.authenticate() == b"\0AUTH EXTERNAL " + user + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("order", [LITTLE, BIG])
async def test_pictures_and_updates_in_either_byte_order(scene: Scene, order: jeepney.Endianness) -> None:
    peer = scene.peer
    picture = bytes(range(1, 49))
    await peer.send(peer.message(LISTENER, "Scanout", "uuuuay", 3, 4, 12, BGRX, picture, order=order))
    scanout, _ = await taken(scene.screen)
    assert bytes(scanout.pixels) == picture
    part = b"abcdefgh"
    await peer.send(peer.message(LISTENER, "Update", "iiiiuuay", 1, 2, 1, 2, 4, BGRX, part, order=order))
    scanout, damage = await taken(scene.screen)
    assert damage == [spicetrio.Rect(1, 2, 2, 4)]
    assert bytes(scanout.pixels) == picture[:28] + b"abcd" + picture[32:40] + b"efgh" + picture[44:]


async def test_a_large_picture_comes_whole_however_it_is_cut(scene: Scene) -> None:
    picture = os.urandom(4 * 640 * 480)
    data = scene.peer.message(LISTENER, "Scanout", "uuuuay", 640, 480, 2560, BGRX, picture)
    data += scene.peer.message(LISTENER, "MouseSet", "iii", 5, 6, 1)
    for at in range(0, 300, 7):
        await scene.peer.send(data[at : at + 7])
        await trio.lowlevel.checkpoint()
    await scene.peer.send(data[301:])
    scanout, _ = await taken(scene.screen)
    assert bytes(scanout.pixels) == picture


async def test_many_small_messages_in_one_piece(scene: Scene) -> None:
    peer = scene.peer
    await peer.send(b"".join(peer.message(LISTENER, "MouseSet", "iii", i, -i, 1) for i in range(1000)))
    await peer.call("org.freedesktop.DBus.Peer", "Ping")
    assert scene.cursor.calls == [("move", i, -i) for i in range(1000)]


async def test_a_picture_in_shared_memory(scene: Scene) -> None:
    memory = os.memfd_create("picture")
    try:
        os.write(memory, bytes(100) + bytes(range(48)))
        answer = await scene.peer.call(MAP, "ScanoutMap", "huuuuu", 0, 100, 3, 4, 12, BGRX, fd=memory)
        assert kind(answer) is jeepney.MessageType.method_return
        scanout, _ = await taken(scene.screen)
        assert bytes(scanout.pixels) == bytes(range(48))
        os.pwrite(memory, b"abcd", 100 + 12)
        await scene.peer.call(MAP, "UpdateMap", "iiii", 0, 1, 1, 1)
        scanout, damage = await taken(scene.screen)
        assert damage == [spicetrio.Rect(0, 1, 1, 2)]
        assert bytes(scanout.pixels[12:16]) == b"abcd"
    finally:
        os.close(memory)


async def test_memory_that_comes_in_one_piece_with_the_first_answer() -> None:
    bus, screen = RegisteringBus(), Screen("tested")
    listener = Listener(bus.bus, "/console", screen, cast(spicetrio.Cursor, RecordingCursor()))
    memory = os.memfd_create("picture")
    os.write(memory, bytes(range(48)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.run)
        peer = await bus.peers.receive()
        with peer.socket:
            await peer.send(ANSWER + peer.message(MAP, "ScanoutMap", "huuuuu", 0, 0, 3, 4, 12, BGRX), memory)
            os.close(memory)
            scanout, _ = await taken(screen)
        nursery.cancel_scope.cancel()
    assert bytes(scanout.pixels) == bytes(range(48))


async def test_memory_that_is_too_small_for_its_picture_is_refused(scene: Scene) -> None:
    memory = os.memfd_create("picture")
    try:
        os.write(memory, bytes(40))
        answer = await scene.peer.call(MAP, "ScanoutMap", "huuuuu", 0, 0, 3, 4, 12, BGRX, fd=memory)
        assert kind(answer) is jeepney.MessageType.error
    finally:
        os.close(memory)
    assert scene.screen.scanout is None


@pytest.mark.parametrize(
    ("offset", "width", "height", "stride"),
    [(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF), (0, 4, 1 << 31, 16), (0, 1, 1, 0xFFFFFFFF)],
)
async def test_no_size_of_shared_memory_does_harm(
    scene: Scene, offset: int, width: int, height: int, stride: int
) -> None:
    memory = os.memfd_create("picture")
    try:
        os.write(memory, bytes(40))
        answer = await scene.peer.call(MAP, "ScanoutMap", "huuuuu", 0, offset, width, height, stride, BGRX, fd=memory)
        assert kind(answer) is jeepney.MessageType.error
    finally:
        os.close(memory)
    assert scene.screen.scanout is None


async def test_memory_is_refused_whose_pixels_have_to_be_moved(scene: Scene) -> None:
    """QEMU goes on with messages then."""
    memory = os.memfd_create("picture")
    try:
        os.write(memory, bytes(48))
        answer = await scene.peer.call(MAP, "ScanoutMap", "huuuuu", 0, 0, 3, 4, 12, 0x20080888, fd=memory)
        assert kind(answer) is jeepney.MessageType.error
    finally:
        os.close(memory)


async def test_memory_without_its_descriptor_is_refused(scene: Scene) -> None:
    answer = await scene.peer.call(MAP, "ScanoutMap", "uuuuuu", 0, 0, 3, 4, 12, BGRX)
    assert kind(answer) is jeepney.MessageType.error


async def test_descriptors_that_nobody_asked_for_are_closed(scene: Scene) -> None:
    before = descriptors()
    for member, order in (("GetAll", LITTLE), ("Dance", BIG)):
        data = scene.peer.message(PROPERTIES, member, "sh", LISTENER, 0, order=order)
        for _ in range(20):
            await scene.peer.send(data, 0)
    await scene.peer.call(LISTENER, "Disable")
    assert descriptors() == before


async def test_a_console_that_is_switched_off(scene: Scene) -> None:
    await scene.peer.call(LISTENER, "Scanout", "uuuuay", 1, 1, 4, BGRX, b"abcd")
    await scene.peer.call(LISTENER, "Disable")
    scanout, _ = await taken(scene.screen)
    assert bytes(scanout.pixels) == bytes(4)


async def test_the_pointer_is_where_its_hot_spot_is(scene: Scene) -> None:
    shape = bytes(range(24))
    await scene.peer.call(LISTENER, "CursorDefine", "iiiiay", 2, 3, 1, 9, shape)
    await scene.peer.call(LISTENER, "MouseSet", "iii", 10, 20, 1)
    await scene.peer.call(LISTENER, "CursorDefine", "iiiiay", 2, 3, 0, 0, shape)
    await scene.peer.call(LISTENER, "MouseSet", "iii", 10, 20, 0)
    await scene.peer.call(LISTENER, "CursorDefine", "iiiiay", 2, 3, 0, 0, shape[:20])
    await scene.peer.call(LISTENER, "MouseSet", "iii", 1 << 20, -(1 << 20), 1)
    assert scene.cursor.calls == [
        ("set", shape, 1, 2, 2, 3),
        ("move", 11, 22),
        ("set", shape, 0, 0, 2, 3),
        ("move", 10, 20),
        ("hide",),
        ("hide",),
        ("move", 32767, -32768),
    ]


async def test_what_it_does_not_know_is_refused(scene: Scene) -> None:
    answer = await scene.peer.call(LISTENER, "Dance")
    assert kind(answer) is jeepney.MessageType.error


async def test_it_registers_anew_when_a_part_of_another_picture_comes(scene: Scene) -> None:
    """And not before QEMU has let go of it: the second of two listeners would go with the first."""
    await scene.peer.call(LISTENER, "Scanout", "uuuuay", 1, 1, 4, BGRX, b"abcd")
    await scene.peer.send(scene.peer.message(LISTENER, "Update", "iiiiuuay", 1, 0, 1, 1, 4, BGRX, b"abcd"))
    with trio.fail_after(5):
        assert await scene.peer.socket.recv(1) == b""
    with pytest.raises(trio.WouldBlock):
        scene.bus.peers.receive_nowait()
    scene.peer.socket.close()
    async with registered(scene.bus) as again:
        await again.call(LISTENER, "Scanout", "uuuuay", 2, 1, 8, BGRX, b"abcdefgh")
        scanout, _ = await taken(scene.screen)
        assert (scanout.width, scanout.height) == (2, 1)


async def test_it_ends_when_qemu_hangs_up() -> None:
    bus = RegisteringBus()
    listener = Listener(bus.bus, "/console", Screen("tested"), cast(spicetrio.Cursor, RecordingCursor()))
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listener.run)
            async with registered(bus) as peer:
                await peer.send(peer.message(LISTENER, "Scanout", "uuuuay", 1, 1, 4, BGRX, b"abcd")[:-2])


async def test_it_ends_when_qemu_hangs_up_before_it_has_answered() -> None:
    bus = RegisteringBus()
    listener = Listener(bus.bus, "/console", Screen("tested"), cast(spicetrio.Cursor, RecordingCursor()))
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listener.run)
            (await bus.peers.receive()).socket.close()


def head(fields: bytes) -> bytes:
    """A message that is a head only, of those fields."""
    return struct.pack("<cBBBIII", b"l", 1, 1, 1, 0, 1, len(fields)) + fields + bytes(-len(fields) % 8)


BAD = {
    "no D-Bus": lambda peer: b"GET / HTTP/1.1\r\n\r\n",
    "an endless body": lambda peer: struct.pack("<cBBBIII", b"l", 1, 1, 1, 1 << 31, 1, 0),
    "an endless head": lambda peer: struct.pack("<cBBBIII", b"l", 1, 1, 1, 0, 1, 1 << 30),
    "a head of no fields": lambda peer: head(b"12345678"),
    "a head of nonsense": lambda peer: head(b"\x03\x01s\0\xff\0\0\0abcdefgh"),
    "a count of descriptors that is no number": lambda peer: head(b"\x09\x01s\0\x01\0\0\0a\0"),
    "numbers that are missing": lambda peer: peer.message(LISTENER, "MouseSet", "i", 1),
    "pixels that are missing": lambda peer: peer.message(LISTENER, "CursorDefine", "iiiiu", 1, 1, 0, 0, 4),
    "memory that cannot be read": lambda peer: peer.message(LISTENER, "ScanoutDMABUF", "u", 1),
}


async def test_descriptors_that_belong_to_no_message_are_not_collected() -> None:
    bus = RegisteringBus()
    listener = Listener(bus.bus, "/console", Screen("tested"), cast(spicetrio.Cursor, RecordingCursor()))
    before = descriptors()
    with pytest.RaisesGroup(pytest.RaisesExc(SourceError, match="descriptors")), trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listener.run)
            async with registered(bus) as peer:
                for _ in range(100):
                    await peer.send(peer.message(LISTENER, "Disable"), 0)
                await trio.sleep_forever()
    assert descriptors() == before


@pytest.mark.parametrize("message", BAD.values(), ids=BAD)
async def test_what_makes_no_sense_is_said_in_one_line(message: object) -> None:
    bus = RegisteringBus()
    listener = Listener(bus.bus, "/console", Screen("tested"), cast(spicetrio.Cursor, RecordingCursor()))
    with pytest.RaisesGroup(pytest.RaisesExc(SourceError, match="QEMU")), trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listener.run)
            async with registered(bus) as peer:
                await peer.send(message(peer))  # type: ignore[operator]
                await trio.sleep_forever()
