"""Whatever happens, in whatever order: who reads sees the picture, who leaves leaves nothing, nobody else notices.

`SPICETRIO_MODEL_SECONDS` says how long to look for sessions in which that is not so; by default a minute. A failure
prints the session, and a line that runs it again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, event, given, settings

from tests.model import commands as c
from tests.model.session import IMPATIENCE, PATIENCE, run

SECONDS = float(os.environ.get("SPICETRIO_MODEL_SECONDS", "60"))
RATE = 20
"""Sessions a second at the very best."""


class Clock:
    """Ends the search after a while; never the shrinking of what it has found."""

    began = 0.0
    found = False


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
    Clock.began = Clock.began or time.monotonic()
    if not Clock.found and time.monotonic() - Clock.began > SECONDS:
        event("out of time")
        return
    try:
        run(setup, commands, patience=IMPATIENCE if Clock.found else PATIENCE)
    except BaseException:
        Clock.found = True
        raise
