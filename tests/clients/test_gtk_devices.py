"""Devices of a real client: ports, its shared folder, its smartcard, a USB drive."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import pytest
import trio

import spicetrio
from spicetrio import VscType

from .command import open_command
from .gtk import REQUEST_TIMEOUT, OpenGtk
from .processes import need

BREAK = 2
SHELL = "org.example.shell"


async def test_a_port_echoes_and_breaks(gtk: OpenGtk) -> None:
    data = bytes(range(256)) * 1000
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_port(SHELL) as port,
        gtk(server.addresses[0], channels=["port"], picture=False) as viewer,
        await port.accept() as stream,
    ):
        await viewer.wait_get("port:0", "port-name", SHELL)
        await viewer.wait_get("port:0", "port-opened", True)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def echo() -> None:
                async for some in stream:
                    await stream.send_all(some)

            await viewer.port_write("port:0", data)
            assert await viewer.port_data("port:0", len(data)) == data
            await viewer.port_event("port:0", BREAK)
            await port.breaks.wait_value(1)
            port.send_break()
            await viewer.wait_event("port-event", channel="port:0", what=BREAK)
            nursery.cancel_scope.cancel()
        await stream.aclose()
        await viewer.wait_get("port:0", "port-opened", False)


async def test_a_second_viewer_has_the_port_when_the_first_has_left(gtk: OpenGtk) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_port(SHELL) as port,
        gtk(server.addresses[0], channels=["port"], picture=False) as first,
    ):
        await port.send_all(b"first")
        assert await first.port_data("port:0", 5) == b"first"
        async with gtk(server.addresses[0], channels=["port"], picture=False) as second:
            await second.wait_channels("port:0")
            assert await second.get("port:0", "port-opened") is False
            await first.disconnect()
            assert await port.receive_some() == b""
            await port.viewer.wait_value(lambda viewer: viewer is not None)
            with pytest.raises(trio.BrokenResourceError):
                await port.send_all(b"to the first")
            await port.send_all(b"second")
            assert await second.port_data("port:0", 6) == b"second"


async def http(folder: spicetrio.SharedFolder, request: bytes) -> tuple[bytes, bytes]:
    """The status line and the body that answer a request on a connection of its own."""
    with trio.fail_after(REQUEST_TIMEOUT):
        async with await folder.connect() as stream:
            await stream.send_all(request.replace(b"\n", b"\r\n"))
            data = b""
            while b"\r\n\r\n" not in data:
                data += await stream.receive_some()
            head, _, body = data.partition(b"\r\n\r\n")
            size = re.search(rb"Content-Length: (\d+)", head)
            assert size is not None, head
            while len(body) < int(size[1]):
                body += await stream.receive_some()
            return head.split(b"\r\n")[0], body


async def test_a_shared_folder_is_listed_read_and_written(gtk: OpenGtk, tmp_path: Path) -> None:
    large = bytes(range(256)) * 20_000
    (tmp_path / "large.bin").write_bytes(large)
    (tmp_path / "notes").mkdir()
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_webdav() as folder,
        gtk(server.addresses[0], channels=["webdav"], picture=False, devices={"shared-dir": str(tmp_path)}),
    ):
        await folder.shared.wait_value(True)
        head = b" HTTP/1.1\nHost: localhost\n"
        status, listing = await http(folder, b"PROPFIND /" + head + b"Depth: 1\nContent-Length: 0\n\n")
        assert status == b"HTTP/1.1 207 Multi-Status"
        assert b"large.bin" in listing
        assert b"notes" in listing
        async with trio.open_nursery() as nursery:  # several at once, which share one port

            @nursery.start_soon
            async def read() -> None:
                assert (await http(folder, b"GET /large.bin" + head + b"\n"))[1] == large

            for number in range(5):

                @nursery.start_soon
                async def write(number: int = number) -> None:
                    body = b"note %d" % number
                    length = b"Content-Length: %d\n\n" % len(body)
                    status, _ = await http(folder, b"PUT /notes/%d" % number + head + length + body)
                    assert status == b"HTTP/1.1 201 Created"

        for number in range(5):
            assert (tmp_path / "notes" / str(number)).read_bytes() == b"note %d" % number


async def test_a_folder_that_is_shared_no_more_is_gone(gtk: OpenGtk, tmp_path: Path) -> None:
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_webdav() as folder,
        gtk(server.addresses[0], channels=["webdav"], picture=False, devices={"shared-dir": str(tmp_path)}) as viewer,
    ):
        await folder.shared.wait_value(True)
        await viewer.close_channel("webdav:0")
        await folder.shared.wait_value(False)
        with pytest.raises(trio.BrokenResourceError):
            await folder.connect()


def make_certificates(folder: Path) -> None:
    """Make a database with the three certificates of a software smartcard."""
    need("certutil", "libnss3-tools")
    noise = folder / "noise"
    noise.write_bytes(bytes(range(256)) * 8)
    database = ["-d", f"sql:{folder}"]
    subprocess.run(["certutil", "-N", *database, "--empty-password"], check=True, capture_output=True)
    for number, name in enumerate(("id-cert", "signing-cert", "encryption-cert")):
        options = ["-S", "-x", "-t", "CT,CT,CT", "-s", f"CN={name}", "-n", name, "-m", str(number + 1)]
        subprocess.run(["certutil", *options, *database, "-z", str(noise)], check=True, capture_output=True)


async def test_a_software_smartcard_is_told_and_answers(gtk: OpenGtk, tmp_path: Path) -> None:
    make_certificates(tmp_path)
    card = {
        "smartcard": True,
        "smartcard-db": f"sql:{tmp_path}",
        "smartcard-certificates": ["id-cert", "signing-cert", "encryption-cert"],
    }
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_smartcard() as cards,
        gtk(server.addresses[0], channels=["smartcard"], picture=False, devices=card),
    ):
        with trio.fail_after(20):
            messages = {}
            while VscType.ATR not in messages:
                message = await anext(cards)
                messages[message.type] = message
            reader, atr = messages[VscType.READER_ADD], messages[VscType.ATR]
            assert reader.data
            assert atr.reader_id == reader.reader_id
            assert atr.data[0] in (0x3B, 0x3F)  # how each ATR begins (ISO 7816-3)
            select = bytes.fromhex("00a4040007a0000000790300")  # the application of the card's manager
            await cards.send(reader.reader_id, select)
            answer = await anext(cards)
            assert (answer.type, answer.reader_id) == (VscType.APDU, reader.reader_id)
            assert answer.data[-2:] in (b"\x90\x00", b"\x6a\x82") or answer.data[-2] == 0x61


HELLO, DEVICE_CONNECT = 0, 1
GET_DESCRIPTOR, DEVICE_DESCRIPTOR = 6, 1
CONTROL_PACKET = 100


class UsbGuest:
    """As much of a usbredir guest as reads a device's descriptor. It has no capabilities, so its heads are short."""

    def __init__(self, device: spicetrio.UsbRedir) -> None:
        self.device = device
        self.data = b""

    async def send(self, kind: int, body: bytes, number: int = 0) -> None:
        await self.device.send_all(struct.pack("<III", kind, len(body), number) + body)

    async def receive(self) -> tuple[int, bytes]:
        kind, size, _ = struct.unpack("<III", await self.read(12))
        return kind, await self.read(size)

    async def receive_kind(self, kind: int) -> bytes:
        while (packet := await self.receive())[0] != kind:
            pass
        return packet[1]

    async def read(self, size: int) -> bytes:
        while len(self.data) < size:
            some = await self.device.receive_some()
            assert some
            self.data += some
        data, self.data = self.data[:size], self.data[size:]
        return data


