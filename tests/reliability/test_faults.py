"""What one viewer does, or all of them at once, the others do not suffer from, and nothing of it is left."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from spicetrio.wire.enums import ChannelType
from spicetrio.wire.link import LinkMessage, with_header
from tests.cli.commands import running
from tests.peer import CAPS_LESS, open_viewer, read_exactly
from tests.reliability.house import Guest, House, open_house
from tests.server.rig import read_to_end, until

LIMIT = 300
"""Seconds after which a test has hung."""


async def enter_many(house: House, count: int) -> list[Guest]:
    guests: list[Guest] = []
    limiter = trio.CapacityLimiter(8)

    async def enter() -> None:
        async with limiter:
            guests.append(await house.enter())

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(enter)
    return guests


async def test_128_viewers_that_drop_in_the_same_instant_are_released_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with trio.fail_after(LIMIT):
        async with open_house(monkeypatch) as house:
            for _ in range(2):
                guests = await enter_many(house, 128)
                assert len(house.server.clients.value) == 129
                for guest in guests:
                    guest.drop()
                await house.others_go_on()
                await house.all_released()


async def drops(house: House, guest: Guest) -> None:
    guest.drop()


async def closes_its_display_first(house: House, guest: Guest) -> None:
    for channel in reversed(guest.channels):
        await channel.stream.aclose()


async def breaks_the_protocol(house: House, guest: Guest) -> None:
    await guest.channels[-1].stream.send_all(b"\xff" * 64)


async def is_ended(house: House, guest: Guest) -> None:
    house.server.clients.value[1].end("enough")


@pytest.mark.parametrize("leave", [drops, closes_its_display_first, breaks_the_protocol, is_ended])
async def test_who_left_is_freed_even_if_collections_pass_over_what_served_them(
    monkeypatch: pytest.MonkeyPatch, leave: Callable[[House, Guest], Awaitable[None]]
) -> None:
    with trio.fail_after(LIMIT), collections_by_hand():
        async with open_house(monkeypatch) as house:
            guest = await house.enter()
            parts = await parts_of_newest(house)
            gc.freeze()
            await leave(house, guest)
            await until(lambda: len(house.server.clients.value) == 1)
            guest.drop()
            await house.all_released()
            # An error may be in a circle of references: from Python 3.12 on if it left a @contextmanager.
            await until(lambda: gc.collect() == 0)
            assert not [part() for part in parts if part() is not None]


async def parts_of_newest(house: House) -> list[weakref.ref[Any]]:
    """What serves the viewer that came last, once all its four connections are served."""
    client = house.server.clients.value[-1]
    await until(lambda: sum(one.client is client for one in house.server.statistics().connections) == 4)
    connections = [one for channel in house.server._channels.values() for one in channel.clients]
    own = [one for one in connections if one.client is client]
    return [weakref.ref(part) for part in (client, *own, *(one.writer for one in own))]


@contextmanager
def collections_by_hand() -> Iterator[None]:
    """Collect garbage only where it is said."""
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()


async def test_a_viewer_may_leave_between_its_display_and_the_first_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    with trio.fail_after(LIMIT):
        async with open_house(monkeypatch) as house:
            for _ in range(50):
                guest = await house.enter(kinds=(ChannelType.DISPLAY,))
                guest.drop()
            await house.others_go_on()
            await house.all_released()


async def test_a_viewer_that_withholds_init_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with trio.fail_after(LIMIT):
        async with open_house(monkeypatch) as house:
            guest = await house.enter(init=False)
            for _ in range(20):
                await house.others_go_on()
            guest.drop()


async def test_a_viewer_that_reads_and_acknowledges_nothing_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with trio.fail_after(LIMIT):
        async with open_house(monkeypatch) as house:
            guest = await house.enter()
            for _ in range(200):  # several times as many as its windows have room for
                await house.others_go_on()
            last = house.server.clients.value[1]
            stuck = [one for one in house.server.statistics().connections if one.client is last]
            assert max(one.queued for one in stuck) < house.server.settings.queue_limit
            guest.drop()


async def test_a_viewer_that_is_stopped_is_dropped_when_it_was_silent_for_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with trio.fail_after(LIMIT):
        async with (
            open_house(monkeypatch, ping_interval=0.1, silence_timeout=0.3) as house,
            trio.open_nursery() as nursery,
        ):

            async def answer() -> None:
                while True:
                    await house.viewer.main.receive()

            nursery.start_soon(answer)
            guest = await house.enter()
            while len(house.server.clients.value) > 1:
                await house.others_go_on()
            nursery.cancel_scope.cancel()
            guest.drop()


async def test_one_that_links_a_byte_at_a_time_is_cut_off_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with trio.fail_after(LIMIT):
        async with open_house(monkeypatch, link_timeout=0.2) as house:
            stream = await house.connect()
            for byte in with_header(LinkMessage(0, ChannelType.MAIN, 0, CAPS_LESS, CAPS_LESS))[:10]:
                await stream.send_all(bytes([byte]))
                await house.others_go_on()
            assert await read_to_end(stream) == b""
            await stream.aclose()


async def test_half_open_connections_past_the_cap_make_room_for_those_who_link(monkeypatch: pytest.MonkeyPatch) -> None:
    with trio.fail_after(LIMIT):
        async with open_house(monkeypatch, max_half_open_per_peer=8) as house:
            silent = []
            for _ in range(40):
                silent.append(await house.connect())
                assert house.server.statistics().half_open <= 8
            await until(lambda: house.server.statistics().half_open == 8)
            guest = await house.enter()
            guest.drop()
            assert await read_to_end(silent[0]) == b""
            for stream in silent:
                await stream.aclose()


async def test_a_failing_thread_ends_its_display_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with trio.fail_after(LIMIT):
        async with open_house(monkeypatch) as house:
            with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
                async with house.server.open_display(64, 64) as second:
                    await second.worker.draw(lambda picture: 1 // 0)
                    await trio.sleep_forever()
            await house.others_go_on()


async def test_a_display_is_closed_while_32_viewers_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    with trio.fail_after(LIMIT):
        async with open_house(monkeypatch) as house:
            guests = []
            async with house.server.open_display(64, 64) as second:
                for _ in range(32):
                    guest = await house.enter(kinds=())
                    guest.channels.append(await guest.viewer.open_display(second.id))
                    guests.append(guest)
            await house.others_go_on()
            assert len(house.server.clients.value) == 33, "they stay, without that display"
            for guest in guests:
                guest.drop()


async def test_a_command_with_stuck_viewers_ends_by_sigterm(tmp_path: Path) -> None:
    """Of what it sends at once a UNIX socket takes a part: the rest is under way, and would be for ever."""
    path = tmp_path / "socket"
    stuck = ("demo", "--unix", str(path), "--disable-ticketing", "--size", "1920x1080", "--image-compression", "off")
    async with running(*stuck) as program:
        await program.ready()
        async with open_viewer(partial(trio.open_unix_socket, str(path))) as viewer:
            display = await viewer.open_display()
            async with display.stream:
                await read_exactly(display.stream, 100_000)
                program.process.send_signal(signal.SIGTERM)
                assert await program.end() == 0


STARVED = """
import resource, trio, spicetrio, sys

async def main():
    async with spicetrio.open_server(
        port=0, disable_ticketing=True, max_half_open=1000, max_half_open_per_peer=1000
    ) as server, server.open_display(64, 64):
        print(server.addresses[0].rpartition(":")[2], flush=True)
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        await trio.sleep_forever()

trio.run(main)
"""


async def test_a_server_without_descriptors_serves_whom_it_has_and_recovers() -> None:
    with trio.fail_after(LIMIT):
        process = await trio.lowlevel.open_process(
            [sys.executable, "-c", STARVED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
        )
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            port = int(await process.stdout.receive_some(100))

            async def connect() -> trio.SocketStream:
                return await trio.open_tcp_stream("127.0.0.1", port)

            async with open_viewer(connect) as viewer:
                crowd = [await connect() for _ in range(80)]
                errors = b""
                while b"accept" not in errors:  # it has run out
                    errors += await process.stderr.receive_some(4096)
                assert b"Too many open files" in errors or b"EMFILE" in errors
                for stream in crowd:
                    await stream.aclose()
                display = await viewer.open_display()
                async with display.stream:
                    await viewer.watch(display, lambda screen: screen.marked)
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
                await process.stdout.aclose()
                await process.stderr.aclose()
