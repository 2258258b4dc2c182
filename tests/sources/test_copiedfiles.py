"""Files that a viewer copied come whole, into a private folder, and go when nobody can want them any more."""

from __future__ import annotations

import errno
import logging
import os
import random
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from spicetrio import ClipboardError, ClipboardType, Offer
from spicetrio.sources import copiedfiles
from spicetrio.sources.copiedfiles import CopiedFiles, open_copied_files
from tests.sources.davserver import DavServer, SharingViewer, Tree, open_sharing, propstat, someone

LIMIT = 1 << 20
LARGE = random.Random(1).randbytes(300_000)
FOLDER: Tree = {"sub": {"a.txt": b"below", ".hidden": b"", "sub": {}}, "large": LARGE}
TREE: Tree = {"one": {"a.txt": b"first"}, "two": {"a.txt": b"second"}, "three": {"docs": FOLDER}}


@pytest.fixture(autouse=True)
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files are; none is left in the end."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert not children(tmp_path)


def listing(*paths: str, action: str = "copy") -> bytes:
    return b"".join(part.encode(errors="surrogateescape") + b"\0" for part in (action, *paths))


def copied(viewer: SharingViewer, *paths: str, data: bytes | None = None) -> Offer:
    """What the viewer offers that has copied these paths."""

    async def read(kind: ClipboardType) -> bytes:
        assert kind is ClipboardType.FILE_LIST
        await trio.lowlevel.checkpoint()
        return listing(*paths) if data is None else data

    return Offer([ClipboardType.FILE_LIST], read, limit=LIMIT, viewer=viewer.client)


@asynccontextmanager
async def sharing(tree: Tree, limit: int = LIMIT) -> AsyncIterator[tuple[SharingViewer, CopiedFiles]]:
    async with open_sharing(tree) as viewer, open_copied_files(viewer.folder, limit) as files:
        yield viewer, files


