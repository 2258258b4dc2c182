"""A viewer that shares a folder, and speaks WebDAV well or badly: what `SharedFolder` is to who uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, Self, TypeAlias, cast
from urllib.parse import quote, unquote_to_bytes
from xml.sax.saxutils import escape

import h11
import trio
from trio.testing import memory_stream_pair
from trio_util import AsyncValue

import spicetrio

Tree: TypeAlias = "Mapping[str, Tree | bytes | None]"
"""Folders, files, and what is neither."""

NEITHER = None


def someone() -> spicetrio.Client:
    return cast("spicetrio.Client", object())


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[bytes, bytes]

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read it from its bytes, which are all there."""
        http = h11.Connection(h11.SERVER)
        http.receive_data(data)
        request = http.next_event()
        assert isinstance(request, h11.Request)
        path = unquote_to_bytes(request.target).decode(errors="surrogateescape")
        return cls(request.method.decode(), path, dict(request.headers))


class DavServer:
    """Answers requests for a tree, or as it is told to."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.raw: dict[str, bytes] = {}
        """Answers to requests for some paths, as they are."""
        self.sizes: dict[str, int] = {}
        """What is said of the sizes of some files, whatever they are."""
        self.requests: list[tuple[str, str]] = []

    def answer(self, request: Request) -> bytes:
        self.requests.append((request.method, request.path))
        if request.path in self.raw:
            return self.raw[request.path]
        found = self.find(request.path)
        if request.method == "PROPFIND" and found is not NEITHER:
            assert request.headers[b"depth"] == b"1"
            return self.multistatus(request.path)
        if request.method == "GET" and isinstance(found, bytes):
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(found) + found
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\nnone\r\n"

    def find(self, path: str) -> Tree | bytes | None:
        found: Tree | bytes | None = self.tree
        for name in path.split("/")[1:]:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def multistatus(self, path: str, more: str = "") -> bytes:
        """The answer to a PROPFIND, with further responses in it."""
        found = self.find(path)
        responses = self.response(path, found)
        if isinstance(found, Mapping):
            responses += "".join(self.response(f"{path}/{name}", child) for name, child in found.items())
        body = f'<D:multistatus xmlns:D="DAV:">{responses}{more}</D:multistatus>'.encode()
        return b"HTTP/1.1 207 Multi-Status\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def response(self, path: str, found: Tree | bytes | None) -> str:
        """An entry as libphodav writes it: a name that is no UTF-8 is told by its quoted path alone."""
        name = path.rpartition("/")[2]
        shown = name.encode(errors="surrogateescape").decode(errors="replace")
        kind = "<D:resourcetype><D:collection/></D:resourcetype>" if isinstance(found, Mapping) else ""
        kind = "<D:resourcetype/>" if isinstance(found, bytes) else kind
        size = self.sizes.get(path, len(found) if isinstance(found, bytes) else 4096)
        missing = "" if kind else propstat("<D:resourcetype/>", "404 Not Found")
        name = f"<D:displayname>{escape(shown)}</D:displayname>"
        told = propstat(f"{kind}{name}<D:getcontentlength>{size}</D:getcontentlength>", "200 OK")
        href = f"http://viewer{escape(quote(path, errors='surrogateescape'))}"
        return f"<D:response><D:href>{href}</D:href>{missing}{told}</D:response>"


def propstat(properties: str, status: str) -> str:
    return f"<D:propstat><D:prop>{properties}</D:prop><D:status>HTTP/1.1 {status}</D:status></D:propstat>"


class SharingViewer(DavServer):
    """Stands in for a `SharedFolder`, with a viewer behind it."""

    def __init__(self, nursery: trio.Nursery, tree: Tree) -> None:
        super().__init__(tree)
        self.client = someone()
        self.viewer = AsyncValue[spicetrio.Client | None](self.client)
        self.held: dict[str, trio.Event] = {}
        """Paths of which nothing comes before something has happened."""
        self._nursery = nursery

    @property
    def folder(self) -> spicetrio.SharedFolder:
        return cast("spicetrio.SharedFolder", cast(Any, self))

    async def connect(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if self.viewer.value is None:
            raise trio.BrokenResourceError("no viewer shares a folder")
        ours, theirs = memory_stream_pair()
        self._nursery.start_soon(self._serve, theirs)
        return ours

    async def _serve(self, stream: trio.abc.Stream) -> None:
        async with stream:
            request = Request.read(bytes(await stream.receive_some()))
            if request.path in self.held:
                await self.held[request.path].wait()
            with suppress(trio.BrokenResourceError):  # who asked knows enough
                await stream.send_all(self.answer(request))


@asynccontextmanager
async def open_sharing(tree: Tree) -> AsyncIterator[SharingViewer]:
    """Be a viewer that shares a tree while the block runs."""
    async with trio.open_nursery() as nursery:
        yield SharingViewer(nursery, tree)
        nursery.cancel_scope.cancel()
