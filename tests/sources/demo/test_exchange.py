"""Text goes in and out by the clipboard, and files are told."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from spicetrio import ClipboardError, ClipboardType, FileTransfer, FileTransferState, Selection
from spicetrio.agent.clipboard import Offer, Read
from spicetrio.sources.demo import exchange
from spicetrio.sources.demo.journal import Journal
from spicetrio.sources.demo.keyboard import GREETING, KeyboardPanel

from .conftest import OpenStage, Stage

TEXT = ClipboardType.UTF8_TEXT
CONTROL = 0x1D


def told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the journal is told from now on."""
    lines: list[str] = []
    add = Journal.add

    def record(journal: Journal, text: str, color: int = 0) -> None:
        lines.append(text)
        add(journal, text, color)

    monkeypatch.setattr(Journal, "add", record)
    return lines


def offer(stage: Stage, read: Read) -> None:
    stage.agent.clipboards[Selection.CLIPBOARD].grab(Offer([TEXT], read, limit=1 << 20))


async def test_the_text_is_copied_and_another_one_pasted(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_stage() as stage:
        viewer = stage.join()
        lines = told(stage, monkeypatch)
        field = next(panel for panel in stage.desk.panels if isinstance(panel, KeyboardPanel)).field
        stage.key(exchange.COPY, viewer)  # without Ctrl it is a letter
        stage.key(CONTROL, viewer, True)
        stage.key(exchange.COPY, viewer)
        await stage.settle()
        copied = stage.agent.clipboards[Selection.CLIPBOARD].current
        assert copied is not None
        assert await copied.read(TEXT) == (GREETING + "c").encode()

        stage.key(exchange.PASTE, viewer)
        await stage.settle()
        assert "Nothing was copied at a viewer" in lines

        async def refuse(kind: ClipboardType) -> bytes:
            raise ClipboardError("not today")

        async def give(kind: ClipboardType) -> bytes:
            await trio.lowlevel.checkpoint()
            return "größe\0".encode()

        for read in (refuse, give):
            offer(stage, read)
            stage.key(exchange.PASTE, viewer)
            await stage.settle()
        assert "Cannot paste: not today" in lines
        assert field.text == GREETING + "cgröße"
        assert lines[-1] == "5 characters pasted"


async def test_pastes_wait_for_each_other_and_not_too_many(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_stage() as stage:
        viewer = stage.join()
        lines = told(stage, monkeypatch)

        async def never(kind: ClipboardType) -> bytes:
            await trio.sleep_forever()
            raise AssertionError

        offer(stage, never)
        stage.key(CONTROL, viewer, True)
        for _ in range(8):
            stage.key(exchange.PASTE, viewer)
        await stage.settle()
        assert "One paste after the other, please" in lines


async def test_files_are_told_once_when_they_have_ended(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_stage() as stage:
        viewer = stage.join()
        lines = told(stage, monkeypatch)
        under_way = FileTransfer(viewer, 1, "x", 5, state=FileTransferState.RECEIVING)
        here = FileTransfer(viewer, 2, "y", 7, 7, FileTransferState.COMPLETE, Path("/folder/y (1)"))
        failed = FileTransfer(viewer, 3, "z", 9, 1, FileTransferState.FAILED, reason="no space")
        for transfers in ((under_way,), (here, under_way), (here, failed, under_way)):
            stage.agent.transfers.value = transfers
            await stage.settle()
        assert lines[-2:] == ["y (1), 7 bytes, is here", "z, 9 bytes, failed"]
