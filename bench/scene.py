"""A server that is measured, healthy viewers that watch it, and those who do harm, each in a process of its own.

Two such servers run side by side: the fault happens to one, and the other is the control. What else the machine does
at that moment, the load of the harmful viewers included, the watchers of both have to bear. The harmful viewers have a
lower priority, as they would be on another machine.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import multiprocessing
import os
import resource
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, Final, Self

import trio

import spicetrio
from bench.viewers import PASSWORD, Crowd, Viewer
from spicetrio.cli.collector import collect_unseen
from spicetrio.server.security import TicketKey

UPDATES_PER_SECOND: Final = 100
WIDTH, HEIGHT = 1024, 768
HEALTHY: Final = 2
"""Viewers that watch each server."""
_SPAWN: Final = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Look:
    """What a server has at a moment."""

    descriptors: int
    threads: int
    tasks: int
    viewers: int
    half_open: int
    attached: int
    """Viewers that the Worker knows."""
    memory: float
    """Resident, in MiB."""

    def counts(self) -> tuple[int, ...]:
        """Return all that must be as it was; memory is judged apart."""
        return (self.descriptors, self.threads, self.tasks, self.viewers, self.half_open, self.attached)

    def since(self, before: Self) -> str:
        """Tell what is more than before, in the order of `counts`, and the memory."""
        differences = [now - then for now, then in zip(self.counts(), before.counts(), strict=True)]
        left = ", ".join(map(str, differences)) if any(differences) else "nothing"
        return f"{left}; {self.memory - before.memory:+.1f} MiB"


def _counts(thread: threading.Thread) -> bool:
    """Tell whether a thread is somebody's. Trio keeps idle ones for ten seconds, and keys are made now and then."""
    return not thread.name.startswith("Trio thread") and "TicketKey" not in thread.name


def open_descriptors() -> int:
    """Return how many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir())) - 1


def resident() -> float:
    """Return the memory of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


class Process:
    """A process that answers calls, one at a time."""

    def __init__(self, target: Callable[..., None], *arguments: Any, priority: int = 0) -> None:
        self.connection, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_run, args=(target, theirs, priority, *arguments), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def call(self, *request: Any, timeout: float = 120) -> Any:
        """Ask something and return the answer."""
        self.connection.send(request)
        return self.answer(timeout)

    def answer(self, timeout: float = 120) -> Any:
        """Return the next answer."""
        if not self.connection.poll(timeout):
            raise TimeoutError(f"no answer in {timeout} s")
        return self.connection.recv()

    def kill(self) -> float:
        """End it with all its sockets; return when that was, by `time.monotonic`."""
        now = time.monotonic()
        self._process.kill()
        self._process.join()
        self.connection.close()
        return now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.is_alive():
            self.kill()


def _run(target: Callable[..., None], connection: Connection, priority: int, *arguments: Any) -> None:
    os.nice(priority)
    target(connection, *arguments)


# The server.


class _SpareKeys:
    """Keys that come again. To make one takes 8 ms of a core, and a benchmark would do little else."""

    def __init__(self) -> None:
        self._keys = cycle([TicketKey() for _ in range(32)])

    async def take(self) -> TicketKey:
        await trio.lowlevel.checkpoint()
        return next(self._keys)


def serve(
    connection: Connection, settings: dict[str, Any], descriptors: int | None = None, spare_keys: bool = False
) -> None:
    """Serve a steady picture until killed."""
    if descriptors is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    logging.getLogger("trio.serve_listeners").setLevel(logging.CRITICAL)  # it has a page to say on each EMFILE
    trio.run(_serve, connection, settings, spare_keys)


