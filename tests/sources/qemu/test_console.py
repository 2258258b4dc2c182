from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from spicetrio import Rect
from spicetrio.channels.display import MAX_SIZE
from spicetrio.sources.qemu.console import Console

PROPERTIES = {"Label": "video", "Head": 0, "DeviceAddress": "pci/0000/02.0"}


@pytest.mark.parametrize(
    ("area", "told"),
    [
        (Rect(1, 2, 801, 602), (1, 2, 800, 600)),
        (Rect(0, 0, 32768, 600), (0, 0, MAX_SIZE, 600)),
        (Rect(-5, 0, 595, 32768), (-5, 0, 600, MAX_SIZE)),
    ],
)
async def test_a_guest_is_asked_for_no_size_that_cannot_be_shown(area: Rect, told: tuple[int, ...]) -> None:
    calls = []

    class Bus:
        async def call(self, *arguments: Any) -> None:
            calls.append(arguments)

    display = SimpleNamespace(id=0, width=1, height=1, cursor=None)
    await Console(cast(Any, Bus()), "/console", PROPERTIES, cast(Any, display)).resize(area)
    ((*_, member, _signature, width_mm, height_mm, left, top, width, height),) = calls
    assert member == "SetUIInfo"
    assert (width_mm, height_mm) == (0, 0)
    assert (left, top, width, height) == told
