"""Files that are copied beside a viewer's window are pasted on the desktop that `spicetrio x11` shows in it."""

from __future__ import annotations

import random
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
from .test_windows import PACKAGES, open_window

Tree: TypeAlias = "Mapping[str, Tree | bytes]"

DOCUMENTS: Tree = {
    "100% zwölf 🥊.txt": b"percent",
    "a%20b#c?d&e.txt": b"quoted",
    ".hidden": b"",
    "documents": {"documents": {}, "large": random.Random(1).randbytes(3_000_000)},
}
TREE: Tree = {"one": {"a.txt": b"first"}, "two": {"a.txt": b"second"}, "documents": DOCUMENTS}
COPIED = ["one/a.txt", "two/a.txt", "documents"]
CONTENTS = [("a.txt", b"first"), ("a.txt", b"second"), ("documents", DOCUMENTS)]


def plant(tree: Tree, folder: Path) -> None:
    folder.mkdir()
    for name, content in tree.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            plant(content, folder / name)


def found(path: Path) -> Tree | bytes:
    return {child.name: found(child) for child in path.iterdir()} if path.is_dir() else path.read_bytes()


def paths_of(uris: bytes) -> list[Path]:
    urls = [urlsplit(uri) for uri in uris.decode().split()]
    assert {(url.scheme, url.netloc) for url in urls} == {("file", "")}
    return [Path(unquote_to_bytes(url.path).decode()) for url in urls]


@dataclass
class Place:
    """Where a person sits: a screen with a viewer on it, and files."""

    screen: dict[str, str]
    files: Path

    def uris(self) -> list[str]:
        return [(self.files / name).as_uri() for name in COPIED]

    @asynccontextmanager
    async def copied(self, desktop: Desktop) -> AsyncIterator[None]:
        """A file manager that has copied files while the block runs, as soon as the viewer's folder is open."""
        uris = "\r\n".join([*self.uris(), ""]).encode()
        manager = "\n".join(["copy", *self.uris()]).encode()
        kinds = ("text/uri-list", "x-special/gnome-copied-files")
        contents = {kind: (kind, data) for kind, data in zip(kinds, (uris, manager), strict=True)}
        with open_selection_client(self.screen) as client:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.serve, contents)
                with trio.fail_after(20):
                    while b"text/uri-list" not in (await desktop.paste("TARGETS") or b""):
                        client.own("CLIPBOARD")
                        await trio.sleep(0.3)
                yield
                nursery.cancel_scope.cancel()


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command has temporary files."""
    folder = tmp_path / "private"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture(params=PACKAGES)
async def opened(request: pytest.FixtureRequest, private: Path, tmp_path: Path) -> AsyncIterator[tuple[Desktop, Place]]:
    for program, package in (("Xvfb", "xvfb"), ("xclip", "xclip"), (request.param, PACKAGES[request.param])):
        need(program, package)
    plant(TREE, tmp_path / "files")
    (tmp_path / "shared").mkdir()
    (tmp_path / "virt-viewer").mkdir()
    settings = f"[fallback]\nshare-folder=true\nshared-folder={tmp_path / 'shared'}\n"
    (tmp_path / "virt-viewer" / "settings").write_text(settings)
    options = ["--spice-shared-dir", str(tmp_path / "shared")]
    async with (
        open_desktop(tmp_path, "--share-dir", "--webdav-port", "0") as desktop,
        open_screen() as screen,
        open_window(request.param, desktop.address, screen, tmp_path, *options),
    ):
        yield desktop, Place(screen, tmp_path / "files")


async def test_copied_files_and_folders_are_pasted_with_all_that_is_in_them(
    opened: tuple[Desktop, Place], private: Path
) -> None:
    desktop, place = opened
    async with place.copied(desktop):
        uris = await desktop.paste("text/uri-list")
        assert uris is not None
        paths = paths_of(uris)
        assert [(path.name, found(path)) for path in paths] == CONTENTS
        assert all(path.is_relative_to(private) for path in paths)
        for manager in ("gnome", "mate"):
            told = await desktop.paste(f"x-special/{manager}-copied-files")
            assert told is not None
            assert told.startswith(b"copy\nfile:///")
            assert paths_of(told.removeprefix(b"copy\n")) == paths