async def _serve(connection: Connection, settings: dict[str, Any], spare_keys: bool) -> None:
    async with (
        spicetrio.open_server(port=0, ticket=PASSWORD, **settings) as server,
        server.open_display(WIDTH, HEIGHT) as display,
        server.open_inputs() as inputs,
        trio.open_nursery() as nursery,
    ):
        if spare_keys:
            server._keys = _SpareKeys()  # type: ignore[assignment]
        await display.draw_frame(first_picture(), format="BGRX")
        nursery.start_soon(_draw, display)
        nursery.start_soon(_take, inputs)
        nursery.start_soon(collect_unseen, server.clients)
        connection.send(int(server.addresses[0].rpartition(":")[2]))
        await _Answers(connection, server, display, nursery).run()


def first_picture() -> bytes:
    """Return a picture of which a part compresses well and a part does not."""
    chance = Random(1)
    rows = [bytes([row & 255, row >> 2 & 255, 90, 0]) * (WIDTH - 128) + chance.randbytes(512) for row in range(HEIGHT)]
    return b"".join(rows)


async def _draw(display: spicetrio.Display) -> None:
    """Draw small images at an even pace."""
    due, number = trio.current_time(), 0
    while True:
        due = max(due + 1 / UPDATES_PER_SECOND, trio.current_time() - 1)
        await trio.sleep_until(due)
        number += 1
        pixels = bytes([number & 255, number >> 8 & 255, 200, 0]) * (16 * 16)
        await display.draw_image(number * 16 % 640, number // 40 * 16 % 480, pixels, width=16, height=16)


async def _take(inputs: spicetrio.Inputs) -> None:
    async for _ in inputs:
        pass


class _Answers:
    """What a server process answers."""

    def __init__(
        self, connection: Connection, server: spicetrio.Server, display: spicetrio.Display, nursery: trio.Nursery
    ) -> None:
        self._connection = connection
        self._server = server
        self._display = display
        self._nursery = nursery
        self._close_second = trio.Event()
        self._second: spicetrio.Display | None = None
        self._failure = ""

    async def run(self) -> None:
        """Answer until there is nobody to ask."""
        while True:
            await trio.lowlevel.wait_readable(self._connection.fileno())
            try:
                name, *arguments = self._connection.recv()
            except EOFError:
                return
            self._connection.send(await getattr(self, name)(*arguments))

    async def look(self, collect: bool = True) -> Look:
        if collect:
            gc.collect()
        return Look(
            descriptors=open_descriptors(),
            threads=sum(map(_counts, threading.enumerate())),
            tasks=trio.lowlevel.current_statistics().tasks_living,
            viewers=len(self._server.clients.value),
            half_open=self._server.statistics().half_open,
            attached=len(self._display.worker._picture._viewers),
            memory=resident(),
        )

    async def released(self, before: Look, seconds: float) -> tuple[float, Look]:
        """Wait until all is as it was; return when that was, and what there is then."""
        with trio.move_on_after(seconds):
            while trio.lowlevel.current_statistics().tasks_living > before.tasks or any(  # noqa: ASYNC110
                now > then for now, then in zip((await self.look(False)).counts(), before.counts(), strict=True)
            ):
                await trio.sleep(0.005)  # to look is work for the server, too
        return time.monotonic(), await self.look(False)

    async def count_half_open(self) -> int:
        """Return how many connections did not prove themselves; it takes no descriptor to know."""
        return self._server.statistics().half_open

    async def busy(self) -> float:
        """Return the CPU time of this process, in seconds."""
        return time.process_time()

    async def trim(self) -> None:
        """Give free memory back, so that what is left can be seen."""
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)

    async def open_second(self) -> None:
        """Open another display, which `close_second` or a fault ends."""
        self._close_second = trio.Event()
        await self._nursery.start(self._hold_second)

    async def _hold_second(self, task_status: trio.TaskStatus[None]) -> None:
        self._failure = ""
        try:
            async with self._server.open_display(WIDTH, HEIGHT) as self._second:
                task_status.started()
                await self._close_second.wait()
        except* ZeroDivisionError as group:
            self._failure = repr(group.exceptions[0])
        self._second = None

    async def close_second(self) -> float:
        """Close it; return how long that took, in seconds."""
        began = time.monotonic()
        self._close_second.set()
        return await self._second_closed(began)

    async def fail_second(self) -> float:
        """Let its thread fail; return how long it took until the block that holds it was left."""
        assert self._second is not None
        began = time.monotonic()
        await self._second.worker.draw(lambda picture: 1 // 0)
        seconds = await self._second_closed(began)
        assert self._failure, "the failure did not reach the holder"
        return seconds

    async def _second_closed(self, began: float) -> float:
        while self._second is not None:  # noqa: ASYNC110 - nothing tells
            await trio.sleep(0.001)
        return time.monotonic() - began


# The watchers.


def watch(connection: Connection, port: int) -> None:
    """Be healthy viewers, and tell the longest time without an update."""
    crowd = Crowd()
    for _ in range(HEALTHY):
        crowd.add(Viewer(port))
    crowd.selector.register(connection, 1)
    connection.send(None)
    watched = [viewer.display for viewer in crowd.viewers]
    last = [time.monotonic()] * HEALTHY
    seen, longest, total = [0] * HEALTHY, 0.0, 0
    while True:
        lines = crowd.read(1)
        now = time.monotonic()
        for index, line in enumerate(watched):
            if line in lines and line.updates != seen[index]:
                longest = max(longest, now - last[index])
                last[index], seen[index] = now, line.updates
        if connection.poll():
            (command,) = connection.recv()
            if command == "begin":
                longest, total = 0.0, sum(seen)
                last = [now] * HEALTHY
                connection.send(None)
            else:
                connection.send((1000 * max(longest, *(now - then for then in last)), sum(seen) - total, crowd.lost))


@dataclass(frozen=True)
class Gaps:
    """What watchers noticed."""

    longest: float
    """Milliseconds without an update."""
    control: float
    """The same at the control."""
    updates: int
    lost: int
    """Their connections that were closed."""
    work: float
    """Seconds of processor time that the server had meanwhile; the picture's share included."""


class Scene:
    """A server and its control, with their watchers.

    Args:
        settings: Of both servers.
        descriptors: How many the measured server may have.
        spare_keys: The measured server makes no new RSA keys.
    """

    def __init__(self, descriptors: int | None = None, *, spare_keys: bool = False, **settings: Any) -> None:
        self.server = Process(serve, settings, descriptors, spare_keys)
        self.port: int = self.server.answer()
        self._control = Process(serve, settings)
        self._watchers = [
            Process(watch, self.port),
            Process(watch, self._control.answer()),
        ]
        for watcher in self._watchers:
            watcher.answer()
        time.sleep(1)  # the first picture is sent, the keys are made
        self.server.call("trim")
        self.before = self.look()

    def look(self) -> Look:
        """Return what the server has now."""
        look = self.server.call("look")
        assert isinstance(look, Look)
        return look

    def begin(self) -> None:
        """Watch from now on."""
        for watcher in self._watchers:
            watcher.call("begin")
        self._busy = self.server.call("busy")

    def gaps(self) -> Gaps:
        """Return what was noticed since."""
        (longest, updates, lost), (control, _, _) = (watcher.call("end") for watcher in self._watchers)
        return Gaps(longest, control, updates, lost, self.server.call("busy") - self._busy)

    def released(self, since: float, timeout: float = 60) -> tuple[float, Look]:
        """Wait until the server has no more than before; return the seconds since, and what it has."""
        moment, look = self.server.call("released", self.before, timeout)
        return moment - since, look

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self._watchers, self._control, self.server):
            process.kill()


def visitor(act: Callable[..., Any], *arguments: Any) -> Process:
    """Run one who does harm: `act(connection, *arguments)`."""
    return Process(act, *arguments, priority=5)


def crowd(connection: Connection, port: int, count: int, options: dict[str, Any]) -> None:
    """Be viewers that read and answer, until killed."""
    viewers = Crowd()
    for _ in range(count):
        viewers.add(Viewer(port, **options))
        while viewers.read(0):
            pass
    connection.send(None)
    while True:
        viewers.read(None)
