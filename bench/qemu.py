"""Compare `spicetrio qemu` with QEMU's own SPICE server in one run: `python -m bench.qemu`.

Both serve the same machine, without acceleration, whose guest is a program of a few bytes: one puts what is typed on
the screen, one paints the whole screen 18 times a second. For each server: the time from a viewer's first connection to
its first picture, from a key to the picture that it changes, and the processor time while the machine paints; for
spicetrio, how long it takes to attach. Then: how
long the machine's monitor takes to answer, and how much its memory grows, while nobody looks on, while three viewers do
of which one does not read, and while spicetrio is stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import trio

import spicetrio as library
from bench.viewers import Crowd, Viewer
from spicetrio.sources.qemu import Place, serve_qemu
from spicetrio.wire.enums import ChannelType

ROOT: Final = Path(__file__).parents[1]
HIDE_CURSOR: Final = bytes.fromhex("B401 B90020 CD10")
TYPE: Final = HIDE_CURSOR + bytes.fromhex("B400 CD16 B40E CD10 EBF6")
"""Put the keys that are typed on the screen."""
PAINT: Final = HIDE_CURSOR + bytes.fromhex("FB B800B8 8EC0 31FF B9D007 43 88D8 B41F F3AB F4 EBF1")
"""Paint the screen with each tick of the clock."""
KEY: Final = bytes.fromhex("6500 04000000 1E000000 6600 04000000 9E000000")
"""Messages of the inputs channel: the key A is pressed and released."""
SETTLE: Final = 4.0
"""Seconds for a machine to boot its program."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Return the memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Machine:
    """A running QEMU.

    Args:
        folder: For its files.
        program: What it boots.
        own: It has its own server, else a D-Bus display.
    """

    def __init__(self, folder: Path, program: bytes, *, own: bool) -> None:
        floppy = folder / "floppy"
        floppy.write_bytes((program.ljust(510, b"\0") + b"\x55\xaa").ljust(1440 * 1024, b"\0"))
        self.port = free_port()
        """Where its own server listens."""
        self.qmp = folder / "qmp"
        """Its monitor for spicetrio."""
        server = f"addr=127.0.0.1,port={self.port},disable-ticketing=on,streaming-video=off,image-compression=auto_lz"
        self.process = subprocess.Popen(
            [
                "qemu-system-x86_64", "-nodefaults", "-m", "16", "-accel", "tcg,tb-size=16", "-vga", "none",
                "-device", "VGA", "-drive", f"file={floppy},format=raw,if=floppy",
                *(("-display", "none", "-spice", server) if own else ("-display", "dbus,p2p=yes")),
                "-qmp", f"unix:{self.qmp},server=on,wait=off", "-qmp", f"unix:{folder}/other,server=on,wait=off",
            ]
        )  # fmt: skip
        self._monitor = socket.socket(socket.AF_UNIX)
        self._lines = self._monitor.makefile("rb")
        time.sleep(SETTLE)
        self._monitor.connect(f"{folder}/other")
        self._lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command: str) -> Any:
        """Have its monitor answer."""
        self._monitor.sendall(json.dumps({"execute": command}).encode() + b"\n")
        while "return" not in (answer := json.loads(self._lines.readline())):
            pass
        return answer["return"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._monitor.close()
        self.process.terminate()
        self.process.wait()


@contextmanager
def spicetrio(machine: Machine) -> Iterator[tuple[subprocess.Popen[bytes], int, float]]:
    """Run spicetrio on a machine: the process, its port, and when it was started."""
    began = time.perf_counter()
    command = ["-m", "spicetrio", "qemu", "--qmp", machine.qmp, "--port", "0", "--disable-ticketing"]
    with subprocess.Popen(
        [sys.executable, *command, "--log-level", "error"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline().rpartition(b":")[2]), began
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGINT)


@contextmanager
def viewing(port: int) -> Iterator[tuple[Viewer, Crowd]]:
    """Be a viewer."""
    viewer, crowd = Viewer(port), Crowd()
    crowd.add(viewer)
    try:
        yield viewer, crowd
    finally:
        viewer.close()
        crowd.selector.close()


async def attach(machine: Machine) -> float:
    """Return the seconds from attaching to a machine until a display shows what it shows."""
    shown = trio.Event()

    class Server(library.Server):
        @asynccontextmanager
        async def open_display(self, width: int, height: int) -> AsyncIterator[library.Display]:
            async with super().open_display(width, height) as display:
                nursery.start_soon(look, display)
                yield display

    async def look(display: library.Display) -> None:
        while not any(await display.read()):  # noqa: ASYNC110
            await trio.sleep(0.001)
        shown.set()

    server = Server(library.Settings(port=0, disable_ticketing=True))
    async with server.opened(), trio.open_nursery() as nursery:
        began = time.perf_counter()
        await nursery.start(partial(serve_qemu, server, place=Place(qmp=str(machine.qmp))))
        await shown.wait()
        seconds = time.perf_counter() - began
        nursery.cancel_scope.cancel()
    return seconds


def first_picture(port: int) -> float:
    """Return the seconds from a viewer's first connection to its first picture."""
    began = time.perf_counter()
    with viewing(port) as (viewer, crowd):
        while not viewer.display.updates:
            crowd.read(10)
        return time.perf_counter() - began


def read_for(crowd: Crowd, seconds: float) -> None:
    """Read whatever comes."""
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        crowd.read(left)


def key_to_picture(port: int, times: int) -> list[float]:
    """Return the seconds from keys to the pictures that they change."""
    found = []
    with viewing(port) as (viewer, crowd):
        read_for(crowd, 1)
        for _ in range(times):
            read_for(crowd, random.uniform(0.1, 0.2))  # so that it is at no certain time of the machine's own clock
            seen, began = viewer.display.updates, time.perf_counter()
            viewer.lines[ChannelType.INPUTS].sock.sendall(KEY)
            while viewer.display.updates == seen:
                crowd.read(10)
            found.append(time.perf_counter() - began)
    return found


def load(port: int, seconds: float, pids: list[int]) -> tuple[list[float], float]:
    """Return the share of a processor that processes use while a viewer looks on, and the bytes it gets in a second."""
    with viewing(port) as (viewer, crowd):
        read_for(crowd, 1)
        seen, before = viewer.display.received, [processor_seconds(pid) for pid in pids]
        read_for(crowd, seconds)
        shares = [(processor_seconds(pid) - was) / seconds for pid, was in zip(pids, before, strict=True)]
        return shares, (viewer.display.received - seen) / seconds


def watch(machine: Machine, seconds: float, look: Callable[[float], None]) -> tuple[float, float, float]:
    """Return how long the monitor took to answer, usually and at most, and by how many MiB the machine grew."""
    before, answers = resident_bytes(machine.process.pid), []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        machine.ask("query-status")
        answers.append(time.perf_counter() - began)
        look(0.02)
    growth = (resident_bytes(machine.process.pid) - before) / (1 << 20)
    return statistics.median(answers), max(answers), growth


def compare(folder: Path, times: int, seconds: float) -> None:
    """Print what both servers take."""
    with Machine(folder, TYPE, own=True) as machine:
        _tell_latency("QEMU's own", machine.port, times)
    with Machine(folder, TYPE, own=False) as machine:
        attached = statistics.median(trio.run(attach, machine) for _ in range(20))
        started = []
        for _ in range(5):
            with spicetrio(machine) as (_, port, began):
                first_picture(port)
                started.append(time.perf_counter() - began)
        with spicetrio(machine) as (_, port, _):
            _tell_latency("spicetrio", port, times)
        print(
            f"spicetrio: from attaching to a picture {1e3 * attached:.1f} ms, from its start to that of a viewer "
            f"{1e3 * statistics.median(started):.0f} ms"
        )
    with Machine(folder, PAINT, own=True) as machine:
        shares, size = load(machine.port, seconds, [machine.process.pid])
        print(f"QEMU's own: QEMU {100 * shares[0]:.0f} % of a processor, {size / 1000:.0f} kB/s")
    with Machine(folder, PAINT, own=False) as machine, spicetrio(machine) as (process, port, _):
        shares, size = load(port, seconds, [machine.process.pid, process.pid])
        print(f"spicetrio: QEMU {100 * shares[0]:.0f} %, spicetrio {100 * shares[1]:.0f} %, {size / 1000:.0f} kB/s")


def _tell_latency(name: str, port: int, times: int) -> None:
    pictures = statistics.median(first_picture(port) for _ in range(20))
    keys = sorted(key_to_picture(port, times))
    print(
        f"{name}: viewer to first picture {1e3 * pictures:.1f} ms; key to picture {1e3 * statistics.median(keys):.1f} "
        f"ms, 95 of 100 within {1e3 * keys[int(0.95 * len(keys))]:.1f} ms"
    )


def stall(folder: Path, seconds: float) -> None:
    """Print what viewers that do not read cost a machine."""
    with Machine(folder, PAINT, own=False) as machine:
        tell("nobody looks on", *watch(machine, seconds, time.sleep))
        with spicetrio(machine) as (process, port, _), viewing(port) as (_, crowd):
            crowd.add(Viewer(port))
            stalled = Viewer(port)
            read_for(crowd, 2)
            tell("three viewers, one stalled", *watch(machine, seconds, lambda pause: read_for(crowd, pause)))
            process.send_signal(signal.SIGSTOP)
            tell("spicetrio stopped", *watch(machine, seconds, time.sleep))
            for viewer in (*crowd.viewers[1:], stalled):
                viewer.close()


def tell(what: str, usual: float, most: float, growth: float) -> None:
    """Print what the machine was like meanwhile."""
    print(
        f"{what}: the monitor answers in {1e3 * usual:.1f} ms, at most {1e3 * most:.1f} ms; "
        f"the machine grows by {growth:.1f} MiB"
    )


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.qemu", description=__doc__)
    parser.add_argument("--keys", type=int, default=100, metavar="N", help="how many keys (default: 100)")
    parser.add_argument("--seconds", type=float, default=10, metavar="S", help="of each measurement (default: 10)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), arguments.keys, arguments.seconds)
    with tempfile.TemporaryDirectory() as folder:
        stall(Path(folder), arguments.seconds)


if __name__ == "__main__":
    main()
