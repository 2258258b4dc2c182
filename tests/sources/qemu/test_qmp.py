"""What monitors say that are none, or in a bad mood."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from spicetrio.sources.errors import SourceError
from spicetrio.sources.qemu.qmp import ANSWER_SECONDS, Qmp, open_display

GREETING = b'{"QMP": {"version": {}, "capabilities": []}}\r\n'


@asynccontextmanager
async def monitor(*answers: bytes, hang_up: bool = False) -> AsyncIterator[trio.socket.SocketType]:
    """A connection to a monitor that says these, whatever it is asked."""
    ours, theirs = (trio.socket.from_stdlib_socket(sock) for sock in socket.socketpair())
    with ours, theirs:
        for answer in answers:
            await theirs.send(answer)
        if hang_up:
            theirs.close()
        yield ours


async def test_events_between_answers_are_passed_over() -> None:
    event = json.dumps({"event": "RESUME", "data": {}}).encode() + b"\n"
    async with monitor(GREETING, event, b'{"return": {}}\n', event + event, b'{"return": {"a": 1}}\n') as sock:
        connection = Qmp(sock, ANSWER_SECONDS)
        await connection.greet()
        assert await connection.execute("query-a") == {"a": 1}


async def test_a_monitor_that_does_not_end_its_line() -> None:
    async with monitor(GREETING[:7]) as sock:
        with pytest.raises(SourceError, match="one client only"):
            await open_display(sock, 0.1)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((b"QEMU 7.2.22 monitor - type 'help' for more information\r\n",), "-monitor"),
        ((b'{"return": {}}\n',), "-monitor"),
        ((b"[]\n",), "does not speak QMP"),
        ((GREETING, b'{"error": {"class": "GenericError", "desc": "no"}}\n'), "refuses qmp_capabilities: no"),
        ((GREETING, b'{"return": {}}\n{"return": {}}\n{"error": {"desc": "no"}}\n'), "-display dbus,p2p=yes"),
    ],
)
async def test_a_refusal_says_what_to_do(answers: tuple[bytes, ...], words: str) -> None:
    async with monitor(*answers) as sock:
        with pytest.raises(SourceError, match=words):
            await open_display(sock, ANSWER_SECONDS)


async def test_a_monitor_that_hangs_up() -> None:
    async with monitor(GREETING, hang_up=True) as sock:
        with pytest.raises(SourceError, match="hung up"):
            await open_display(sock, ANSWER_SECONDS)
