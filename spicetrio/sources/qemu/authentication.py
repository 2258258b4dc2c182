"""How a client of D-Bus begins: it proves its user, and asks for descriptors to be passed."""

from __future__ import annotations

import os
from typing import Final

import trio

from spicetrio.sources.errors import SourceError

MOST_BYTES: Final = 4096
"""Of the answer; two short lines are expected."""


def greeting() -> bytes:
    """What a client says first. It needs no answer, so it can be there before the other end looks.

    QEMU waits for it in its main loop, and the virtual machine with it.
    """
    user = str(os.geteuid()).encode().hex().encode()
    return b"\0AUTH EXTERNAL " + user + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"


async def read_answer(sock: trio.socket.SocketType) -> bytes:
    """Read the answer to the greeting; return what came behind it.

    Raises:
        SourceError: The other end refuses this user, or does not speak D-Bus.
    """
    answer = b""
    while answer.count(b"\r\n") < 2:
        data = await sock.recv(MOST_BYTES)
        answer += data
        if not data or len(answer) > MOST_BYTES or answer.startswith(b"REJECTED"):
            break
    lines = answer.split(b"\r\n", 2)
    if len(lines) < 3 or not lines[0].startswith(b"OK ") or lines[1] != b"AGREE_UNIX_FD":
        raise SourceError(
            f"the other end of the D-Bus connection does not let user {os.geteuid()} in "
            f"({lines[0][:80].decode(errors='replace') or 'it hung up'}): run spicetrio as the user of the machine"
        )
    return lines[2]
