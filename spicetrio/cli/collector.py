"""Garbage collections that no viewer notices.

A full collection stops everything while it looks at every object there is: a tenth of a second, with a hundred viewers.
It is hardly needed, as what serves a viewer has no circles of references. So with each viewer that comes, all there is
by then is set apart from what collections look at; when nobody is there, everything is looked at. And what hundreds
make who are cut off at once is less than what a collection waits for.
"""

from __future__ import annotations

import atexit
import gc
from typing import Final, NoReturn

from trio_util import AsyncValue

from spicetrio.server.client import Client

_MOST_LOOKS: Final = 4
_YOUNG_OBJECTS: Final = 10_000
"""So many new objects make a collection of the young, some hundreds by default. It takes about 10 ms."""


def skip_last_collection() -> None:
    """Have the interpreter not look at everything once more when it ends: a fifth of a second for nothing."""
    atexit.register(gc.freeze)


async def collect_unseen(clients: AsyncValue[tuple[Client, ...]]) -> NoReturn:
    """Keep collections short while there are viewers.

    Args:
        clients: The viewers, as in `Server.clients`.

    Cancellation: collections are as before.
    """
    known = 0
    before = gc.get_threshold()
    gc.set_threshold(_YOUNG_OBJECTS, *before[1:])
    try:
        async for current in clients.eventual_values():
            if not current:
                gc.unfreeze()
            if not current or len(current) > known:
                _set_apart()
            known = len(current)
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
    raise AssertionError("the value never ends")


def _set_apart() -> None:
    """Set apart what there is and is not garbage. To find that takes several looks: circles can hang on circles."""
    for _ in range(_MOST_LOOKS):
        if not gc.collect():
            break
    gc.freeze()
