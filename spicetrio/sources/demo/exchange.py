"""What goes between the demo and the viewers' desktops: the text that is copied and pasted, and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from spicetrio import ClipboardError, ClipboardType, FileTransferState, Selection
from spicetrio.sources.demo import theme

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from spicetrio import Agent, FileTransfer
    from spicetrio.sources.demo.guests import Guest, Guests
    from spicetrio.sources.demo.journal import Journal
    from spicetrio.sources.demo.keyboard import KeyboardPanel

CONTROLS: Final = frozenset({0x1D, 0xE01D})
COPY: Final = 0x2E
PASTE: Final = 0x2F
LIMIT: Final = 2000
"""Characters that are pasted at once."""
_ENDS: Final = {
    FileTransferState.COMPLETE: "is here",
    FileTransferState.FAILED: "failed",
    FileTransferState.CANCELLED: "was cancelled",
}


class Exchange:
    """Copies the text field with Ctrl+C, pastes into it with Ctrl+V, and tells of files.

    Args:
        agent: Who has the viewers' clipboards and files.
        keyboard: The panel with the text.
        journal: Where it is told.
        guests: Whose files they are.
    """

    def __init__(self, agent: Agent, keyboard: KeyboardPanel, journal: Journal, guests: Guests) -> None:
        self._agent = agent
        self._clipboard = agent.clipboards[Selection.CLIPBOARD]
        self._keyboard = keyboard
        self._journal = journal
        self._guests = guests
        self._pastes, self._asked = trio.open_memory_channel["Guest"](4)

    def key(self, guest: Guest, code: int) -> None:
        """Take in that a key went down."""
        if not guest.keys & CONTROLS:
            return
        if code == COPY:
            text = self._keyboard.field.text
            self._clipboard.offer([ClipboardType.UTF8_TEXT], _reader(text.encode()))
            self._journal.add(f"{len(text)} characters copied", guest.color)
        elif code == PASTE:
            try:
                self._pastes.send_nowait(guest)
            except trio.WouldBlock:
                self._journal.add("One paste after the other, please", guest.color)

    async def run(self) -> None:
        """Paste, and tell of files, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._paste)
            nursery.start_soon(self._tell_files)

    async def _paste(self) -> None:
        async for guest in self._asked:
            offer = self._clipboard.offered.value
            if offer is None:
                self._journal.add("Nothing was copied at a viewer", guest.color)
                continue
            try:
                data = await offer.read(ClipboardType.UTF8_TEXT)
            except ClipboardError as error:
                self._journal.add(f"Cannot paste: {error}", guest.color)
                continue
            text = data.decode(errors="replace").rstrip("\0")
            self._keyboard.type(text[:LIMIT])
            self._journal.add(f"{len(text)} characters pasted", guest.color)

    async def _tell_files(self) -> None:
        told: tuple[FileTransfer, ...] = ()
        async for transfers in self._agent.transfers.eventual_values():
            for transfer in transfers:
                if transfer.state in _ENDS and transfer not in told:
                    self._tell(transfer)
            told = transfers

    def _tell(self, transfer: FileTransfer) -> None:
        color = self._guests.of(transfer.viewer).color if transfer.viewer in self._guests else theme.MUTED
        name = transfer.path.name if transfer.path else transfer.name
        self._journal.add(f"{name}, {transfer.size} bytes, {_ENDS[transfer.state]}", color)


def _reader(data: bytes) -> Callable[[ClipboardType], Awaitable[bytes]]:
    async def read(kind: ClipboardType) -> bytes:
        await trio.lowlevel.checkpoint()
        return data

    return read
