"""A WebDAV client of the folder that a viewer shares (RFC 4918): it lists folders and reads files.

HTTP is h11's. Each request has a connection of its own, as libphodav closes it behind the answer. The viewer is not
trusted: no answer is waited for in silence for long, a listing has a largest size, depth and number of names, and no
document type, so no entities either, and whoever reads a file says how much is enough. Redirects are not followed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Final, NamedTuple
from urllib.parse import quote, unquote
from xml.parsers import expat

import h11
import trio

from spicetrio import SharedFolder

SILENCE_SECONDS: Final = 30.0
"""How long the viewer may take for the next part of an answer."""
MOST_LISTING_BYTES: Final = 8 * 1024 * 1024
"""Bytes of the longest listing; an entry takes some hundreds."""
MOST_PART_BYTES: Final = 16384
"""Bytes of one tag or text of a listing. With each part of a tag that comes, it is looked at from its beginning."""
MOST_NESTED: Final = 32
"""Elements of a listing in each other; six are needed."""
MOST_NAMES: Final = 1000
"""Names of elements and attributes in a listing, all of which the parser keeps."""
RECEIVE_SIZE: Final = 65536
"""Bytes that are taken at a time."""

_OK: Final = 200
_MULTI_STATUS: Final = 207
_QUERY: Final = (
    b'<?xml version="1.0" encoding="utf-8"?>'
    b'<propfind xmlns="DAV:"><prop><resourcetype/><displayname/><getcontentlength/></prop></propfind>'
)
_PROPERTIES: Final = frozenset(
    f"DAV: {name}" for name in ("status", "resourcetype", "collection", "displayname", "getcontentlength")
)
_UNREADABLE: Final = "\N{REPLACEMENT CHARACTER}"


class WebdavError(Exception):
    """The viewer does not give what was asked for."""


_FAULTS: Final = (
    WebdavError,
    h11.RemoteProtocolError,
    expat.ExpatError,
    trio.BrokenResourceError,
    trio.BusyResourceError,
)


class Entry(NamedTuple):
    """A file or a folder."""

    name: str
    """The last part of its path; bytes that are no UTF-8 as surrogates (PEP 383). It may be anything."""
    is_folder: bool
    """It is a folder."""
    size: int
    """Bytes that a file has, as the viewer says; 0 if it does not, and for a folder."""


class WebdavClient:
    """Asks for what is in a viewer's folder. Paths begin with a slash, and are not quoted.

    Args:
        folder: The viewer's.
    """

    def __init__(self, folder: SharedFolder) -> None:
        self._folder = folder

    async def look(self, path: str) -> tuple[Entry, list[Entry]]:
        """Return what is at a path, and what is in it if it is a folder. What is neither file nor folder is left out.

        Cancellation: ends the connection.

        Raises:
            WebdavError: There is nothing, or the viewer does not tell.
        """
        answer = _Multistatus()
        with _blamed(path):
            async with aclosing(self._ask("PROPFIND", path, _MULTI_STATUS, [("Depth", "1")], _QUERY)) as body:
                async for data in body:
                    answer.feed(data)
            entries = answer.close()
        # Their paths would tell which of them is at this one, but libphodav leaves out those with a % in them.
        name = path.rpartition("/")[2]
        for entry in entries:
            if entry.is_folder and entry.name == name:
                entries.remove(entry)
                return entry, entries
        if len(entries) == 1 and not entries[0].is_folder:
            return entries[0], []
        raise WebdavError(f"{path!r} is not among the {len(entries)} entries that the viewer tells of")

    async def read(self, path: str) -> AsyncGenerator[bytes, None]:
        """Yield the parts of a file as they come.

        Cancellation: ends the connection.

        Raises:
            WebdavError: There is none, or less of it comes than was said.
        """
        with _blamed(path):
            async with aclosing(self._ask("GET", path, _OK)) as body:
                async for data in body:
                    yield data

    async def _ask(
        self, method: str, path: str, status: int, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> AsyncGenerator[bytes, None]:
        """Yield the parts of the answer's body, if it is of that status."""
        http = h11.Connection(h11.CLIENT)
        request = h11.Request(
            method=method,
            target=quote(path, errors="surrogateescape"),
            headers=[("Host", "viewer"), ("Connection", "close"), ("Content-Length", str(len(body))), *headers],
        )
        asked = [http.send(event) for event in (request, h11.Data(data=body), h11.EndOfMessage())]
        async with await self._folder.connect() as stream:
            with trio.fail_after(SILENCE_SECONDS):
                await stream.send_all(b"".join(data for data in asked if data))
            while not isinstance(event := await _next_event(http, stream), h11.EndOfMessage):
                if isinstance(event, h11.Data):
                    yield bytes(event.data)
                elif isinstance(event, h11.Response) and event.status_code != status:
                    raise WebdavError(f"the answer is {event.status_code}")


