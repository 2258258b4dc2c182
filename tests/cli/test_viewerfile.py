from __future__ import annotations

import stat
from pathlib import Path

import pytest

from spicetrio.cli.errors import CommandError
from spicetrio.cli.viewerfile import entries, render, viewer_file


def test_what_a_file_says_about_tcp() -> None:
    found = entries("spice://[::1]:5930", title="Desk", ticket="geheim")
    assert (
        found.items()
        >= {
            "type": "spice",
            "host": "::1",
            "port": "5930",
            "password": "geheim",
            "title": "Desk",
            "delete-this-file": "0",
        }.items()
    )
    assert "unix-path" not in found


def test_what_a_file_says_about_a_unix_socket() -> None:
    found = entries("spice+unix:///run/a b/s", title="Desk", ticket=None)
    assert found["unix-path"] == "/run/a b/s"
    assert not found.keys() & {"host", "port", "password"}


def test_values_are_written_as_key_files_have_them() -> None:
    assert (
        render({"type": "spice", "password": " a\\b\tc\n"}) == "[virt-viewer]\ntype=spice\npassword=\\sa\\\\b\\tc\\n\n"
    )


def test_a_file_is_there_for_us_alone_while_the_block_runs(tmp_path: Path) -> None:
    path = tmp_path / "desk.vv"
    with viewer_file(path, {"type": "spice"}):
        assert path.read_text() == "[virt-viewer]\ntype=spice\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


def test_a_file_is_removed_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "desk.vv"
    with pytest.raises(ZeroDivisionError), viewer_file(path, {}):
        raise ZeroDivisionError
    assert not path.exists()


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "desk.vv"
    path.write_text("mine")
    with pytest.raises(CommandError, match="there already"), viewer_file(path, {}):
        pytest.fail("not reached")
    assert path.read_text() == "mine"
    link = tmp_path / "link.vv"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CommandError, match="there already"), viewer_file(link, {}):
        pytest.fail("not reached")
    assert not (tmp_path / "elsewhere").exists()


def test_what_has_taken_its_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "desk.vv"
    other = tmp_path / "other"
    other.write_text("another one")
    with viewer_file(path, {}):
        other.rename(path)
    assert path.read_text() == "another one"
    with viewer_file(tmp_path / "gone.vv", {}):
        (tmp_path / "gone.vv").unlink()


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"), viewer_file(tmp_path / "no" / "desk.vv", {}):
        pytest.fail("not reached")
