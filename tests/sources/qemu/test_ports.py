from __future__ import annotations

import pytest

from spicetrio.sources.qemu.ports import is_given

SERIAL, MONITOR, USB = "org.qemu.console.serial.0", "org.qemu.monitor.hmp.0", "org.qemu.usbredir"
AGENT = "com.redhat.spice.0"


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (None, {SERIAL, USB}),
        ((), {USB}),
        ((MONITOR,), {MONITOR, USB}),
        ((AGENT,), {USB}),
        ((MONITOR, SERIAL), {MONITOR, SERIAL, USB}),
    ],
)
def test_monitors_are_given_to_viewers_only_by_name(names: tuple[str, ...] | None, given: set[str]) -> None:
    assert {name for name in (SERIAL, MONITOR, USB, AGENT, "") if is_given(name, names)} == given
