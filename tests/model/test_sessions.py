"""Whatever happens, in whatever order: who reads sees the picture, who leaves leaves nothing, nobody else notices.

`SPICETRIO_MODEL_SECONDS` says how long to look for sessions in which that is not so; by default a minute. A failure
prints the session, and a line that runs it again: `run(...)`, from `tests.model.session` with all of
`tests.model.commands`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import get_args

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings

from tests.model import commands as c
from tests.model.session import run
from tests.model.state import IMPATIENCE, PATIENCE

SECONDS = float(os.environ.get("SPICETRIO_MODEL_SECONDS", "60"))
RATE = 10
"""Sessions a second at the very best."""
DAY: Sequence[c.Command] = (
    c.OpenReader(), c.OpenDisplay(120, 90), c.OpenInputs(True), c.Join(0, "mini", True, "tcp"),
    c.Join(1, "none", False, "unix"), c.Join(2, "full", False, "pair", withhold_init=True), c.Settle(),
    c.Fill(0, (3, 4, 50, 20), 0x123456), c.DrawImage(0, (9, 9, 70, 60), 4), c.CopyArea(0, (20, 30, 40, 40), 5, 6),
    c.DrawFrame(0, (0, 0, 119, 89), 0, -9, ((4, 80, 8, 8),), "unknown", 2), c.Read(0, (1, 2, 30, 40)),
    c.MovePointer(0, "set", 5), c.MovePointer(0, "move", 8), c.MovePointer(0, "hide", 0), c.Settle(),
    c.Type(0, ((0x1E, True), (0xE01D, True), (0x1E, False))), c.Type(1, ((0x1E, True),)), c.Click(0, 1, True),
    c.Point(0, 3, 4, False), c.ChooseMode(0, True), c.Point(0, 50, 60, True), c.TellLocks(0, 4), c.SetLocks(2),
    c.PauseInputs(), c.Type(0, ((0x3A, True), (0x3A, False)) * 9), c.Settle(),
    c.Stall(0, "display", "read"), c.Stall(1, "display", "acknowledge"), c.Burst(0, 60, 1), c.Prefer(0, "LZ4"),
    c.Resize(0, 100, 80), c.Burst(0, 40, 2), c.Settle(), c.Resume(0), c.Resume(1), c.Resume(2), c.Settle(),
    c.OpenDisplay(64, 64), c.Attach(0), c.Prefer(0, "OFF"), c.DrawImage(1, (0, 0, 63, 63), 7), c.Settle(),
    c.CloseDisplay(0), c.CloseInputs(), c.Settle(), c.OpenInputs(False), c.Attach(0), c.Attach(1),
    c.SetTickets((False, False, True)), c.Join(0, "mini", False, "tcp"), c.SetTickets((True, True, True)),
    c.Knock("silent"), c.Knock("partial"), c.Knock("garbage"), c.Knock("wrong ticket"), c.Knock("wrong id"),
    c.Knock("wrong channel"), c.Knock("gone"), c.Settle(), c.BeginDrain(), c.Join(0, "mini", False, "tcp"),
    c.CancelDrain(), c.Join(0, "mini", True, "pair"), c.Join(2, "full", True, "unix"), c.Stall(3, "display", "read"),
    c.Burst(0, 60, 3), c.PassTime(), c.Drop(0, "display", "reset"), c.Drop(1, "inputs", "garbage"), c.Settle(),
    c.Type(0, ((0x2A, True),)), c.Drop(0, "main", "close"), c.End(0, "maintenance"), c.CloseReader(0),
)  # fmt: skip


class Search:
    """Ends after a while, but never the shrinking of what it has found."""

    began = 0.0
    found = False


@pytest.mark.parametrize("settles", [False, True])
def test_a_day_with_everything_ends_with_the_right_picture(settles: bool) -> None:
    assert {type(command) for command in DAY} == set(get_args(c.Command))
    run(c.Setup(ack_window=3, settles=settles), DAY)


def test_a_viewer_that_came_after_a_lock_key_went_down_sees_the_lights_that_the_application_sets() -> None:
    viewer = c.Join(0, "mini", True, "pair")
    run(c.Setup(), [c.OpenInputs(True), viewer, c.Type(0, ((0x3A, True),)), c.Settle(), viewer, c.SetLocks(0)])


def test_lights_are_right_after_a_viewer_that_was_ended_while_it_typed() -> None:
    keys = (*[(0x1E, False)] * 8, (0x3A, True))  # the last one waits until the application takes others
    run(c.Setup(), [c.OpenInputs(True), c.Join(0, "mini", True, "pair"), c.Type(0, keys), c.End(0, "")])


def test_the_lights_are_those_of_the_viewer_that_types() -> None:
    one, other = c.Join(0, "mini", True, "pair"), c.Join(0, "mini", True, "pair")
    told = [c.TellLocks(0, 4), c.TellLocks(1, 2), c.Settle()]
    run(c.Setup(), [c.OpenInputs(True), one, other, *told, c.Type(1, ((0x1E, True),)), c.Type(0, ((0x3A, True),))])


@settings(
    max_examples=int(SECONDS * RATE),
    suppress_health_check=list(HealthCheck),
    phases=set(Phase) - {Phase.explain},
    print_blob=True,
)
@given(c.setups, c.sessions)
def test_whoever_reads_sees_the_picture_and_whoever_leaves_leaves_nothing(
    setup: c.Setup, commands: Sequence[c.Command]
) -> None:
    Search.began = Search.began or time.monotonic()
    if not Search.found and time.monotonic() - Search.began > SECONDS:
        event("out of time")
        return
    try:
        run(setup, commands, patience=IMPATIENCE if Search.found else PATIENCE)
    except BaseException:
        Search.found = True
        raise
