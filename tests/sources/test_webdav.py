"""A viewer's folder is listed and read, and a viewer that answers badly is waited for no longer than it may take."""

from __future__ import annotations

import random
from contextlib import aclosing

import pytest
import trio

from spicetrio.sources import webdav
from spicetrio.sources.webdav import Entry, WebdavClient, WebdavError
from tests.sources.davserver import NEITHER, SharingViewer, Tree, open_sharing, propstat

LARGE = random.Random(1).randbytes(1_000_000)


async def read(viewer: SharingViewer, path: str) -> bytes:
    async with aclosing(WebdavClient(viewer.folder).read(path)) as parts:
        return b"".join([part async for part in parts])


async def test_a_folder_is_listed_with_what_is_in_it() -> None:
    async with open_sharing({"docs": {"a.txt": b"12345", "sub": {"x": b""}, "empty": {}}}) as viewer:
        itself, inside = await WebdavClient(viewer.folder).look("/docs")
        assert itself == Entry("docs", True, 0)
        assert inside == [Entry("a.txt", False, 5), Entry("sub", True, 0), Entry("empty", True, 0)]
        assert await WebdavClient(viewer.folder).look("/docs/empty") == (Entry("empty", True, 0), [])


async def test_a_file_is_told_from_a_folder() -> None:
    async with open_sharing({"a.txt": b"12345"}) as viewer:
        assert await WebdavClient(viewer.folder).look("/a.txt") == (Entry("a.txt", False, 5), [])


async def test_a_folder_may_have_one_of_its_own_name_in_it() -> None:
    async with open_sharing({"a": {"a": {"a": b"deep"}}}) as viewer:
        client = WebdavClient(viewer.folder)
        for path in ("/a", "/a/a"):
            itself, inside = await client.look(path)
            assert itself[:2] == ("a", True)
            assert [entry[:2] for entry in inside] == [("a", path == "/a")]


async def test_what_is_neither_file_nor_folder_is_left_out() -> None:
    async with open_sharing({"docs": {"broken link": NEITHER, "a.txt": b"1"}}) as viewer:
        assert (await WebdavClient(viewer.folder).look("/docs"))[1] == [Entry("a.txt", False, 1)]


@pytest.mark.parametrize(
    "name",
    ["zwölf 🥊", "100%", "a%20b", "a#b?c", "a&b<c>", "caf\udce9", "it's", '"', "a\\b", "~", "new\nline", "a;b=c,d"],
)
async def test_names_are_what_they_are_at_the_viewer(name: str) -> None:
    async with open_sharing({name: {name: {}, f"{name}.txt": name.encode(errors="surrogateescape")}}) as viewer:
        client = WebdavClient(viewer.folder)
        itself, inside = await client.look(f"/{name}")
        assert [itself.name, *(entry.name for entry in inside)] == [name, name, f"{name}.txt"]
        assert await read(viewer, f"/{name}/{name}.txt") == name.encode(errors="surrogateescape")


async def test_a_file_is_read_in_parts() -> None:
    async with open_sharing({"large": LARGE, "empty": b""}) as viewer:
        assert await read(viewer, "/large") == LARGE
        assert await read(viewer, "/empty") == b""


async def test_a_file_may_come_in_chunks_without_a_size() -> None:
    async with open_sharing({}) as viewer:
        viewer.raw["/x"] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (
            b"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"
        )
        assert await read(viewer, "/x") == b"hello, world"


