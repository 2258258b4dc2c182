"""Files that are dropped on viewers land in a folder whole, or not at all."""

from __future__ import annotations

import errno
import os
import struct
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import trio

from spicetrio import FileTransferState
from spicetrio.agent import files
from spicetrio.wire import agent
from spicetrio.wire.enums import AgentCapability, FileTransferStatus
from tests.agent.talk import ALL, open_talker
from tests.channels.stage import closed, open_stage, until

CAN_SEND, CANCELLED, ERROR, SUCCESS, NO_SPACE = list(FileTransferStatus)[:5]
DISABLED = FileTransferStatus.DISABLED
Status = agent.FileXferStatus


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def make_folder(parent: Path) -> Path:
    folder = parent / "folder"
    folder.mkdir()
    return folder


def states(transfers: Any) -> list[FileTransferState]:
    return [transfer.state for transfer in transfers.value]


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_001])
async def test_a_file_lands_in_the_folder(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    async with (
        open_stage() as stage,
        stage.server.open_agent(file_transfer_dir=tmp_path) as here,
        open_talker(stage) as viewer,
    ):
        assert AgentCapability.FILE_XFER_DISABLED not in (viewer.agent_capabilities or ())
        assert await viewer.send_file(7, "a file.bin", data) == SUCCESS
        assert contents(tmp_path) == {"a file.bin": data}
        (transfer,) = here.transfers.value
        assert (transfer.name, transfer.size, transfer.received) == ("a file.bin", size, size)
        assert transfer.state is FileTransferState.COMPLETE
        assert transfer.path == tmp_path / "a file.bin"


async def test_a_file_has_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    async with (
        open_stage() as stage,
        stage.server.open_agent(file_transfer_dir=tmp_path) as here,
        open_talker(stage) as viewer,
    ):
        assert await viewer.offer_file(1, "x", 10) is None
        await viewer.send(agent.FileXferData(1, b"12345"))
        await here.transfers.wait_value(lambda transfers: transfers[0].received == 5)
        (part,) = names(tmp_path)
        assert part.startswith(".")
        await viewer.send(agent.FileXferData(1, b"67890"))
        assert await viewer.file_status(1) == SUCCESS
        assert names(tmp_path) == {"x"}


async def test_names_that_clash_or_would_escape_are_safe(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    (folder / "x").write_bytes(b"what was there")
    async with (
        open_stage() as stage,
        stage.server.open_agent(file_transfer_dir=folder),
        open_talker(stage) as viewer,
    ):
        for number, name in enumerate(["x", "../x", "/tmp/x", ".x", "x\\n"]):
            assert await viewer.send_file(number, name, name.encode()) == SUCCESS
        for name in ("", "..", "/"):
            assert await viewer.send_file(9, name, b"") == ERROR
    assert names(folder) == {"x", "x (1)", "x (2)", "x (3)", "x (4)", "x_"}
    assert contents(folder)["x"] == b"what was there"
    assert names(tmp_path) == {"folder"}


@pytest.mark.parametrize("status", [CANCELLED, ERROR])
async def test_a_file_that_is_cancelled_leaves_nothing(tmp_path: Path, status: FileTransferStatus) -> None:
    async with (
        open_stage() as stage,
        stage.server.open_agent(file_transfer_dir=tmp_path) as here,
        open_talker(stage) as viewer,
    ):
        assert await viewer.offer_file(1, "x", 100) is None
        await viewer.send(agent.FileXferData(1, b"12345"), Status(1, status), agent.FileXferData(1, b"67890"))
        await viewer.send(Status(1, status), Status(77, status))
        await viewer.nothing()
        assert states(here.transfers) == [FileTransferState.CANCELLED]
        assert names(tmp_path) == set()
        assert await viewer.send_file(1, "x", b"again") == SUCCESS


async def test_a_viewer_that_leaves_leaves_nothing(tmp_path: Path) -> None:
    async with open_stage() as stage, stage.server.open_agent(file_transfer_dir=tmp_path) as here:
        async with open_talker(stage) as viewer:
            assert await viewer.offer_file(1, "x", 100) is None
            await viewer.send(agent.FileXferData(1, b"12345"))
            await viewer.offer_file(2, "y", 100)
        await here.transfers.wait_value(lambda transfers: {one.state for one in transfers} == {CANCELLED_STATE})
        assert names(tmp_path) == set()


CANCELLED_STATE = FileTransferState.CANCELLED


async def test_an_agent_that_ends_leaves_nothing(tmp_path: Path) -> None:
    async with open_stage() as stage:
        async with stage.server.open_agent(file_transfer_dir=tmp_path), open_talker(stage) as viewer:
            assert await viewer.offer_file(1, "x", 100) is None
        assert names(tmp_path) == set()


async def test_without_a_folder_no_files_are_taken() -> None:
    async with open_stage() as stage, stage.server.open_agent() as here, open_talker(stage) as viewer:
        assert AgentCapability.FILE_XFER_DISABLED in (viewer.agent_capabilities or ())
        assert await viewer.offer_file(1, "x", 1) == DISABLED
        await viewer.send(agent.FileXferData(1, b"x"), Status(1, CANCELLED))
        await viewer.nothing()
        assert here.transfers.value == ()


async def test_files_that_are_switched_off_are_not_taken(tmp_path: Path) -> None:
    async with (
        open_stage(agent_file_xfer=False, file_transfer_dir=tmp_path) as stage,
        stage.server.open_agent(),
        open_talker(stage) as viewer,
    ):
        assert AgentCapability.FILE_XFER_DISABLED in (viewer.agent_capabilities or ())
        assert await viewer.offer_file(1, "x", 1) == DISABLED
    async with open_stage() as stage:
        with pytest.raises(NotADirectoryError):
            async with stage.server.open_agent(file_transfer_dir=tmp_path / "none"):
                pass


async def test_the_settings_name_a_folder(tmp_path: Path) -> None:
    async with (
        open_stage(file_transfer_dir=tmp_path) as stage,
        stage.server.open_agent(),
        open_talker(stage) as viewer,
    ):
        assert await viewer.send_file(1, "x", b"1") == SUCCESS
        assert names(tmp_path) == {"x"}


async def test_a_disk_without_room_is_told_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_free_space", lambda folder: 1000)
    async with (
        open_stage() as stage,
        stage.server.open_agent(file_transfer_dir=tmp_path),
        open_talker(stage) as viewer,
    ):
        assert await viewer.offer_file(1, "x", 600) is None
        await viewer.send(agent.FileXferStart(2, "[vdagent-file-xfer]\nname=y\nsize=401\n"))
        assert await viewer.receive(Status) == Status(2, NO_SPACE, struct.pack("<Q", 400))
        assert await viewer.send_file(2, "y", bytes(400)) == SUCCESS
        assert len(names(tmp_path)) == 2


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, NO_SPACE), (errno.EDQUOT, NO_SPACE), (errno.EIO, ERROR)])
async def test_a_disk_that_fails_meanwhile_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, status: FileTransferStatus
) -> None:
    async with (
        open_stage() as stage,
        stage.server.open_agent(file_transfer_dir=tmp_path) as here,
        open_talker(stage) as viewer,
    ):
        assert await viewer.offer_file(1, "x", 100) is None

        def fail(*_: object) -> int:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "write", fail)
        await viewer.send(agent.FileXferData(1, b"12345"))
        assert await viewer.file_status(1) == status
        monkeypatch.undo()
        assert names(tmp_path) == set()
        assert here.transfers.value[0].reason == os.strerror(number)
        assert await viewer.send_file(1, "x", b"again") == SUCCESS


