"""Running the command line to its end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "spicetrio"]


@dataclass
class Outcome:
    status: int
    output: str
    errors: str


def environment(**changes: str | None) -> dict[str, str]:
    """Our own environment, without a display, and with these changes; None takes something out."""
    changed = {**os.environ, "DISPLAY": None, **changes}
    return {name: value for name, value in changed.items() if value is not None}


async def run(
    *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, program: Sequence[str] = PROGRAM
) -> Outcome:
    """Run the program; it has to end by itself."""
    with trio.fail_after(30):
        process = await trio.run_process(
            [*program, *arguments],
            stdin=stdin,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            cwd=ROOT,
            env=environment() if env is None else env,
        )
    return Outcome(process.returncode, process.stdout.decode(), process.stderr.decode())


class Lines:
    """Lines of a pipe, one by one."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._buffer = b""
        self.seen: list[str] = []

    async def next(self) -> str:
        while b"\n" not in self._buffer:
            data = await self._stream.receive_some(4096)
            assert data, f"the program said no more than {self.seen} and {self._buffer!r}"
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        self.seen.append(line.decode())
        return self.seen[-1]

    async def find(self, beginning: str) -> str:
        """Return what follows the beginning on the first line that begins so."""
        while not (line := await self.next()).startswith(beginning):
            pass
        return line.removeprefix(beginning)

    async def rest(self) -> list[str]:
        async for data in self._stream:
            self._buffer += data
        return self._buffer.decode().splitlines()


class Running:
    """A program that runs."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.output = Lines(process.stdout)
        self.errors = Lines(process.stderr)

    async def ready(self) -> str:
        """Return where it listens first."""
        return await self.output.find("listening on ")

    async def end(self) -> int:
        """Wait until it has ended; return its status."""
        with trio.fail_after(10):
            return await self.process.wait()


@asynccontextmanager
async def running(*arguments: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """Run the program while the block runs; it is killed if it has not ended by then."""
    process = await trio.lowlevel.open_process(
        [*PROGRAM, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment() if env is None else dict(env),
    )
    program = Running(process)
    try:
        with trio.fail_after(30):
            yield program
    finally:
        with trio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.wait()
            for pipe in (process.stdout, process.stderr):
                assert pipe is not None
                await pipe.aclose()
