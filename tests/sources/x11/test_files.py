"""Files that were copied at a viewer are pasted by programs on an X server."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import trio

from spicetrio import Offer, Selection
from spicetrio.sources import copiedfiles
from spicetrio.sources.copiedfiles import open_copied_files
from tests.sources.davserver import SharingViewer, open_sharing
from tests.sources.x11.conftest import share
from tests.sources.x11.recording import RecordingAgent, viewers_offer
from tests.sources.x11.selecting import SelectionClient

LIST = b"copy\0/one/a.txt\0/two/b c.txt\0"


@dataclass
class Sharing:
    viewer: SharingViewer
    agent: RecordingAgent

    def copy(self, selection: Selection = Selection.CLIPBOARD, **more: bytes) -> Offer:
        return viewers_offer(self.agent.clipboards[selection], self.viewer.client, FILE_LIST=LIST, **more)


@pytest.fixture
async def sharing(xvfb: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sharing]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with (
        open_sharing({"one": {"a.txt": b"first"}, "two": {"b c.txt": b"second"}}) as viewer,
        open_copied_files(viewer.folder, 1000) as files,
        share(xvfb, files=files) as agent,
    ):
        yield Sharing(viewer, agent)


def files_of(data: bytes) -> dict[str, bytes]:
    """Name and content of the files that URIs lead to."""
    paths = [Path(unquote(urlsplit(uri).path)) for uri in data.decode().split()]
    return {path.name: path.read_bytes() for path in paths}


@pytest.mark.parametrize("target", ["text/uri-list", "x-special/gnome-copied-files", "x-special/mate-copied-files"])
async def test_a_program_gets_files_of_its_own_machine(sharing: Sharing, client: SelectionClient, target: str) -> None:
    sharing.copy()
    await client.until_owned("CLIPBOARD")
    answer = await client.paste("CLIPBOARD", target)
    assert answer is not None
    kind, data = answer
    assert kind == target
    assert files_of(data.removeprefix(b"copy\n")) == {"a.txt": b"first", "b c.txt": b"second"}


async def test_what_there_is_to_be_had_is_told_before_any_file_has_come(
    sharing: Sharing, client: SelectionClient
) -> None:
    sharing.copy(UTF8_TEXT=b"a.txt")
    await client.until_owned("CLIPBOARD")
    window = client.window()
    client.ask(window, "CLIPBOARD", "TARGETS")
    assert await client.answer() == "PLACE"
    names = client.atoms(window)
    assert names[3:7] == [
        *("text/uri-list", "x-special/gnome-copied-files", "x-special/mate-copied-files"),
        "UTF8_STRING",
    ]
    assert await client.paste("CLIPBOARD", "UTF8_STRING") == ("UTF8_STRING", b"a.txt")
    assert sharing.viewer.requests == []


async def test_files_that_take_long_hold_up_no_other_paste(sharing: Sharing, client: SelectionClient) -> None:
    hold = sharing.viewer.held["/two/b c.txt"] = trio.Event()
    sharing.copy(UTF8_TEXT=b"a.txt")
    viewers_offer(sharing.agent.clipboards[Selection.PRIMARY], UTF8_TEXT=b"selected")
    await client.until_owned("CLIPBOARD")
    await client.until_owned("PRIMARY")
    window = client.window()
    client.ask(window, "CLIPBOARD", "text/uri-list")
    for selection, text in (("CLIPBOARD", b"a.txt"), ("PRIMARY", b"selected")):
        assert await client.paste(selection, "UTF8_STRING") == ("UTF8_STRING", text)
    hold.set()
    assert await client.answer(requestor=window) == "PLACE"
    assert files_of(client.take(window)[1]) == {"a.txt": b"first", "b c.txt": b"second"}


async def test_files_that_take_too_long_are_there_for_who_pastes_again(
    sharing: Sharing, client: SelectionClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hold = sharing.viewer.held["/two/b c.txt"] = trio.Event()
    sharing.copy()
    await client.until_owned("CLIPBOARD")
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(copiedfiles, "WAIT_SECONDS", 0.05)
        assert await client.paste("CLIPBOARD", "text/uri-list") is None
    assert "FILE_LIST cannot be pasted: they are still on their way; paste again" in caplog.text
    hold.set()
    answer = await client.paste("CLIPBOARD", "text/uri-list")
    assert answer is not None
    assert files_of(answer[1]) == {"a.txt": b"first", "b c.txt": b"second"}


async def test_files_that_do_not_come_are_refused_with_the_reason(
    sharing: Sharing, client: SelectionClient, caplog: pytest.LogCaptureFixture
) -> None:
    sharing.viewer.raw["/two/b c.txt"] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    sharing.copy()
    await client.until_owned("CLIPBOARD")
    with caplog.at_level(logging.WARNING):
        assert await client.paste("CLIPBOARD", "text/uri-list") is None
    assert caplog.messages == ["a viewer's FILE_LIST cannot be pasted: '/two/b c.txt' cannot be had: the answer is 403"]
