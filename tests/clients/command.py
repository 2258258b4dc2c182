"""The real command, `python -m spicetrio ...`, as a child process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from .processes import end, open_child

ROOT = Path(__file__).parents[2]
READY = "listening on "
READY_TIMEOUT = 20.0


@dataclass
class Command:
    """A running command and what it has said."""

    process: trio.Process
    addresses: list[str] = field(default_factory=list)
    """What it listens on, in the order it was printed."""
    errors: bytearray = field(default_factory=bytearray)
    """Its standard error so far."""

    @property
    def address(self) -> str:
        return self.addresses[0]

    async def interrupt(self) -> int:
        """End it as Ctrl-C does; its exit status."""
        return await end(self.process, signal.SIGINT)

    def complaint(self) -> str:
        return f"the command ended by itself: {self.errors.decode(errors='replace')}"


@asynccontextmanager
async def open_command(*arguments: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Command]:
    """Run `python -m spicetrio` with those arguments; the block is entered once it listens.

    When the block is left it gets SIGINT, and must then end with status 0.
    """
    async with (
        open_child(
            [sys.executable, "-m", "spicetrio", *arguments],
            ending=signal.SIGINT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=dict(os.environ if environment is None else environment),
        ) as process,
        trio.open_nursery() as nursery,
    ):
        command = Command(process)
        ready = trio.Event()
        nursery.start_soon(_read_output, command, ready)
        nursery.start_soon(_read_errors, command)
        with trio.fail_after(READY_TIMEOUT):
            await ready.wait()
        assert command.addresses, command.complaint()
        yield command
        status = await command.interrupt()
        assert status == 0, f"exit status {status}: {command.errors.decode(errors='replace')}"
        nursery.cancel_scope.cancel()


async def _read_output(command: Command, ready: trio.Event) -> None:
    buffer = b""
    assert command.process.stdout is not None
    async for data in command.process.stdout:
        *lines, buffer = (buffer + data).split(b"\n")
        for line in lines:
            text = line.decode()
            if text.startswith(READY):
                command.addresses.append(text.removeprefix(READY).strip())
                ready.set()
    ready.set()


async def _read_errors(command: Command) -> None:
    assert command.process.stderr is not None
    async for data in command.process.stderr:
        command.errors += data