HEAD = b"HTTP/1.1 200 OK\r\n"
LISTING = b"HTTP/1.1 207 Multi-Status\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "the answer is 404"),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", "the answer is 301"),
        (b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", "the answer is 401"),
        (HEAD + b"Content-Length: 10\r\n\r\nabc", "without sending complete message body"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "without sending complete message body"),
        (HEAD + b"X: " + bytes(100_000).replace(b"\0", b"x"), "too long"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "illegal status line"),
        (b"", "ended without an answer"),
    ],
    ids=["missing", "redirect", "unauthorized", "short", "cut chunk", "endless header", "no HTTP", "nothing"],
)
async def test_a_file_that_does_not_come_is_told_with_its_reason(answer: bytes, reason: str) -> None:
    async with open_sharing({}) as viewer:
        viewer.raw["/x"] = answer
        with pytest.raises(WebdavError, match=f"'/x' cannot be had: .*{reason}"):
            await read(viewer, "/x")


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;&b;</x>'


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (LISTING + BOMB, "has a document type"),
        (LISTING + BOMB.decode().encode("utf-16"), "has a document type"),
        (LISTING + b"<?xml version='1.0' encoding='idna'?><a>\xff</a>", "not well-formed"),
        (LISTING + b"<?xml version='1.0' encoding='none'?><a/>", "not among the 0 entries"),
        (LISTING + b"<a><b></a>", "mismatched tag"),
        (LISTING + b"<a>", "no element found"),
        (LISTING + b'<D:multistatus xmlns:D="DAV:"/>', "not among the 0 entries"),
        (LISTING + b"<a>" + b"<b/>" * (webdav.MOST_LISTING_BYTES // 4), "more than 8388608 bytes"),
        (LISTING + b"<a>" * 40 + b"</a>" * 40, "more than 32 elements in each other"),
        (LISTING + b"<a" + b" " * 50_000, "a tag of more than 16384 bytes"),
        (LISTING + b"<a>" + b"x" * 20_000 + b"</a>", "a text of more than 16384 bytes"),
        (LISTING + b"<a>" + b"".join(b"<a%d/>" % number for number in range(1100)) + b"</a>", "more than 1000 names"),
        (HEAD + b"\r\n", "the answer is 200"),
    ],
    ids=[
        "bomb",
        "bomb in another encoding",
        "strange encoding",
        "unknown encoding",
        "no XML",
        "cut",
        "nothing",
        "endless",
        "deep",
        "long tag",
        "long text",
        "names",
        "another status",
    ],
)
async def test_a_listing_that_makes_no_sense_is_told_with_its_reason(answer: bytes, reason: str) -> None:
    async with open_sharing({}) as viewer:
        viewer.raw["/x"] = answer
        with pytest.raises(WebdavError, match=reason):
            await WebdavClient(viewer.folder).look("/x")


@pytest.mark.parametrize(
    "properties",
    ["", "<D:getcontentlength>-1</D:getcontentlength>", "<D:getcontentlength>1e9</D:getcontentlength>"],
)
async def test_a_size_that_is_none_counts_as_nothing(properties: str) -> None:
    entry = propstat(f"<D:resourcetype/><D:displayname>x</D:displayname>{properties}", "200 OK")
    body = f'<D:multistatus xmlns:D="DAV:"><D:response>{entry}</D:response></D:multistatus>'
    async with open_sharing({}) as viewer:
        viewer.raw["/x"] = LISTING + body.encode()
        assert await WebdavClient(viewer.folder).look("/x") == (Entry("x", False, 0), [])


@pytest.mark.parametrize("method", ["look", "read"])
async def test_an_answer_in_crumbs_leaves_others_their_turns(method: str) -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with open_sharing({}) as viewer, trio.open_nursery() as nursery:
        viewer.raw["/x"] = b"HTTP/1.1 100 Continue\r\n\r\n" * 1000
        nursery.start_soon(take_turns)
        with pytest.raises(WebdavError, match="ended without an answer"):
            await (WebdavClient(viewer.folder).look("/x") if method == "look" else read(viewer, "/x"))
        assert turns >= 1000
        nursery.cancel_scope.cancel()


async def test_silence_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webdav, "SILENCE_SECONDS", 0.05)
    tree: Tree = {"x": b""}
    async with open_sharing(tree) as viewer:
        viewer.held["/x"] = trio.Event()
        with pytest.raises(WebdavError, match="the viewer does not answer"):
            await read(viewer, "/x")
        with pytest.raises(WebdavError, match="the viewer does not answer"):
            await WebdavClient(viewer.folder).look("/x")


async def test_without_a_viewer_there_is_nothing() -> None:
    async with open_sharing({"x": b""}) as viewer:
        viewer.viewer.value = None
        with pytest.raises(WebdavError, match="no viewer shares a folder"):
            await read(viewer, "/x")
