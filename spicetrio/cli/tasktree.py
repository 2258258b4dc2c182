"""The task tree on a signal: what is running, where it waits, and who owns it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import NoReturn

import trio

SIGNAL = signal.SIGUSR1
"""What makes a command print its tasks."""


async def print_on_signal(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> NoReturn:
    """Print the task tree on standard error with each signal, until cancelled."""
    with trio.open_signal_receiver(SIGNAL) as signals:
        task_status.started()
        async for _ in signals:
            root = trio.lowlevel.current_root_task()
            if root is not None:
                with suppress(OSError):  # nobody reads it
                    print("\n".join(task_tree(root)), file=sys.stderr, flush=True)
    raise AssertionError("signals never end")


def task_tree(task: trio.lowlevel.Task, indent: str = "") -> Iterator[str]:
    """Yield a line for a task and for each below it: its name, and the innermost line where it waits."""
    yield f"{indent}{task.name}{_place(task)}"
    for nursery in task.child_nurseries:
        for child in sorted(nursery.child_tasks, key=lambda child: child.name):
            yield from task_tree(child, indent + "  ")


def _place(task: trio.lowlevel.Task) -> str:
    """Where a task waits: the innermost frame outside of what is there to wait with."""
    place = ""
    for frame, line in task.iter_await_frames():
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] not in ("trio", "trio_util", "contextlib"):
            place = f"  at {module}:{line}"
    return place
