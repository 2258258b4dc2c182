"""Card readers of all viewers, as one stream of messages (spec 3.7).

A reader has a number that is never used again, so what is meant for one never reaches another. Viewers wait for an
answer to each change that they tell before they tell the next; it is given once the application has room for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import ClassVar, Final, Self

import trio

from spicetrio.server.channel import BASE_HANDLERS, Channel, ChannelClient, Handler, logger
from spicetrio.server.client import Client
from spicetrio.server.link import Link
from spicetrio.server.settings import Settings
from spicetrio.server.tickets import Role
from spicetrio.wire import smartcard
from spicetrio.wire.buffer import marshal
from spicetrio.wire.enums import ChannelType, SmartcardClientMessage, VscError, VscType
from spicetrio.wire.errors import RemoteProtocolError
from spicetrio.wire.framing import Bundle
from spicetrio.wire.smartcard import UNDEFINED_READER

MAX_READERS: Final = 10
"""Readers of one viewer (spec SC-1)."""
MAX_DATA: Final = 4 + 3 + 65536 + 3
"""Bytes of the longest APDU there is: head, length, data, expected length (ISO 7816-4)."""
MAX_MESSAGE: Final = 12 + MAX_DATA
"""Bytes of the longest message."""
QUEUE_LENGTH: Final = 64
"""Messages that may wait for the application; then viewers are read no further until it has taken some."""

_CHANGES: Final = frozenset({VscType.READER_ADD, VscType.READER_REMOVE, VscType.ATR, VscType.CARD_REMOVE})
"""What viewers wait for an answer to."""
_PASSED_ON: Final = _CHANGES | {VscType.APDU, VscType.ERROR, VscType.FLUSH_COMPLETE}


@dataclass(frozen=True, slots=True)
class CardMessage:
    """Something that a viewer says of a card reader, or of the card in it."""

    type: VscType
    """`READER_ADD` and `READER_REMOVE`: there is a reader, or no longer. `ATR` and `CARD_REMOVE`: there is a card in
    it, or no longer. `APDU`: the card's answer to one. `ERROR`: there is no answer. `FLUSH_COMPLETE`: nothing more is
    on its way."""
    reader_id: int
    """The reader's number."""
    data: bytes
    """The reader's name, the card's answer to reset, the answer, or the error's code."""
    viewer: Client
    """Whose reader it is."""


