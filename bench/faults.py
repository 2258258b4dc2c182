"""Do to a server what viewers and networks do, and see what others notice: `python -m bench.faults [NAME...]`.

For each fault: the longest time without an update that healthy viewers of the same server had (they should get one
every 10 ms), the same at another server at the same time that nothing is done to, the processor time of the server
meanwhile, how long it took until the server had nothing left of the fault, and what is left if anything. Milliseconds.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bench.scene import Gaps, Look, Scene, crowd, visitor
from bench.viewers import RefusedError, Viewer, connect, link_message
from spicetrio.wire.enums import ChannelType

STAY = 4.0
"""Seconds for which those stay who do nothing."""
MAIN_AND_DISPLAY = {"kinds": (ChannelType.DISPLAY,)}


@dataclass(frozen=True)
class Finding:
    """What a fault did."""

    gaps: Gaps | None
    released: float | None
    """Seconds until all was as before."""
    left: str
    note: str = ""


def _finding(scene: Scene, since: float, note: str = "") -> Finding:
    seconds, look = scene.released(since)
    time.sleep(0.1)
    gaps = scene.gaps()
    return Finding(gaps, seconds, _left(scene, look), note)


def _left(scene: Scene, look: Look) -> str:
    scene.server.call("trim")
    return scene.look().since(scene.before) if look.counts() == scene.before.counts() else look.since(scene.before)


# Those who do harm, each in a process.


def _hold(connection: Connection, port: int, options: dict[str, Any]) -> None:
    """Be a viewer that does not read."""
    viewer = Viewer(port, **options)
    connection.send(None)
    time.sleep(60)
    viewer.close()


def _read_little(connection: Connection, port: int) -> None:
    """Read one byte a second."""
    viewer = Viewer(port)
    connection.send(None)
    while viewer.display.sock.recv(1):
        time.sleep(1)


def _keep_unacknowledged(connection: Connection, port: int) -> None:
    """Read everything and acknowledge nothing."""
    viewer = Viewer(port, acknowledge=False)
    connection.send(None)
    while viewer.display.read():
        pass


def _link_slowly(connection: Connection, port: int) -> None:
    """Send a byte a second until the server has enough; tell how long that took."""
    sock = connect(port)
    sock.settimeout(1)
    connection.send(None)
    began = time.monotonic()
    for byte in link_message(ChannelType.MAIN):
        try:
            sock.sendall(bytes([byte]))
            if not sock.recv(1):
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    connection.send(time.monotonic() - began)
    time.sleep(60)


def _open_and_say_nothing(connection: Connection, port: int, count: int) -> None:
    socks = [connect(port) for _ in range(count)]
    connection.send(None)
    time.sleep(60)
    socks.clear()


def _leave_early(connection: Connection, port: int, times: int) -> None:
    """Ask for the first picture and leave in the same moment."""
    for number in range(times):
        Viewer(port, (ChannelType.DISPLAY,)).close(reset=number % 2 == 1)
    connection.send(None)
    time.sleep(60)


# The faults.


def drop() -> Finding:
    """128 viewers, 512 connections, are gone in the same instant."""
    with Scene(spare_keys=True) as scene, visitor(crowd, scene.port, 128, {}) as viewers:
        viewers.answer(600)
        scene.begin()
        time.sleep(0.2)
        return _finding(scene, viewers.kill())


def crowd_alone() -> Finding:
    """128 viewers watch for two seconds, and nothing happens to them."""
    with Scene(spare_keys=True) as scene, visitor(crowd, scene.port, 128, {}) as viewers:
        viewers.answer(600)
        scene.begin()
        time.sleep(2)
        return Finding(scene.gaps(), None, "")


def early() -> Finding:
    """50 viewers, one after the other, leave between the opening of the display channel and the first picture."""
    with Scene() as scene:
        scene.begin()
        with visitor(_leave_early, scene.port, 50) as viewers:
            viewers.answer()
            return _finding(scene, time.monotonic())


def _stays(act: Callable[..., None], *arguments: Any) -> Finding:
    with Scene() as scene:
        scene.begin()
        with visitor(act, scene.port, *arguments) as viewer:
            viewer.answer()
            time.sleep(STAY)
            since = viewer.kill()
        return _finding(scene, since)


def withheld_init() -> Finding:
    """A viewer links all its channels and never sends INIT."""
    return _stays(_hold, {"init": False})


def no_acks() -> Finding:
    """A viewer reads everything and acknowledges nothing."""
    return _stays(_keep_unacknowledged)


def byte_reader() -> Finding:
    """A viewer reads one byte a second."""
    return _stays(_read_little)


def stopped() -> Finding:
    """A viewer is stopped by SIGSTOP; the server drops it when it has been silent for too long, here 3 s."""
    with Scene(ping_interval=1, silence_timeout=3) as scene, visitor(crowd, scene.port, 1, {}) as viewer:
        viewer.answer()
        scene.begin()
        since = time.monotonic()
        os.kill(viewer.pid, signal.SIGSTOP)
        return _finding(scene, since, "of which 3 to 5 s are its deadline")


def slow_link() -> Finding:
    """A connection sends its link at a byte a second; its deadline is 3 s here."""
    with Scene(link_timeout=3) as scene:
        scene.begin()
        with visitor(_link_slowly, scene.port) as peer:
            peer.answer()
            seconds = peer.answer()
            return _finding(scene, time.monotonic(), f"it was closed after {seconds:.1f} s")


def half_open() -> Finding:
    """400 connections say nothing; 32 of a peer may. Others link meanwhile."""
    with Scene() as scene:
        scene.begin()
        with visitor(_open_and_say_nothing, scene.port, 400) as peers:
            peers.answer()
            began = time.monotonic()
            Viewer(scene.port).close()
            linked = time.monotonic() - began
            count = scene.server.call("count_half_open")
            since = peers.kill()
        return _finding(scene, since, f"{count} were kept; another viewer linked in {1000 * linked:.0f} ms")


def _second_display(end: str) -> Finding:
    with Scene() as scene:
        scene.server.call("open_second")
        with visitor(crowd, scene.port, 32, {**MAIN_AND_DISPLAY, "channel_id": 1}) as viewers:
            viewers.answer()
            scene.begin()
            time.sleep(0.2)
            seconds = scene.server.call(end)
            time.sleep(0.2)
            gaps = scene.gaps()
            stayed = scene.look().viewers - scene.before.viewers
            _, look = scene.released(viewers.kill())
        return Finding(gaps, seconds, _left(scene, look), f"{stayed} of 32 viewers stayed")


def failing_worker() -> Finding:
    """The thread of another display, which 32 viewers watch, raises."""
    return _second_display("fail_second")


def closed_display() -> Finding:
    """Another display is closed while 32 viewers watch it."""
    return _second_display("close_second")


def descriptors() -> Finding:
    """A server that may have 64 descriptors is asked for 110 connections."""
    with Scene(64, max_half_open=1000, max_half_open_per_peer=1000) as scene:
        scene.begin()
        with visitor(_open_and_say_nothing, scene.port, 110) as peers:
            peers.answer()
            time.sleep(1)
            most = scene.server.call("count_half_open")
            since = peers.kill()
        began = time.monotonic()
        while True:
            try:
                Viewer(scene.port).close()
                break
            except (RefusedError, OSError):
                continue
        seconds = time.monotonic() - began
        return _finding(scene, since, f"{most} were accepted; a viewer came in {1000 * seconds:.0f} ms after")


def sigterm() -> Finding:
    """`spicetrio demo` gets SIGTERM in the middle of a picture for 8 viewers that do not read; it has 1 s of grace."""
    command = [sys.executable, "-m", "spicetrio", "demo", "--port", "0", "--password-file", "/dev/stdin"]
    command += ["--size", "4096x2160", "--image-compression", "off"]  # more than fits into the kernel's buffers
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(b"bench\n")
        process.stdin.close()
        port = int(process.stdout.readline().rpartition(b":")[2])
        stuck = [Viewer(port, acknowledge=False) for _ in range(8)]
        time.sleep(1)
        began = time.monotonic()
        process.terminate()
        status = process.wait(30)
        seconds = time.monotonic() - began
        for viewer in stuck:
            viewer.close()
    finally:
        process.kill()
        process.wait()
    return Finding(None, seconds, "", f"exit status {status}")


FAULTS: dict[str, Callable[[], Finding]] = {
    "crowd": crowd_alone,
    "drop": drop,
    "early": early,
    "init": withheld_init,
    "acks": no_acks,
    "stopped": stopped,
    "byte-reader": byte_reader,
    "slow-link": slow_link,
    "half-open": half_open,
    "failing-worker": failing_worker,
    "closed-display": closed_display,
    "descriptors": descriptors,
    "sigterm": sigterm,
}


def main() -> int:
    """Print a table of all faults, or of those that are named."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FAULTS))
    names = parser.parse_args().names or list(FAULTS)
    if unknown := set(names) - FAULTS.keys():
        parser.error(f"there is no fault {', '.join(sorted(unknown))}")
    print(f"{'fault':16} {'gap':>6} {'control':>8} {'cpu':>6} {'released':>9}  left")
    for name in names:
        finding = FAULTS[name]()
        seen = finding.gaps
        gaps = f"{seen.longest:6.0f} {seen.control:8.0f} {1000 * seen.work:6.0f}" if seen else " " * 22
        released = "" if finding.released is None else f"{1000 * finding.released:.0f}"
        notes = "; ".join(filter(None, (finding.left, finding.note)))
        lost = f"; {seen.lost} healthy connections lost" if seen and seen.lost else ""
        print(f"{name:16} {gaps} {released:>9}  {notes}{lost}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
