"""Garbage collections that no viewer notices.

A full collection stops everything while it looks at every object there is: a tenth of a second, with a hundred viewers.
It is hardly needed, as who leaves leaves no circles of references. So with each viewer that comes, all there is by then
is set apart from what collections look at; when nobody is there, everything is looked at once.
"""

from __future__ import annotations

import gc
from typing import NoReturn

from trio_util import AsyncValue

from spicetrio.server.client import Client


async def collect_unseen(clients: AsyncValue[tuple[Client, ...]]) -> NoReturn:
    """Keep collections short while there are viewers.

    Args:
        clients: The viewers, as in `Server.clients`.

    Cancellation: collections are as before.
    """
    known = 0
    try:
        async for current in clients.eventual_values():
            if not current:
                gc.unfreeze()
                gc.collect()
                gc.freeze()
            elif len(current) > known:
                gc.collect(1)  # the young, which are few: what is garbage among them would be kept
                gc.freeze()
            known = len(current)
    finally:
        gc.unfreeze()
    raise AssertionError("the value never ends")