def children(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110  (the disk tells nobody)
            await trio.sleep(0.002)


def contents(path: Path) -> Tree | bytes:
    return {child.name: contents(child) for child in path.iterdir()} if path.is_dir() else path.read_bytes()


async def test_files_and_folders_come_with_their_names_and_contents(private: Path) -> None:
    async with sharing(TREE) as (viewer, files):
        paths = await files.fetch(copied(viewer, "/one/a.txt", "/two/a.txt", "/three/docs"))
        assert [path.name for path in paths] == ["a.txt", "a.txt", "docs"]
        assert [contents(path) for path in paths] == [b"first", b"second", FOLDER]
        (folder,) = children(private)
        assert all(path.is_relative_to(folder) for path in paths)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", [".bashrc", "zwölf 🥊", "a%20b", "caf\udce9", "new\nline", "x" * 255, "-rf", "~"])
async def test_a_name_stays_as_it_is(name: str) -> None:
    async with sharing({name: {name: b"content"}}) as (viewer, files):
        (path,) = await files.fetch(copied(viewer, f"/{name}"))
        assert path.name == name
        assert contents(path) == {name: b"content"}


async def test_to_cut_is_to_copy() -> None:
    async with sharing(TREE) as (viewer, files):
        offer = copied(viewer, data=listing("/one/a.txt", action="cut"))
        assert contents((await files.fetch(offer))[0]) == b"first"
        assert {method for method, _ in viewer.requests} == {"PROPFIND", "GET"}


async def test_nothing_is_fetched_before_it_is_pasted_and_once_for_all_who_paste() -> None:
    async with sharing(TREE) as (viewer, files):
        offer = copied(viewer, "/one/a.txt")
        await wait_all_tasks_blocked()
        assert viewer.requests == []
        found: list[tuple[Path, ...]] = []

        async def paste() -> None:
            found.append(await files.fetch(offer))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(paste)
        assert found == [await files.fetch(offer)] * 3
        assert viewer.requests == [("PROPFIND", "/one/a.txt"), ("GET", "/one/a.txt")]


async def test_who_does_not_wait_so_long_gets_them_when_asking_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with sharing(TREE) as (viewer, files):
        offer = copied(viewer, "/one/a.txt")
        hold = viewer.held["/one/a.txt"] = trio.Event()
        monkeypatch.setattr(copiedfiles, "WAIT_SECONDS", 0.05)
        with pytest.raises(ClipboardError, match="still on their way; paste again"):
            await files.fetch(offer)
        with trio.move_on_after(0.01) as scope:
            await files.fetch(offer)
        assert scope.cancelled_caught
        hold.set()
        await until(lambda: caplog.messages[-1:] != [] and caplog.messages[-1].endswith("1 files and folders, 5 bytes"))
        assert contents((await files.fetch(offer))[0]) == b"first"
        assert len(viewer.requests) == 2


async def test_a_long_transfer_is_told_of(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(copiedfiles, "PROGRESS_SECONDS", 0.0)
    async with sharing(TREE) as (viewer, files):
        await files.fetch(copied(viewer, "/one/a.txt", "/two/a.txt"))
        assert [message.partition(" ")[2] for message in caplog.messages[1:3]] == [
            "of 2 files and folders are here, 5 bytes",
            "of 2 files and folders are here, 11 bytes",
        ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no list of files"),
        (b"copy\0", "no list of files"),
        (b"move\0/x\0", "no list of files: it begins with b'move"),
        (b"file:///etc/passwd", "no list of files"),
        (listing("x"), "'x' is no path in the viewer's folder"),
        (listing("../x"), "is no path"),
        (listing("/"), "'' is no name"),
        (listing("/x", ""), "'' is no name"),
        (listing("/x/"), "'' is no name"),
        (listing("//x"), "'' is no name"),
        (listing("/x/../../y"), "'..' is no name"),
        (listing("/x/."), "'.' is no name"),
        (listing("/" + "x" * 256), "is no name"),
        (listing("/" + "x" * 4096), "longer than 4096 bytes"),
        (listing("/" * 500_000), "longer than 4096 bytes"),
        (listing("/x" * 33), "32 deep"),
        (listing(*["/x"] * (copiedfiles.MOST_ITEMS + 1)), "more than 10000"),
    ],
)
async def test_a_list_that_makes_no_sense_is_refused(data: bytes, reason: str) -> None:
    async with sharing({"x": b""}) as (viewer, files):
        with pytest.raises(ClipboardError, match=reason):
            await files.fetch(copied(viewer, data=data))
        assert viewer.requests == []


OUTSIDE = ["..", ".", "a/b", "../../../../tmp/x", "/tmp/x", "x" * 256]


@pytest.mark.parametrize(
    ("href", "properties"),
    [
        *(("<D:href/>", f"<D:displayname>{name}</D:displayname>") for name in OUTSIDE),
        *((f"<D:href>/docs/{quote(name, safe='')}</D:href>", "") for name in [*OUTSIDE, "nul\0"]),
        ("<D:href/>", ""),
    ],
)
@pytest.mark.parametrize("kind", ["", "<D:collection/>"], ids=["file", "folder"])
async def test_no_name_leads_out_of_the_folder(href: str, properties: str, kind: str) -> None:
    async with sharing({"docs": {}}) as (viewer, files):
        told = propstat(f"<D:resourcetype>{kind}</D:resourcetype>{properties}", "200 OK")
        outside = f"<D:response>{href}{told}</D:response>"
        viewer.raw["/docs"] = viewer.multistatus("/docs", outside)
        with pytest.raises(ClipboardError, match="is no name for a file"):
            await files.fetch(copied(viewer, "/docs"))
        assert [method for method, _ in viewer.requests] == ["PROPFIND"]


async def test_what_is_listed_twice_does_not_overwrite(private: Path) -> None:
    async with sharing({"docs": {"a.txt": b"1"}}) as (viewer, files):
        viewer.raw["/docs"] = viewer.multistatus("/docs", viewer.response("/docs/a.txt", b"1"))
        with pytest.raises(ClipboardError, match=r"File exists: .*a\.txt"):
            await files.fetch(copied(viewer, "/docs"))


async def test_more_than_the_limit_is_not_even_asked_for() -> None:
    async with sharing({"docs": {"a": bytes(600), "b": bytes(500)}}, limit=1000) as (viewer, files):
        with pytest.raises(ClipboardError, match="of 1100 bytes, more than the 1000"):
            await files.fetch(copied(viewer, "/docs"))
        assert [method for method, _ in viewer.requests] == ["PROPFIND"]


async def test_who_lies_about_sizes_is_stopped_at_the_limit() -> None:
    async with sharing({"endless": LARGE}, limit=100_000) as (viewer, files):
        viewer.sizes["/endless"] = 10
        with pytest.raises(ClipboardError, match="more than the 100000 bytes"):
            await files.fetch(copied(viewer, "/endless"))


async def test_folders_in_a_ring_and_without_an_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ring: dict[str, Tree | bytes | None] = {}
    ring["ring"] = ring
    async with sharing(ring) as (viewer, files):
        with pytest.raises(ClipboardError, match="folders 32 deep, or in a ring"):
            await files.fetch(copied(viewer, "/ring"))
        monkeypatch.setattr(copiedfiles, "MOST_ITEMS", 10)
        with pytest.raises(ClipboardError, match="more than 10 files and folders"):
            await files.fetch(copied(viewer, "/ring"))


async def test_as_many_as_there_may_be_are_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copiedfiles, "MOST_ITEMS", 2)
    async with sharing(TREE) as (viewer, files):
        assert len(await files.fetch(copied(viewer, "/one/a.txt", "/two/a.txt"))) == 2
        with pytest.raises(ClipboardError, match="more than 2 files and folders"):
            await files.fetch(copied(viewer, "/one/a.txt", "/two/a.txt", "/one/a.txt"))