async def test_the_bytes_of_a_usb_drive_pass_untouched(gtk: OpenGtk, tmp_path: Path) -> None:
    image = tmp_path / "cd.iso"
    image.write_bytes(bytes(2048 * 100))
    async with (
        spicetrio.open_server(port=0, disable_ticketing=True) as server,
        server.open_usbredir() as device,
        gtk(server.addresses[0], channels=["usbredir"], picture=False, devices={"usbredir": True}) as viewer,
    ):
        await viewer.wait_event("channel-new", channel="usbredir:0")
        await viewer.share_cd(image)
        with trio.fail_after(20):
            guest = UsbGuest(device)
            hello = await guest.receive_kind(HELLO)
            assert hello.startswith(b"spice-gtk")
            await guest.send(HELLO, b"spicetrio test".ljust(64, b"\0"))
            connect = await guest.receive_kind(DEVICE_CONNECT)
            vendor, product = struct.unpack_from("<HH", connect, 4)
            head = struct.pack("<BBBBHHH", 0x80, GET_DESCRIPTOR, 0x80, 0, DEVICE_DESCRIPTOR << 8, 0, 18)
            await guest.send(CONTROL_PACKET, head, 7)
            answer = await guest.receive_kind(CONTROL_PACKET)
            descriptor = answer[len(head) :]
            assert descriptor[:2] == bytes([18, DEVICE_DESCRIPTOR])
            assert struct.unpack_from("<HH", descriptor, 8) == (vendor, product)
            await viewer.wait_event("usb-connected")


