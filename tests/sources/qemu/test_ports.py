from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from spicetrio.sources.qemu.chardev import Chardev
from spicetrio.sources.qemu.ports import is_given, warn_of_unknown

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


def test_ports_that_the_machine_has_not_are_told(caplog: pytest.LogCaptureFixture) -> None:
    chardevs = [cast(Chardev, SimpleNamespace(name=name)) for name in (SERIAL, "", USB)]
    warn_of_unknown(chardevs, None)
    warn_of_unknown(chardevs, [SERIAL])
    assert not caplog.records
    warn_of_unknown(chardevs, [SERIAL, "org.qemu.serial.0"])
    (record,) = caplog.records
    assert "called org.qemu.serial.0; to D-Bus it gives org.qemu.console.serial.0, org.qemu.usbredir" in record.message