async def test_what_is_in_folders_that_were_not_looked_into_yet_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copiedfiles, "MOST_ITEMS", 10)
    inner: Tree = {f"file {number}": b"" for number in range(5)}
    async with sharing({"x": {"y": inner, **{f"file {number}": b"" for number in range(5)}}}) as (viewer, files):
        with pytest.raises(ClipboardError, match="more than 10 files and folders"):
            await files.fetch(copied(viewer, "/x"))


async def test_paths_below_a_folder_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copiedfiles, "MOST_PATH_BYTES", 10)
    async with sharing({"x": {"y" * 7: {"z" * 7: b""}}}) as (viewer, files):
        with pytest.raises(ClipboardError, match="longer than 10 bytes: '/x/yyyyyyy/zzzzzzz'"):
            await files.fetch(copied(viewer, "/x"))


async def test_a_folder_that_became_something_else_meanwhile_is_told() -> None:
    async with sharing({"x": {"y": {"z": b""}}}) as (viewer, files):
        viewer.raw["/x/y"] = DavServer({"x": {"y": b"file"}}).multistatus("/x/y")
        with pytest.raises(ClipboardError, match="'/x/y' was a folder, and is none any more"):
            await files.fetch(copied(viewer, "/x"))


async def test_a_name_that_this_machine_cannot_write_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with sharing({"docs": {"zwölf": b""}}) as (viewer, files):
        monkeypatch.setattr(os, "fsencode", lambda name: str(name).encode("ascii", "surrogateescape"))
        with pytest.raises(ClipboardError, match="'zwölf' is no name for a file"):
            await files.fetch(copied(viewer, "/docs"))


async def test_a_full_disk_is_told_with_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with sharing(TREE) as (viewer, files):
        monkeypatch.setattr(tempfile, "mkdtemp", full)
        with pytest.raises(ClipboardError, match="No space left on device; make room there, or let TMPDIR be"):
            await files.fetch(copied(viewer, "/one/a.txt"))


