"""Connect, draw, drop, thousands of times, and look what is left: `python -m bench.soak --rounds 10000`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from bench.scene import Look, Process, serve, visitor
from bench.viewers import FOUR, Viewer

WARM_UP = 400
"""Rounds before the first look: caches, pools and the allocator have what they need then."""
AT_A_TIME = 4
MAX_GROWTH = 2.0
"""MiB."""


def _see(viewer: Viewer, updates: int) -> None:
    while viewer.display.updates < updates and viewer.display.read():
        pass


def close(port: int) -> None:
    """See some pictures and close."""
    viewer = Viewer(port)
    _see(viewer, 8)
    viewer.close()


def reset(port: int) -> None:
    """See some pictures and throw away the rest."""
    viewer = Viewer(port)
    _see(viewer, 8)
    viewer.close(reset=True)


def in_mid_message(port: int) -> None:
    """Leave with a message begun, on each connection."""
    viewer = Viewer(port)
    _see(viewer, 4)
    for line in viewer.lines.values():
        line.sock.sendall(b"\x01\x00\x08\x00\x00\x00\x00")
    viewer.close()


def before_init(port: int) -> None:
    """Leave without having asked for a picture."""
    Viewer(port, init=False).close()


def after_half_a_picture(port: int) -> None:
    """Leave while the first picture is under way."""
    viewer = Viewer(port)
    viewer.display.sock.recv(1000)
    viewer.close(reset=True)


WAYS: tuple[Callable[[int], None], ...] = (close, reset, in_mid_message, before_init, after_half_a_picture)


def visit(connection: Connection, port: int) -> None:
    """Be as many viewers, one after the other, as asked for."""
    number = 0
    while True:
        (rounds,) = connection.recv()
        for _ in range(rounds):
            WAYS[number % len(WAYS)](port)
            number += 1
        connection.send(None)


def soak(rounds: int, warm_up: int, *, spare_keys: bool = False) -> tuple[Look, Look, float]:
    """Run the rounds after others as a warm-up; return what the server had before and after, and the seconds."""
    with Process(serve, {}, None, spare_keys) as server:
        port = server.answer()
        time.sleep(1)  # its threads are running, its keys made
        empty: Look = server.call("look")
        visitors = [visitor(visit, port) for _ in range(AT_A_TIME)]
        try:
            _run(visitors, warm_up)
            server.call("released", empty, 30)
            server.call("trim")
            before: Look = server.call("look")
            began, done = time.monotonic(), 0
            while done < rounds:
                some = min(1000, rounds - done)
                _run(visitors, some)
                done += some
                look: Look = server.call("look")
                print(f"{done} rounds: {look.memory:.1f} MiB", file=sys.stderr, flush=True)
            seconds = time.monotonic() - began
        finally:
            for process in visitors:
                process.kill()
        server.call("released", empty, 30)
        server.call("trim")
        after: Look = server.call("look")
    assert before.counts() == empty.counts(), f"the warm-up left {before.since(empty)}"
    return before, after, seconds


def _run(visitors: list[Process], rounds: int) -> None:
    for index, process in enumerate(visitors):
        process.connection.send((rounds // len(visitors) + (index < rounds % len(visitors)),))
    for process in visitors:
        process.answer(600)


def main() -> int:
    """Print what is left; 1 if it is anything."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10000)
    parser.add_argument("--warm-up", type=int, default=WARM_UP)
    parser.add_argument("--spare-keys", action="store_true", help="use some RSA keys again and again: see bench.scene")
    arguments = parser.parse_args()
    before, after, seconds = soak(arguments.rounds, arguments.warm_up, spare_keys=arguments.spare_keys)
    print(f"{arguments.rounds} rounds of {len(FOUR)} connections each: {seconds:.0f} s")
    print(f"before: {before}")
    print(f"after:  {after}")
    print(f"left: {after.since(before)}")
    return int(before.counts() != after.counts() or after.memory - before.memory > MAX_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