class SmartcardClient(ChannelClient["Smartcard"]):
    """One viewer's card readers. Those of a viewer that may only view are refused."""

    PULLS = True

    def __init__(self, channel: Smartcard, client: Client, link: Link) -> None:
        super().__init__(channel, client, link)
        self.credit = False
        """The viewer can take a message."""
        self.news: Final = trio.lowlevel.ParkingLot()
        """Who waits for the credit, or for the end."""
        self._readers: set[int] = set()

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Begin without readers; in the end they are all gone."""
        try:
            yield
        finally:
            for reader_id in sorted(self._readers):
                self._remove(reader_id)

    def on_idle(self) -> None:
        """Take the credit for one message."""
        self.credit = True
        self.news.unpark_all()

    def send(self, message: smartcard.Data) -> None:
        """Spend the credit on a message."""
        self.credit = False
        self.writer.post_batch(Bundle((marshal(message),)))

    async def _data(self, message: smartcard.ClientData) -> None:
        await trio.lowlevel.checkpoint()
        reader_id = message.reader_id
        if message.type not in _PASSED_ON:
            logger.debug("%r sent a card message of type %d, which means nothing here", self.client, message.type)
        elif message.type == VscType.READER_ADD:
            await self._add(bytes(message.data))
        elif reader_id in self._readers:
            await self._pass_on(VscType(message.type), reader_id, bytes(message.data))
        elif message.type == VscType.READER_REMOVE:
            self._answer(reader_id, VscError.GENERAL)
        else:
            raise RemoteProtocolError(f"got a message of card reader {reader_id}, expected one of {self._readers}")

    async def _add(self, name: bytes) -> None:
        if len(self._readers) >= MAX_READERS or self.client.role is not Role.CONTROL:
            self._answer(UNDEFINED_READER, VscError.CANNOT_ADD_MORE_READERS)
            return
        await self.channel.wait_for_room()
        reader_id = self.channel.add(self)
        self._readers.add(reader_id)
        await self._pass_on(VscType.READER_ADD, reader_id, name)

    async def _pass_on(self, kind: VscType, reader_id: int, data: bytes) -> None:
        await self.channel.wait_for_room()
        if kind == VscType.READER_REMOVE:
            self._remove(reader_id)
        else:
            self.channel.put(CardMessage(kind, reader_id, data, self.client))
        if kind in _CHANGES:
            self._answer(reader_id, VscError.SUCCESS)

    def _remove(self, reader_id: int) -> None:
        self._readers.remove(reader_id)
        self.channel.remove(reader_id)
        self.channel.put(CardMessage(VscType.READER_REMOVE, reader_id, b"", self.client))
        self.news.unpark_all()

    def _answer(self, reader_id: int, code: VscError) -> None:
        self.writer.post(smartcard.Data.error(reader_id, code))

    HANDLERS: ClassVar[Mapping[int, Handler]] = {
        **BASE_HANDLERS,
        SmartcardClientMessage.DATA: Handler(smartcard.ClientData, _data, MAX_MESSAGE),
    }


class Smartcard(Channel[SmartcardClient]):
    """The card readers of all viewers, from `Server.open_smartcard`: `async for message in smartcard`.

    No message is dropped. While the application takes none, at most 64 wait; then the viewers that send more are read
    no further on this channel, and nobody else notices.
    """

    TYPE = ChannelType.SMARTCARD
    ESSENTIAL = False

    def __init__(self, settings: Settings) -> None:
        super().__init__(0, settings)
        self._readers: dict[int, SmartcardClient] = {}
        self._numbers = count()
        self._messages: deque[CardMessage] = deque()
        self._filled = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()

    def make_client(self, client: Client, link: Link) -> SmartcardClient:
        """Make the object that serves one viewer."""
        return SmartcardClient(self, client, link)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> CardMessage:
        """Return the next message.

        Cancellation: no message is lost.
        """
        await trio.lowlevel.checkpoint()
        while not self._messages:
            await self._filled.park()
        message = self._messages.popleft()
        self._room.unpark()
        return message

    async def send(self, reader_id: int, data: bytes, *, kind: VscType = VscType.APDU) -> None:
        """Send a card an APDU, or its reader another message, once its viewer can take it.

        The card's answer comes as a message of its own, `APDU` or `ERROR`.

        Args:
            reader_id: The reader's number.
            data: The APDU.
            kind: What it is.

        Cancellation: it was sent, or not at all.

        Raises:
            ValueError: It is longer than an APDU can be.
            BrokenResourceError: There is no such reader, or its viewer has left.
        """
        if len(data) > MAX_DATA:
            raise ValueError(f"the APDU has {len(data)} bytes, expected at most {MAX_DATA}")
        await trio.lowlevel.checkpoint()
        while (end := self._readers.get(reader_id)) is not None:
            if end.credit:
                end.send(smartcard.Data(kind, reader_id, data))
                return
            await end.news.park()
        raise trio.BrokenResourceError(f"there is no card reader {reader_id}")

    def add(self, end: SmartcardClient) -> int:
        """Take in another reader; return its number."""
        reader_id = next(self._numbers)
        self._readers[reader_id] = end
        return reader_id

    def remove(self, reader_id: int) -> None:
        """Take in that a reader is gone."""
        del self._readers[reader_id]

    def put(self, message: CardMessage) -> None:
        """Leave a message for the application, however many wait."""
        self._messages.append(message)
        self._filled.unpark()

    async def wait_for_room(self) -> None:
        """Wait until the application has taken enough of the messages.

        Cancellation: at any time.
        """
        while len(self._messages) >= QUEUE_LENGTH:
            await self._room.park()