async def test_a_fault_is_told_and_the_next_who_pastes_may_have_more_luck(
    private: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with sharing(TREE) as (viewer, files):
        offer = copied(viewer, "/one/a.txt", "/two/a.txt")
        viewer.raw["/two/a.txt"] = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
        with pytest.raises(ClipboardError, match=r"'/two/a\.txt' cannot be had: the answer is 500"):
            await files.fetch(offer)
        await until(lambda: not children(private))
        assert not caplog.messages  # who asked tells
        del viewer.raw["/two/a.txt"]
        assert contents((await files.fetch(offer))[1]) == b"second"


async def test_a_fault_that_nobody_waits_for_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(copiedfiles, "WAIT_SECONDS", 0.02)
    caplog.set_level(logging.INFO)
    async with sharing(TREE) as (viewer, files):
        hold = viewer.held["/one/a.txt"] = trio.Event()
        with pytest.raises(ClipboardError):
            await files.fetch(copied(viewer, "/one/a.txt"))
        viewer.raw["/one/a.txt"] = b""
        hold.set()
        await until(lambda: "do not come: '/one/a.txt' cannot be had" in caplog.text)


async def test_a_disk_that_takes_nothing_is_told(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(private / "none"))
    async with sharing(TREE) as (viewer, files):
        with pytest.raises(ClipboardError, match=r"No such file or directory: .*none"):
            await files.fetch(copied(viewer, "/one/a.txt"))


async def test_only_who_shares_the_folder_has_copied_files_in_it() -> None:
    async with sharing(TREE) as (viewer, files):
        viewer.client = someone()  # and not who has the port
        offer = copied(viewer, "/one/a.txt")
        with pytest.raises(ClipboardError, match="who copied them shares no folder"):
            await files.fetch(offer)
        assert viewer.requests == []


async def test_the_oldest_go_when_there_is_no_room_for_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with sharing({"a": bytes(400), "b": bytes(500), "c": bytes(300)}, limit=1000) as (viewer, files):
        (first,) = await files.fetch(copied(viewer, "/a"))
        (second,) = await files.fetch(copied(viewer, "/b"))
        assert contents(first) == bytes(400)
        (third,) = await files.fetch(copied(viewer, "/c"))
        await until(lambda: not first.exists())
        assert second.exists()
        assert third.exists()
        monkeypatch.setattr(copiedfiles, "MOST_KEPT", 1)
        await files.fetch(copied(viewer, "/c"))
        await until(lambda: not second.exists() and not third.exists())


async def test_what_is_on_its_way_does_not_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copiedfiles, "MOST_KEPT", 1)
    async with sharing(TREE) as (viewer, files), trio.open_nursery() as nursery:
        hold = viewer.held["/one/a.txt"] = trio.Event()
        nursery.start_soon(files.fetch, copied(viewer, "/one/a.txt"))
        await wait_all_tasks_blocked()
        with pytest.raises(ClipboardError, match="1 others are on their way"):
            await files.fetch(copied(viewer, "/two/a.txt"))
        hold.set()


@pytest.mark.parametrize("held", [True, False], ids=["on their way", "here"])
async def test_the_files_of_a_viewer_that_leaves_go_with_it(private: Path, held: bool) -> None:
    async with sharing(TREE) as (viewer, files):
        offer = copied(viewer, "/one/a.txt", "/two/a.txt")
        if held:
            viewer.held["/two/a.txt"] = trio.Event()
            with pytest.RaisesGroup(pytest.RaisesExc(ClipboardError, match="who copied them has left")):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(files.fetch, offer)
                    await wait_all_tasks_blocked(0.02)
                    viewer.viewer.value = None
        else:
            await files.fetch(offer)
            viewer.viewer.value = None
        await until(lambda: not children(private))


async def test_a_large_list_does_not_hold_up_another() -> None:
    async with sharing(TREE) as (viewer, files), trio.open_nursery() as nursery:
        hold = viewer.held["/three/docs"] = trio.Event()
        nursery.start_soon(files.fetch, copied(viewer, "/three/docs"))
        await wait_all_tasks_blocked()
        assert contents((await files.fetch(copied(viewer, "/one/a.txt")))[0]) == b"first"
        hold.set()
