"""A peer of bench.display as a process: its start, its commands, and what it has used."""

from __future__ import annotations

import resource
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from bench import pictures

ROOT: Final = Path(__file__).parents[2]
ENVIRONMENT: Final = {"SPICE_DEBUG_ALLOW_MC": "1", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
"""The variable lets libspice-server have several viewers at once."""
_SIZES: Final = (
    "WIDTH", "HEIGHT", "FRAMES", "GLYPHS", "GLYPH_WIDTH", "GLYPH_HEIGHT", "LINES", "LINE_WIDTH", "SCROLLED",
)  # fmt: skip


class MissingError(Exception):
    """What it takes to build the peer is not there."""


def build(folder: Path) -> Path:
    """Compile libspice.c; return the program.

    Raises:
        MissingError: There is no compiler, or no libspice-server to build with; the text says what to install.
    """
    if missing := [name for name in ("cc", "pkg-config") if shutil.which(name) is None]:
        raise MissingError(f"there is no {missing[0]}: install it, on Debian with apt-get install gcc pkg-config")
    asked = subprocess.run(["pkg-config", "--cflags", "--libs", "spice-server"], capture_output=True, text=True)
    if asked.returncode:
        raise MissingError("there is no spice-server to build with: on Debian, apt-get install libspice-server-dev")
    program = folder / "libspice"
    sizes = [f"-D{name}={getattr(pictures, name)}" for name in _SIZES]
    source = Path(__file__).with_name("libspice.c")
    command = ["cc", "-O2", *sizes, source, "-o", program, *shlex.split(asked.stdout), "-pthread"]
    subprocess.run(command, check=True)
    return program


class Peer:
    """A running peer. Leaving the block ends it.

    Args:
        command: What runs.
        file: The pictures.
    """

    def __init__(self, command: Sequence[str | Path], file: Path) -> None:
        self.port = _free_port()
        self._process = subprocess.Popen(
            command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.ask(f"open {self.port} {file}")

    @classmethod
    def ours(cls, file: Path) -> Self:
        """Start spicetrio."""
        return cls([sys.executable, "-m", "bench.peers.ours"], file)

    def tell(self, line: str) -> None:
        """Send a command that has no answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def ask(self, line: str) -> str:
        """Send a command and return the answer."""
        self.tell(line)
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._process.args!r} ended with status {self._process.wait()}")
        return answer.decode().strip()

    def busy(self) -> float:
        """Return the processor time of all its threads, those that ended included, in seconds."""
        return time.clock_gettime(~self._process.pid << 3 | 2)

    def resident(self) -> float:
        """Return its memory, in KiB."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 1024

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.communicate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