async def test_the_command_runs_a_program_and_bridges_a_socket(gtk: OpenGtk, tmp_path: Path) -> None:
    path = tmp_path / "port"
    async with (
        open_command(
            *("demo", "--port", "0", "--disable-ticketing"),
            *("--port-device", f"name={SHELL},exec=sh -c 'while read line; do echo got $line; done'"),
            *("--port-device", f"name=org.example.socket,unix={path}"),
        ) as command,
        gtk(command.address, channels=["port"], picture=False) as viewer,
        await trio.open_unix_socket(path) as local,
    ):
        await viewer.wait_channels("port:0", "port:1")
        for channel in ("port:0", "port:1"):
            await viewer.wait_get(channel, "port-opened", True)
        names = {await viewer.get(channel, "port-name"): channel for channel in ("port:0", "port:1")}
        await viewer.port_write(names[SHELL], b"a line\n")
        assert await viewer.port_data(names[SHELL], 11) == b"got a line\n"
        await viewer.port_write(names["org.example.socket"], b"to the socket")
        assert await local.receive_some() == b"to the socket"
        await local.send_all(b"from the socket")
        assert await viewer.port_data(names["org.example.socket"], 15) == b"from the socket"


async def test_the_command_offers_the_shared_folder_to_webdav_clients(gtk: OpenGtk, tmp_path: Path) -> None:
    need("curl", "curl")
    need("cadaver", "cadaver")
    (tmp_path / "readme.txt").write_bytes(b"from the viewer\n")
    async with (
        open_command("demo", "--port", "0", "--disable-ticketing", "--share-dir", "--webdav-port", "0") as command,
        gtk(command.address, channels=["webdav"], picture=False, devices={"shared-dir": str(tmp_path)}) as viewer,
    ):
        await viewer.wait_channels("webdav:0")
        await viewer.wait_get("webdav:0", "port-opened", True)
        found = re.search(rb"shared folder: dav(://127\.0\.0\.1:\d+/)", bytes(command.errors))
        assert found is not None
        url = "http" + found[1].decode()
        listing = await run("curl", "-sS", "-X", "PROPFIND", "-H", "Depth: 1", url)
        assert b"readme.txt" in listing
        assert await run("curl", "-sS", url + "readme.txt") == b"from the viewer\n"
        # Without the header that curl adds by itself: with it, the viewer's library writes an empty file.
        await run("curl", "-sS", "-H", "Expect:", "-T", str(tmp_path / "readme.txt"), url + "copy.txt")
        assert (tmp_path / "copy.txt").read_bytes() == b"from the viewer\n"
        assert b"copy.txt" in await run("cadaver", url, stdin=b"ls\nquit\n")


async def run(*command: str, stdin: bytes = b"") -> bytes:
    """What a program says."""
    with trio.fail_after(REQUEST_TIMEOUT):
        return (await trio.run_process(command, stdin=stdin, capture_stdout=True)).stdout
