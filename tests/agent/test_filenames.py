"""A file lands under a name that stays in its folder, and never takes the place of another."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicetrio.agent import filenames
from spicetrio.agent.filenames import FileDescription, claim, read_keyfile, safe_name
from spicetrio.wire.errors import RemoteProtocolError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[vdagent-file-xfer]\nname=a.txt\nsize=5\n", FileDescription("a.txt", 5)),
        ("# made by hand\n[other]\nname=b\n[vdagent-file-xfer]\nsize = 0\nname = c d \n", FileDescription("c d", 0)),
        ("[vdagent-file-xfer]\nname=\\sa\\tb\\nc\\\\d\\q\\\nsize=1", FileDescription(" a\tb\nc\\d\\q\\", 1)),
        ("[vdagent-file-xfer]\r\nname=a\u2028b\x0bc\r\nsize=2\r\n", FileDescription("a\u2028b\x0bc", 2)),
        ("[vdagent-file-xfer]\nsize=3\nname=" + "/" * 9999 + "a.txt", FileDescription("/" * 507 + "a.txt", 3)),
        ("[vdagent-file-xfer]\nname=größe=x\nsize=18446744073709551615", FileDescription("größe=x", 2**64 - 1)),
    ],
)
def test_what_a_viewer_says_of_a_file(text: str, expected: FileDescription) -> None:
    assert read_keyfile(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[vdagent-file-xfer]\nname=a\n",
        "[vdagent-file-xfer]\nsize=1\n",
        "name=a\nsize=1\n",
        "[vdagent-file-xfer]\nname=a\nsize=-1\n",
        "[vdagent-file-xfer]\nname=a\nsize=1e3\n",
        "[vdagent-file-xfer]\nname=a\nsize=²\n",
        "[vdagent-file-xfer]\nname=a\nsize=" + "9" * 21,
    ],
)
def test_what_tells_no_name_or_size_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match="got a file"):
        read_keyfile(text)


def test_a_refusal_is_no_longer_than_a_line() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read_keyfile("[vdagent-file-xfer]\nname=" + "a" * 9999 + "\nsize=" + "b" * 9999)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("letter.txt", "letter.txt"),
        ("../x", "x"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\me\\x.doc", "x.doc"),
        (".bashrc", "bashrc"),
        (" . .x ", "x"),
        ("a\nb\0c\x7fd\u202ee", "a_b_c_d_e"),
        ("größe 猫.png", "größe 猫.png"),
        ("x" * 300 + ".tar", "x" * 236 + ".tar"),
        ("猫" * 100 + ".png", "猫" * 78 + ".png"),
        ("a." + "b" * 300, "a." + "b" * 238),
    ],
)
def test_names_stay_in_the_folder(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize("name", ["", ".", "..", "...", "a/", "/", " ", "..\\", ". ."])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        safe_name(name)


@given(st.text(max_size=400))
def test_any_name_is_one_plain_component(name: str) -> None:
    try:
        safe = safe_name(name)
    except ValueError:
        return
    assert 0 < len(safe.encode(errors="surrogatepass")) <= filenames.MAX_NAME
    assert "/" not in safe
    assert not safe.startswith(".")
    assert safe.isprintable()


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").symlink_to("/nowhere")
    (tmp_path / "folder.d").mkdir()
    assert claim(tmp_path, "a.tar.gz").name == "a.tar.gz"
    assert claim(tmp_path, "a.tar.gz").name == "a.tar (1).gz"
    assert claim(tmp_path, "taken").name == "taken (1)"
    assert claim(tmp_path, "folder.d").name == "folder (1).d"
    monkeypatch.setattr(filenames, "MAX_NUMBER", 1)
    with pytest.raises(FileExistsError):
        claim(tmp_path, "a.tar.gz")
