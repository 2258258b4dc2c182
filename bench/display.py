"""spicetrio's display beside libspice-server's, on the same pictures: `python -m bench.display [--viewers 1 8 32 128]`.

Both servers run all the time and are measured in turn, several times; what is printed are medians. The viewers are one
process that counts and does not decode. Processor time is the server's, over all its threads, from the first drawing
until the last of it has arrived at every viewer. See docs/performance.rst.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench import pictures
from bench.peers.process import MissingError, Peer, build
from bench.pictures import GLYPH_HEIGHT, GLYPH_WIDTH, HEIGHT, WIDTH
from bench.viewers import Crowd, Viewer
from spicetrio.wire.enums import ChannelType, ImageCompression

OURS, THEIRS = "spicetrio", "libspice-server"
FRAME: Final = WIDTH * HEIGHT
GLYPH: Final = GLYPH_WIDTH * GLYPH_HEIGHT
TYPING_RATE: Final = 200
SCROLL_RATE: Final = 60
QUIET: Final = 0.5
"""Seconds without a drawing after which nothing more is expected."""
PATIENCE: Final = 60.0
"""Seconds after which it is not waited for any longer."""
BEFORE: Final = 8
"""Viewers that are there before the memory of further ones is measured: what is allocated once is not theirs."""


@dataclass(frozen=True)
class Row:
    """What is measured."""

    workload: str
    kind: str
    """Of the pictures."""
    viewers: int
    codec: ImageCompression


@dataclass(frozen=True)
class Figures:
    """What one server needed for it; per update that arrived at one viewer."""

    microseconds: float
    """Processor time."""
    size: float
    """Bytes."""
    pace: float
    """Updates that arrived at a viewer, in a second."""


@dataclass(frozen=True)
class Counts:
    """What has arrived at all viewers."""

    pixels: int
    copies: int
    received: int


class Party:
    """A server, and those who watch it."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._crowd = Crowd()

    def grow(self, viewers: int) -> None:
        """Let further viewers come, until there are as many, and wait for their first pictures."""
        while len(self._crowd.viewers) < viewers:
            self._crowd.add(Viewer(self.peer.port, (ChannelType.DISPLAY,)))
            while self._crowd.read(0):
                pass
        self._read_until(lambda: all(viewer.display.pixels >= FRAME for viewer in self._crowd.viewers))
        self._settle()

    def run(self, row: Row, seconds: float) -> Figures:
        """Measure."""
        for viewer in self._crowd.viewers:
            viewer.prefer(row.codec)
        self._settle()
        before, busy, began = self._counts(), self.peer.busy(), time.monotonic()
        if row.workload == "full":
            drawn = self._play(seconds)
        else:
            rate = TYPING_RATE if row.workload == "typing" else SCROLL_RATE
            self.peer.ask(f"{row.workload} {rate}")
            self._read_for(seconds)
            drawn = int(self.peer.ask("stop"))
        took = time.monotonic() - began
        self._settle()
        busy, after = self.peer.busy() - busy, self._counts()
        pixels, copies = after.pixels - before.pixels, after.copies - before.copies
        updates = {"full": pixels / FRAME, "typing": pixels / GLYPH, "scroll": copies}[row.workload]
        updates = min(updates, drawn * row.viewers)  # what is sent twice is no second update
        return Figures(1e6 * busy / updates, (after.received - before.received) / updates, updates / row.viewers / took)

    def _play(self, seconds: float) -> int:
        """Let frames be drawn, the next one when the first viewer begins to receive the last part of the last one.

        Returns:
            How many there were.
        """
        first = self._crowd.viewers[0].display
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            wanted = first.pixels + FRAME
            self.peer.tell(f"frame {number}")
            self._read_until(lambda wanted=wanted: first.pixels >= wanted)
            number += 1
        return number

    def _counts(self) -> Counts:
        lines = [viewer.display for viewer in self._crowd.viewers]
        return Counts(
            sum(line.pixels for line in lines), sum(line.copies for line in lines), sum(line.received for line in lines)
        )

    def _read_until(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            self._crowd.read(1)
            if self._crowd.lost or time.monotonic() > end:
                raise RuntimeError(f"{self._crowd.lost} connections were closed, or nothing came in {PATIENCE:.0f} s")

    def _read_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._crowd.read(left)

    def _settle(self) -> None:
        """Wait until nothing is drawn any more; pings always come from somewhere."""
        seen, since = 0, time.monotonic()
        while time.monotonic() - since < QUIET:
            self._crowd.read(QUIET)
            lines = [viewer.display for viewer in self._crowd.viewers]
            drawn = sum(line.updates + line.copies for line in lines)
            if drawn != seen or not all(line.complete for line in lines):
                seen, since = drawn, time.monotonic()


Starts = Mapping[str, Callable[[Path], Peer]]


def rows(viewers: Iterable[int], codecs: Iterable[ImageCompression]) -> Iterator[Row]:
    """Yield what is measured, by the kind of pictures and the number of viewers, as the parties only grow."""
    codecs = tuple(codecs)
    for kind in ("photo", "noise"):
        yield from (Row("full", kind, 1, codec) for codec in codecs)
    for count in sorted(viewers):
        yield from (Row("full", "desktop", count, codec) for codec in codecs)
        yield from (Row(workload, "desktop", count, ImageCompression.LZ) for workload in ("typing", "scroll"))


def measure(
    starts: Starts, files: Mapping[str, Path], todo: Iterable[Row], seconds: float, rounds: int
) -> Iterator[tuple[Row, dict[str, Figures]]]:
    """Yield both servers' figures for each row."""
    todo = list(todo)
    for kind in dict.fromkeys(row.kind for row in todo):
        with starts[OURS](files[kind]) as ours, starts[THEIRS](files[kind]) as theirs:
            parties = {OURS: Party(ours), THEIRS: Party(theirs)}
            for row in todo:
                if row.kind == kind:
                    for party in parties.values():
                        party.grow(row.viewers)
                    found: dict[str, list[Figures]] = {OURS: [], THEIRS: []}
                    for _ in range(rounds):
                        for name, party in parties.items():
                            found[name].append(party.run(row, seconds))
                    yield row, {name: _medians(figures) for name, figures in found.items()}


def _medians(figures: list[Figures]) -> Figures:
    return Figures(*(median(values) for values in zip(*(asdict(each).values() for each in figures), strict=True)))


def connect(starts: Starts, file: Path, times: int) -> dict[str, tuple[float, float]]:
    """Return for each server the milliseconds from the first link to the whole first picture, and of its processor."""
    took: dict[str, list[float]] = {OURS: [], THEIRS: []}
    busy = dict.fromkeys(took, 0.0)
    with starts[OURS](file) as ours, starts[THEIRS](file) as theirs:
        peers = {OURS: ours, THEIRS: theirs}
        for peer in peers.values():
            peer.tell("frame 0")
        for name, peer in [*peers.items()] * times:
            time.sleep(0.2)  # it makes new keys, and gives up what the last viewer had
            used, began = peer.busy(), time.monotonic()
            viewer = Viewer(peer.port, (ChannelType.DISPLAY,))
            line = viewer.display
            while (line.pixels < FRAME or not line.complete) and line.read():
                pass
            took[name].append(1000 * (time.monotonic() - began))
            viewer.close()
            time.sleep(0.2)
            busy[name] += 1000 * (peer.busy() - used)
    return {name: (median(took[name]), busy[name] / times) for name in took}


def remember(starts: Starts, file: Path, viewers: int) -> dict[str, float]:
    """Return for each server the memory that an idle viewer takes, in KiB."""
    found = {}
    for name, start in starts.items():
        with start(file) as peer:
            peer.tell("frame 0")
            party = Party(peer)
            party.grow(BEFORE)
            before = peer.resident()
            party.grow(BEFORE + viewers)
            found[name] = (peer.resident() - before) / viewers
    return found


GOALS: Final = {("full", 1): 1.0, ("full", 32): 0.1, ("typing", 1): 3.0}
"""The most processor time for an update that spicetrio may need, as a part of what libspice-server needs."""


def judge(value: float, goal: float | None) -> str:
    """Say whether a goal was met."""
    return "" if goal is None else f"{'met' if value <= goal else 'MISSED'}: {goal:g}"


def show(row: Row, figures: Mapping[str, Figures]) -> dict[str, object]:
    """Print a line, and return the same for JSON."""
    ours, theirs = figures[OURS], figures[THEIRS]
    ratio, sizes = ours.microseconds / theirs.microseconds, ours.size / theirs.size
    print(
        f"{row.workload:8}{row.kind:8}{row.viewers:4} {row.codec.name.lower():5}"
        f"{ours.microseconds:10.0f}{theirs.microseconds:10.0f}{ratio:8.2f}"
        f"{ours.size:10.0f}{theirs.size:10.0f}{sizes:7.2f}{ours.pace:7.0f}{theirs.pace:8.0f}"
        f"  {judge(ratio, GOALS.get((row.workload, row.viewers)))}",
        flush=True,
    )
    return {**asdict(row), "codec": row.codec.name.lower(), OURS: asdict(ours), THEIRS: asdict(theirs), "ratio": ratio}


HEADING: Final = f"""\
{"":25}{"us of CPU an update":>28}{"bytes an update":>27}{"a second":>15}
{"":25}{"ours":>10}{"theirs":>10}{"ratio":>8}{"ours":>10}{"theirs":>10}{"ratio":>7}{"ours":>7}{"theirs":>8}  goal"""


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.display", description=__doc__)
    codecs = [codec.name.lower() for codec in ImageCompression]
    parser.add_argument("--viewers", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--codecs", nargs="+", choices=codecs, default=["off", "lz", "lz4"], help="of the full frames")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of which the median is taken")
    parser.add_argument("--json", type=Path, help="write the figures to a file too")
    return parser.parse_args()


def main() -> int:
    """Print all figures; 2 if libspice-server is not there."""
    arguments = parse()
    codecs = [ImageCompression[name.upper()] for name in arguments.codecs]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            program = build(folder)
        except MissingError as error:
            print(error, file=sys.stderr)
            return 2
        files = {kind: folder / kind for kind in pictures.KINDS}
        for kind, file in files.items():
            pictures.write(file, kind)
        starts: Starts = {OURS: Peer.ours, THEIRS: lambda file: Peer([program], file)}
        print(HEADING, flush=True)
        todo = rows(arguments.viewers, codecs)
        found = measure(starts, files, todo, arguments.seconds, arguments.rounds)
        results: dict[str, object] = {"rows": [show(row, figures) for row, figures in found]}
        results["connect"] = connected = connect(starts, files["desktop"], 20)
        (ours, our_work), (theirs, their_work) = connected[OURS], connected[THEIRS]
        print(f"connect to first picture, ms: {ours:.1f} {theirs:.1f} {ours / theirs:.2f}  {judge(ours / theirs, 0.5)}")
        print(f"processor time of it, ms: {our_work:.1f} {their_work:.1f} {our_work / their_work:.2f}")
        results["memory"] = memory = remember(starts, files["desktop"], 64)
        print(f"memory of an idle viewer, KiB: {memory[OURS]:.0f} {memory[THEIRS]:.0f}  {judge(memory[OURS], 100)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
