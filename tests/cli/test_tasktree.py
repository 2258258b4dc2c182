"""What tickets are good for at a command, and the task tree that it prints on a signal."""

from __future__ import annotations

import io
import re
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from spicetrio.cli.tasktree import SIGNAL, print_on_signal, task_tree
from spicetrio.wire import base
from tests.peer import open_viewer

from .commands import running
from .test_command import FREE, place


async def test_a_signal_prints_who_owns_whom_and_nothing_ends() -> None:
    async with running(*FREE, "--disable-ticketing") as program:
        connect = partial(trio.open_tcp_stream, *place(await program.ready()))
        async with open_viewer(connect) as viewer, (await viewer.open_display()).stream:
            for _ in range(2):
                program.process.send_signal(SIGNAL)
                assert await program.errors.find("<init>") is not None
                for name in ("<display[0]> of <Client ", "Writer.run"):
                    while name not in (line := await program.errors.next()):
                        pass
                    assert line.startswith("    ")  # it has owners
        async with open_viewer(connect):
            pass
        program.process.send_signal(signal.SIGTERM)
        assert await program.end() == 0


async def test_a_tree_is_indented_by_owner_and_says_where_each_task_waits() -> None:
    async def grandchild() -> None:
        await trio.sleep_forever()

    async def child() -> None:
        async with trio.open_nursery() as inner:
            inner.start_soon(grandchild)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(child)
        await wait_all_tasks_blocked()
        lines = list(task_tree(trio.lowlevel.current_task()))
        nursery.cancel_scope.cancel()
    assert [len(line) - len(line.lstrip()) for line in lines] == [0, 2, 4]
    here = re.escape(__name__)
    assert re.fullmatch(rf"  {here}\S+child  at {here}:\d+", lines[1])
    assert re.fullmatch(rf"    {here}\S+grandchild  at {here}:\d+", lines[2])


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


async def test_a_reader_that_is_gone_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(print_on_signal)
        for stream in (Closed(), io.StringIO()):
            monkeypatch.setattr(sys, "stderr", stream)
            signal.raise_signal(SIGNAL)
            await wait_all_tasks_blocked(0.01)
        assert "print_on_signal" in stream.getvalue()
        nursery.cancel_scope.cancel()


async def test_a_program_that_takes_over_and_has_a_ticket_for_viewing(tmp_path: Path) -> None:
    control, view = tmp_path / "control", tmp_path / "view"
    control.write_text("control\n")
    view.write_text("look\n")
    tickets = ("--password-file", str(control), "--view-password-file", str(view))
    async with running(*FREE, *tickets, "--max-viewers", "1", "--when-full", "take-over") as program:
        connect = partial(trio.open_tcp_stream, *place(await program.ready()))
        async with open_viewer(connect, password="look") as first, open_viewer(connect, password="control"):
            while not isinstance(message := await first.main.receive(), base.Notify):
                pass
            assert message.text == "a viewer at 127.0.0.1 took over"
