"""How a client of D-Bus begins: it proves its user, and asks for descriptors to be passed."""

from __future__ import annotations

import os
import socket
import struct
from typing import Final

from spicetrio.sources.errors import SourceError

MOST_BYTES: Final = 4096
"""Of the answer; two short lines are expected."""


def greeting(user: int) -> bytes:
    """What a client says first. It needs no answer, so it can be there before the other end looks.

    QEMU waits for it in its main loop, and the virtual machine with it.

    Args:
        user: Who the other end takes this one for, by the socket.
    """
    return b"\0AUTH EXTERNAL " + str(user).encode().hex().encode() + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"


def pair_owner(sock: socket.socket) -> int:
    """Return who made a pair of sockets: that is who both ends take each other for, whoever has them now."""
    _, user, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return user if user >= 0 else os.geteuid()


def answer_size(answer: bytes) -> int | None:
    """Return the bytes of the answer to the greeting; None if it has not come to its end.

    Args:
        answer: What has come so far, be it more than the answer.

    Raises:
        SourceError: The other end refuses this user, or does not speak D-Bus.
    """
    *lines, rest = answer.split(b"\r\n", 2)
    if not answer.startswith(b"REJECTED") and len(lines) < 2 and len(answer) <= MOST_BYTES:
        return None
    if len(lines) < 2 or not lines[0].startswith(b"OK ") or lines[1] != b"AGREE_UNIX_FD":
        raise SourceError(
            f"the other end of the D-Bus connection does not let user {os.geteuid()} in "
            f"({answer[:80].decode(errors='replace')}): run spicetrio as the user of the machine"
        )
    return len(answer) - len(rest)