async def _next_event(http: h11.Connection, stream: trio.abc.Stream) -> h11.Event:
    await trio.lowlevel.checkpoint()  # thousands of events may come in one part
    while (event := http.next_event()) is h11.NEED_DATA:
        with trio.fail_after(SILENCE_SECONDS):
            data = bytes(await stream.receive_some(RECEIVE_SIZE))
        if not data and http.their_state is h11.SEND_RESPONSE:
            raise WebdavError("the connection ended without an answer")
        http.receive_data(data)
    assert isinstance(event, h11.Event)
    return event


@contextmanager
def _blamed(path: str) -> Iterator[None]:
    """Say what went wrong, and with which path."""
    try:
        yield
    except _FAULTS as error:
        raise WebdavError(f"{path!r} cannot be had: {error}") from error
    except trio.TooSlowError:
        raise WebdavError(f"{path!r} cannot be had: the viewer does not answer") from None


class _Multistatus:
    """Reads the answer to a PROPFIND as it comes, and keeps the entries alone."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._size = 0
        self._depth = 0
        self._text: list[str] = []
        self._href = ""
        self._group: dict[str, str] = {}
        self._found: dict[str, str] = {}
        # Whatever it says of its encoding: Python would look for one of that name, and raise what it likes.
        self._parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.CharacterDataHandler = self._add_text
        self._parser.EndElementHandler = self._end

    def feed(self, data: bytes) -> None:
        """Take a part of it."""
        self._size += len(data)
        if self._size > MOST_LISTING_BYTES:
            raise WebdavError(f"its listing has more than {MOST_LISTING_BYTES} bytes")
        self._parser.Parse(data, False)
        if self._size - self._parser.CurrentByteIndex > MOST_PART_BYTES:
            raise WebdavError(f"its listing has a tag of more than {MOST_PART_BYTES} bytes")
        if len(self._parser.intern) > MOST_NAMES:
            raise WebdavError(f"its listing has more than {MOST_NAMES} names of elements and attributes")

    def close(self) -> list[Entry]:
        """Return the entries; there is no more of it."""
        self._parser.Parse(b"", True)
        return self._entries

    def _refuse(self, *_: object) -> None:
        raise WebdavError("its listing has a document type")

    def _start(self, name: str, _: object) -> None:
        self._text.clear()
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise WebdavError(f"its listing has more than {MOST_NESTED} elements in each other")
        if name == "DAV: response":
            self._href, self._found = "", {}
        elif name == "DAV: propstat":
            self._group = {}

    def _add_text(self, text: str) -> None:
        self._text.append(text)

    def _end(self, name: str) -> None:
        text = "".join(self._text)
        self._text.clear()
        self._depth -= 1
        if len(text) > MOST_PART_BYTES:
            raise WebdavError(f"its listing has a text of more than {MOST_PART_BYTES} bytes")
        if name == "DAV: href":
            self._href = text
        elif name == "DAV: response":
            self._add_entry()
        elif name in _PROPERTIES:
            self._group[name] = text
        elif name == "DAV: propstat" and self._group.get("DAV: status", "").split(maxsplit=2)[1:2] == ["200"]:
            self._found |= self._group

    def _add_entry(self) -> None:
        if "DAV: resourcetype" not in self._found:
            return
        name = self._found.get("DAV: displayname", "")
        if not name or _UNREADABLE in name:
            name = unquote(self._href.rstrip("/").rpartition("/")[2], errors="surrogateescape")
        size = self._found.get("DAV: getcontentlength", "")
        known = size.isascii() and size.isdecimal() and len(size) < 20
        is_folder = "DAV: collection" in self._found
        self._entries.append(Entry(name, is_folder, int(size) if known and not is_folder else 0))
