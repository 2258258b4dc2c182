"""Files that are copied beside a viewer's window are pasted on the desktop that `spicetrio x11` shows in it."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
import trio

from tests.sources.x11.selecting import open_selection_client

from .desktop import Desktop, open_desktop
from .processes import need, open_screen
from .test_windows import open_window

Tree: TypeAlias = "Mapping[str, Tree | bytes]"

DOCUMENTS: Tree = {
    "100% zwölf 🥊.txt": b"percent",
    "a%20b#c?d&e.txt": b"quoted",
    ".hidden": b"",
    "documents": {"documents": {}, "large": random.Random(1).randbytes(3_000_000)},
}
TREE: Tree = {"one": {"a.txt": b"first"}, "two": {"a.txt": b"second"}, "documents": DOCUMENTS}
MANAGER = "x-special/gnome-copied-files"


def plant(tree: Tree, folder: Path) -> None:
    folder.mkdir()
    for name, content in tree.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            plant(content, folder / name)


def found(path: Path) -> Tree | bytes:
    return {child.name: found(child) for child in path.iterdir()} if path.is_dir() else path.read_bytes()


def kept(private: Path) -> list[Path]:
    return list(private.glob("spicetrio-files-*"))


def paths_of(uris: bytes) -> list[Path]:
    urls = [urlsplit(uri) for uri in uris.decode().split()]
    assert {(url.scheme, url.netloc) for url in urls} == {("file", "")}
    return [Path(unquote_to_bytes(url.path).decode()) for url in urls]


@dataclass
class Place:
    """Where a person sits: a screen with a viewer on it, which shares a folder, and files elsewhere."""

    desktop: Desktop
    screen: dict[str, str]
    files: Path
    viewer: trio.Process

    @asynccontextmanager
    async def copied(self, *names: str) -> AsyncIterator[None]:
        """A file manager that has copied files while the block runs."""
        uris = [(self.files / name).as_uri() for name in names]
        contents = {
            "text/uri-list": ("text/uri-list", "\r\n".join([*uris, ""]).encode()),
            MANAGER: (MANAGER, "\n".join(["copy", *uris]).encode()),
            "UTF8_STRING": ("UTF8_STRING", "\n".join(names).encode()),
        }
        with open_selection_client(self.screen) as client:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.serve, contents)
                client.own("CLIPBOARD")
                await self.desktop.wait_paste("\n".join(names).encode())
                yield
                nursery.cancel_scope.cancel()

    async def until_shared(self) -> None:
        """Wait until the viewer's folder can be reached; what is copied before is offered without files."""
        pattern = rb"shared folder: dav://127\.0\.0\.1:(\d+)/"
        with trio.fail_after(20):
            while True:
                match = re.search(pattern, self.desktop.command.errors)
                if match and b" 207 " in await self._ask_root(int(match[1])):
                    return
                await trio.sleep(0.1)

    async def _ask_root(self, port: int) -> bytes:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"PROPFIND / HTTP/1.1\r\nHost: viewer\r\nDepth: 0\r\nContent-Length: 0\r\n\r\n")
            return bytes(await stream.receive_some(100))


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command has temporary files."""
    folder = tmp_path / "private"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@asynccontextmanager
async def open_place(folder: Path, *options: str) -> AsyncIterator[Place]:
    for program, package in (("Xvfb", "xvfb"), ("xclip", "xclip"), ("spicy", "spice-client-gtk")):
        need(program, package)
    files, shared = folder / "files", folder / "shared"
    plant(TREE, files)
    shared.mkdir()
    async with (
        open_desktop(folder, "--share-dir", "--webdav-port", "0", *options) as desktop,
        open_screen() as screen,
        open_window("spicy", desktop.address, screen, folder, "--spice-shared-dir", str(shared)) as viewer,
    ):
        place = Place(desktop, screen, files, viewer)
        await place.until_shared()
        yield place


async def test_copied_files_and_folders_are_pasted_with_all_that_is_in_them(tmp_path: Path, private: Path) -> None:
    async with open_place(tmp_path) as place, place.copied("one/a.txt", "two/a.txt", "documents"):
        assert not kept(private)  # before somebody pastes
        uris = await place.desktop.paste("text/uri-list")
        assert uris is not None
        paths = paths_of(uris)
        assert [path.name for path in paths] == ["a.txt", "a.txt", "documents"]
        assert [found(path) for path in paths] == [b"first", b"second", DOCUMENTS]
        assert all(path.is_relative_to(private) for path in paths)
        told = await place.desktop.paste(MANAGER)
        assert told is not None
        assert told.startswith(b"copy\nfile:///")
        assert paths_of(told.removeprefix(b"copy\n")) == paths
        place.viewer.terminate()
        with trio.fail_after(10):
            while kept(private):  # noqa: ASYNC110  (another process removes them)
                await trio.sleep(0.02)


async def test_more_copied_files_than_the_limit_are_not_fetched(tmp_path: Path, private: Path) -> None:
    async with open_place(tmp_path, "--copied-files-limit", "1") as place:
        async with place.copied("documents"):
            assert await place.desktop.paste("text/uri-list") is None
            assert b"FILE_LIST cannot be pasted: they are of 3000013 bytes" in place.desktop.command.errors
        async with place.copied("one/a.txt"):
            uris = await place.desktop.paste("text/uri-list")
            assert uris is not None
            assert found(paths_of(uris)[0]) == b"first"


async def test_where_files_are_switched_off_none_are_pasted(tmp_path: Path) -> None:
    async with open_place(tmp_path, "--disable-agent-file-xfer") as place, place.copied("one/a.txt"):
        targets = await place.desktop.paste("TARGETS")
        assert targets is not None
        assert b"UTF8_STRING" in targets
        assert b"uri-list" not in targets
        assert await place.desktop.paste("text/uri-list") is None