async def test_a_disk_that_has_no_room_in_the_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_close = os.close

    def close(descriptor: int) -> None:
        is_part = Path(f"/proc/self/fd/{descriptor}").resolve().suffix == ".part"
        really_close(descriptor)
        if is_part:
            raise OSError(errno.EDQUOT, "no room")

    async with (
        open_stage() as stage,
        stage.server.open_agent(file_transfer_dir=tmp_path),
        open_talker(stage) as viewer,
    ):
        monkeypatch.setattr(os, "close", close)
        assert await viewer.send_file(1, "x", b"12345") == NO_SPACE
        assert await viewer.offer_file(2, "y", 5) is None
        await viewer.send(Status(2, CANCELLED))
        await until(lambda: names(tmp_path) == set())
        monkeypatch.undo()
        assert await viewer.send_file(1, "x", b"again") == SUCCESS


async def test_the_files_of_a_viewer_that_leaves_end_at_once(tmp_path: Path) -> None:
    async with open_stage() as stage, stage.server.open_agent(file_transfer_dir=tmp_path) as here:
        async with open_talker(stage) as viewer:
            for number in range(15):
                await viewer.send(agent.FileXferStart(number, f"[vdagent-file-xfer]\nname={number}\nsize=1\n"))
            await here.transfers.wait_value(lambda transfers: len(transfers) == 15)
        async with aclosing(here.transfers.transitions()) as changes:
            await anext(changes)
            assert states(here.transfers) == [FileTransferState.CANCELLED] * 15


