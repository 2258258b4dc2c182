"""This process answers as the agent: the application has the viewers' clipboards, files and wishes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from trio_util import AsyncValue

from spicetrio.agent.clipboard import Clipboard
from spicetrio.wire.enums import Selection
from spicetrio.wire.geometry import Rect


class Agent:
    """What viewers have of this side besides the picture, from `Server.open_agent`."""

    def __init__(self, *, clipboard_limit: int) -> None:
        self.clipboards: Final[Mapping[Selection, Clipboard]] = MappingProxyType(
            {
                selection: Clipboard(
                    selection, limit=clipboard_limit, adopt=lambda read: read, changed=lambda clipboard: None
                )
                for selection in Selection
            }
        )
        """The selections, shared with all viewers."""
        self.monitors: Final = AsyncValue[tuple[Rect, ...] | None](None)
        """The monitors that the viewer that spoke last wants, in pixels; None until one did."""