@pytest.mark.parametrize("end", ["cancelled", "complete", "left"])
async def test_a_disk_that_fails_at_the_end_of_a_transfer_ends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    really_close, really_unlink = os.close, os.unlink

    def close(descriptor: int) -> None:
        ours = os.fstat(descriptor).st_ino in {path.stat().st_ino for path in tmp_path.iterdir()}
        really_close(descriptor)
        if ours:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def unlink(path: Path) -> None:
        if path.parent == tmp_path:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        really_unlink(path)

    async with open_stage() as stage, stage.server.open_agent(file_transfer_dir=tmp_path) as here:
        async with open_talker(stage) as viewer:
            assert await viewer.offer_file(1, "x", 5) is None
            monkeypatch.setattr(os, "close", close)
            monkeypatch.setattr(os, "unlink", unlink)
            if end == "cancelled":
                await viewer.send(Status(1, CANCELLED))
            elif end == "complete":
                await viewer.send(agent.FileXferData(1, b"12345"))
                assert await viewer.file_status(1) == ERROR
        over = (FileTransferState.CANCELLED, FileTransferState.FAILED)
        await here.transfers.wait_value(lambda transfers: transfers[0].state in over)
        monkeypatch.undo()
        assert "cannot remove" in caplog.text
        async with open_talker(stage) as viewer:
            assert await viewer.send_file(1, "y", b"still") == SUCCESS


async def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    async with (
        open_stage() as stage,
        stage.server.open_agent(file_transfer_dir=folder),
        open_talker(stage) as viewer,
    ):
        folder.rmdir()
        assert await viewer.offer_file(1, "x", 100) == ERROR


async def test_only_some_viewers_are_told_the_details(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_free_space", lambda folder: 0)
    capabilities = ALL - {AgentCapability.FILE_XFER_DETAILED_ERRORS}
    async with (
        open_stage() as stage,
        stage.server.open_agent(file_transfer_dir=tmp_path),
        open_talker(stage, capabilities=capabilities) as viewer,
    ):
        await viewer.send(agent.FileXferStart(2, "[vdagent-file-xfer]\nname=y\nsize=1\n"))
        assert await viewer.receive(Status) == Status(2, ERROR)


async def test_more_data_than_was_said_ends_the_transfer(tmp_path: Path) -> None:
    async with (
        open_stage() as stage,
        stage.server.open_agent(file_transfer_dir=tmp_path),
        open_talker(stage) as viewer,
    ):
        assert await viewer.offer_file(1, "x", 3) is None
        await viewer.send(agent.FileXferData(1, b"1234"))
        assert await viewer.file_status(1) == ERROR
        assert names(tmp_path) == set()


async def test_a_number_that_is_in_use_is_refused_and_a_wrong_key_file_ends_the_viewer(tmp_path: Path) -> None:
    async with (
        open_stage() as stage,
        stage.server.open_agent(file_transfer_dir=tmp_path),
        open_talker(stage) as viewer,
    ):
        assert await viewer.offer_file(1, "x", 3) is None
        assert await viewer.offer_file(1, "y", 3) == ERROR
        await viewer.send(agent.FileXferData(1, b"123"))
        assert await viewer.file_status(1) == SUCCESS
        await viewer.send(agent.FileXferStart(2, "[vdagent-file-xfer]\nname=x\n"))
        await closed(viewer.channel)


async def test_a_few_files_are_written_at_a_time_and_the_others_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_AT_ONCE", 2)
    monkeypatch.setattr(files, "MAX_WAITING", 2)
    async with (
        open_stage() as stage,
        stage.server.open_agent(file_transfer_dir=tmp_path) as here,
        open_talker(stage) as viewer,
    ):
        for number in range(5):
            await viewer.send(agent.FileXferStart(number, f"[vdagent-file-xfer]\nname={number}\nsize=1\n"))
        got = [await viewer.receive(Status) for _ in range(3)]
        assert [(status.id, status.result) for status in got] == [(0, CAN_SEND), (1, CAN_SEND), (4, ERROR)]
        assert states(here.transfers)[-2:] == [FileTransferState.WAITING] * 2
        await viewer.send(Status(1, CANCELLED), agent.FileXferData(0, b"0"))
        got = [await viewer.receive(Status) for _ in range(3)]
        assert [(status.id, status.result) for status in got] == [(2, CAN_SEND), (0, SUCCESS), (3, CAN_SEND)]
        await viewer.send(agent.FileXferData(2, b"2"), agent.FileXferData(3, b"3"))
        await until(lambda: names(tmp_path) == {"0", "2", "3"})


async def test_two_viewers_send_files_with_the_same_number_at_the_same_time(tmp_path: Path) -> None:
    async with (
        open_stage() as stage,
        stage.server.open_agent(file_transfer_dir=tmp_path),
        open_talker(stage) as one,
        open_talker(stage) as other,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(one.send_file, 1, "x", b"1" * 500_000)
        nursery.start_soon(other.send_file, 1, "x", b"2" * 500_000)
    assert set(contents(tmp_path)) == {"x", "x (1)"}
    assert set(contents(tmp_path).values()) == {b"1" * 500_000, b"2" * 500_000}
