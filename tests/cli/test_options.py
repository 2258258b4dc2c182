from __future__ import annotations

import argparse
import io
import re
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from spicetrio import CopyPaste, ImageCompression, Role, WanCompression, WhenFull
from spicetrio.cli import main
from spicetrio.cli.options import Serving, add_serving_options, make_ticket, read_serving_options
from spicetrio.cli.parser import Parser, size
from spicetrio.sources.qemu import Place


def read(*arguments: str) -> Serving:
    parser = Parser(prog="spicetrio test")
    add_serving_options(parser)
    return read_serving_options(parser.parse_args(arguments), parser)


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line that the arguments are refused with."""
    with pytest.raises(SystemExit) as caught:
        read(*arguments)
    assert caught.value.code == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.count("\n") == 1
    assert errors.startswith("spicetrio test: error: ")
    return errors.removeprefix("spicetrio test: error: ").strip()


def test_defaults() -> None:
    serving = read()
    settings = serving.settings
    assert (settings.hosts, settings.port, settings.unix) == (("127.0.0.1",), 5900, None)
    assert settings.image_compression == ImageCompression.AUTO_LZ
    assert settings.jpeg_wan_compression is WanCompression.AUTO
    assert settings.zlib_glz_wan_compression is WanCompression.AUTO
    assert settings.copy_paste is CopyPaste.BOTH
    assert settings.agent_file_xfer
    assert settings.agent_mouse
    assert settings.file_transfer_dir is None
    assert settings.name == "spicetrio test"
    assert serving.ticket_made
    assert serving.secret == settings.ticket
    assert serving.secret is not None
    assert serving.secret not in repr(serving)
    assert serving.vv is None
    assert serving.log_level == "info"


def test_tickets_are_typeable_and_never_the_same() -> None:
    tickets = {make_ticket() for _ in range(100)}
    assert len(tickets) == 100
    assert all(re.fullmatch(r"([a-km-np-z2-9]{4}-){2}[a-km-np-z2-9]{4}", ticket) for ticket in tickets)


def test_where_it_listens() -> None:
    settings = read("--addr", "127.0.0.1", "--addr", "::1", "--port", "0").settings
    assert (settings.hosts, settings.port) == (("127.0.0.1", "::1"), 0)
    assert read("--unix", "/tmp/s").settings.port is None
    settings = read("--unix", "/tmp/s", "--port", "0", "--addr", "::1").settings
    assert (settings.unix, settings.port, settings.hosts) == ("/tmp/s", 0, ("::1",))


@pytest.mark.parametrize(
    ("word", "value"), [("off", 1), ("auto_glz", 2), ("auto_lz", 3), ("quic", 4), ("glz", 5), ("lz", 6), ("lz4", 7)]
)
def test_image_compression(word: str, value: int) -> None:
    assert read("--image-compression", word).settings.image_compression == value


def test_sound() -> None:
    serving = read()
    assert (serving.settings.playback_compression, serving.playback, serving.record) == (True, True, True)
    serving = read("--playback-compression", "off", "--disable-playback", "--disable-record")
    assert (serving.settings.playback_compression, serving.playback, serving.record) == (False, False, False)
    assert read("--disable-record").playback


def test_a_ticket_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "ticket"
    path.write_bytes("gehéim \r\nsecond line\n".encode())
    serving = read("--password-file", str(path))
    assert serving.settings.ticket == serving.secret == "gehéim "
    assert not serving.ticket_made


def test_a_ticket_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"secret\n")))
    assert read("--password-file", "-").settings.ticket == "secret"


def test_no_ticket() -> None:
    serving = read("--disable-ticketing")
    assert serving.settings.ticket is None
    assert not serving.ticket_made
    read("--disable-ticketing", "--addr", "localhost", "--addr", "::1", "--addr", "127.9.9.9")
    assert read("--disable-ticketing", "--addr", "0.0.0.0", "--allow-anonymous").settings.allow_anonymous


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.1", "example.org", ""])
def test_an_open_house_has_to_be_asked_for(capsys: pytest.CaptureFixture[str], address: str) -> None:
    text = complaint(capsys, "--disable-ticketing", "--addr", address)
    assert "--allow-anonymous" in text
    assert "--disable-ticketing" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "65536"], "0 to 65535"),
        (["--port", "-1"], "--port"),
        (["--port", "http"], "0 to 65535"),
        (["--max-viewers", "0"], "1 or more"),
        (["--image-compression", "zip"], "choose off, auto_glz, auto_lz, quic, glz, lz, lz4"),
        (["--jpeg-wan-compression", "sometimes"], "--jpeg-wan-compression"),
        (["--zlib-glz-wan-compression", "1"], "--zlib-glz-wan-compression"),
        (["--log-level", "loud"], "--log-level"),
        (["--allow-anonymous"], "--disable-ticketing"),
        (["--disable-ticketing", "--password-file", "x"], "exclude"),
        (["--unix", "/tmp/s", "--addr", "::1"], "--port"),
        (["--unix", ""], "--unix"),
        (["--unix", "/" + "x" * 107], "107"),
        (["--unix", "@x", "--vv", "x.vv"], "abstract"),
        (["--password-file", "/nowhere/at/all"], "/nowhere/at/all: No such file"),
        (["--password-file", "/"], "directory"),
        (["--password-file", "/dev/null"], "empty"),
        (["--copy-paste", "in"], "--copy-paste"),
        (["--copy-paste", "both", "--disable-copy-paste"], "exclude"),
        (["--agent-mouse", "maybe"], "--agent-mouse"),
        (["--clipboard-limit", "0"], "--clipboard-limit"),
        (["--disable-tick"], "--disable-tick"),
        (["--tls-port", "5901"], "--tls-port"),
    ],
)
def test_what_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    assert words in complaint(capsys, *arguments)


def test_tickets_that_clients_cannot_send_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "ticket"
    for data, words in ((b"x" * 61, "60"), (b"\xff\xfe\n", "UTF-8"), (b"a\0b\n", "NUL")):
        path.write_bytes(data)
        assert words in complaint(capsys, "--password-file", str(path))


@pytest.mark.parametrize("text", ["", "1024", "1024x", "0x768", "1024x9000", "-1x5", "1024X768", "1e3x5"])
def test_sizes(text: str) -> None:
    assert size("8192x1") == (8192, 1)
    with pytest.raises(argparse.ArgumentTypeError):
        size(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "spicetrio: error: the following arguments are required: COMMAND"),
        (["show"], "invalid choice: 'show'"),
        (["demo", "--tls-port", "5901"], "spicetrio demo: error: unknown or not supported yet: --tls-port 5901"),
        (["demo", "--seamless-migration=off"], "--seamless-migration=off"),
        (["demo", "--file-transfer-dir", "/nowhere"], "/nowhere is no directory"),
        (["demo", "--file-transfer-dir", "a" * 300], "is no directory"),
        (["demo", "--clipboard-limit", "2048"], "--clipboard-limit is at most 2047 MiB"),
        (["x11", "--display", ":0", "--file-transfer-dir", "/", "--disable-agent-file-xfer"], "exclude"),
        (["demo", "--por", "1"], "unknown or not supported yet: --por 1"),
        (["demo", "extra"], "unknown or not supported yet: extra"),
        (["demo", "--size", "600x400"], "at least 640x480"),
        (["demo", "--size", "big"], "1024x768"),
        (["x11"], "--display :0, or start one with --start"),
        (["x11", "--display", ":0", "--start", "xterm"], "exclude"),
        (["x11", "--display", ":0", "--", "xterm"], "exclude"),
        (["x11", "--start", "xterm", "--", "xterm"], "one command"),
        (["x11", "--display", ":0", "--size", "800x600"], "--size"),
        (["x11", "--display", ":0", "--resize", "sometimes"], "--resize"),
        (["x11", "--display", ":0", "--copied-files-limit", "5"], "--copied-files-limit is for --share-dir only"),
        (["x11", "--display", ":0", "--share-dir", "--copied-files-limit", "0"], "no number of 1 or more"),
        (["demo", "--share-dir", "--copied-files-limit", "5"], "not supported yet: --copied-files-limit 5"),
        (["x11", "--start", "xterm 'a"], "no closing quotation"),
        (["qemu", "--qmp", "/a", "--dbus-address", "unix:path=/b"], "--qmp and --dbus-address exclude each other"),
        (["qemu", "--qmp", "/a", "--", "qemu"], "--qmp and a command to start exclude each other"),
        (["qemu", "--qmp", "/a", "--wait"], "on a bus"),
        (["qemu", "--bus-name", "org.qemu.a", "--", "qemu"], "on a bus"),
        (["qemu", "--dbus-p2p-fd", "x"], "expected its number"),
        (["qemu", "--dbus-p2p-fd", "987654"], "descriptor 987654 is no socket"),
        (["qemu", "--dbus-p2p-fd", "9" * 30], "is no socket"),
        (["qemu", "--start", "qemu", "--", "qemu"], "one command"),
        (["qemu", "--start", "qemu 'a"], "no closing quotation"),
        (["qemu", "--start", ""], "expected the command"),
        (["qemu", "--no-vt", "--vt-chardev", "org.qemu.console.serial.0"], "exclude"),
    ],
)
def test_commands_refuse_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.count("\n") == 1
    assert words in errors


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--display", ":7"], {"display": ":7", "start": None, "size": (1024, 768), "resize": False}),
        (["--display", ":7", "--resize", "always"], {"display": ":7", "resize": True}),
        (["--display", ":7", "--resize", "never"], {"display": ":7", "resize": False}),
        (
            ["--start", "xterm -e 'a b'"],
            {"display": None, "start": ["xterm", "-e", "a b"], "size": (1024, 768), "resize": True},
        ),
        (["--start", "xterm", "--resize", "never"], {"start": ["xterm"], "resize": False}),
        (["--display", ":7", "--share-dir"], {"copied_files_limit": 1 << 30}),
        (["--display", ":7", "--share-dir", "--copied-files-limit", "5"], {"copied_files_limit": 5 << 20}),
        (
            ["--size", "800x600", "--", "xterm", "-e", "--port"],
            {"start": ["xterm", "-e", "--port"], "size": (800, 600)},
        ),
        (["--start", ""], {"start": [], "display": None}),
        ([], {"display": ":9", "start": None}),
    ],
)
def test_what_x11_shows(monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: dict[str, object]) -> None:
    monkeypatch.setenv("DISPLAY", ":9")
    sources = []

    def run(prog: str, serving: Serving, source: object) -> int:
        assert prog == "spicetrio x11"
        sources.append(source)
        return 0

    monkeypatch.setattr("spicetrio.cli.x11.run", run)
    assert main(["x11", *arguments]) == 0
    (source,) = sources
    assert expected.items() <= source.keywords.items()


@pytest.mark.parametrize(
    ("arguments", "place", "start"),
    [
        ([], Place(), None),
        (["--qmp", "/a"], Place(qmp="/a"), None),
        (["--wait", "--bus-name", "org.qemu.a"], Place(bus_name="org.qemu.a", wait=True), None),
        (["--dbus-address", "unix:path=/b", "--wait"], Place(dbus_address="unix:path=/b", wait=True), None),
        (["--start", "qemu -m '1 G'"], Place(), ["qemu", "-m", "1 G"]),
        (["--port", "0", "--", "qemu", "--port"], Place(), ["qemu", "--port"]),
    ],
)
def test_what_qemu_shows(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], place: Place, start: list[str] | None
) -> None:
    sources = []

    def run(prog: str, serving: Serving, source: object) -> int:
        assert prog == "spicetrio qemu"
        sources.append(source)
        return 0

    monkeypatch.setattr("spicetrio.cli.qemu.run", run)
    assert main(["qemu", *arguments]) == 0
    (source,) = sources
    assert {"place": place, "start": start}.items() <= source.keywords.items()


def test_a_descriptor_that_qemu_is_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sources = []
    monkeypatch.setattr("spicetrio.cli.qemu.run", lambda prog, serving, source: sources.append(source) or 0)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert main(["qemu", "--dbus-p2p-fd", str(ours.fileno())]) == 0
        assert sources[0].keywords["place"] == Place(dbus_p2p_fd=ours.fileno())
    with (tmp_path / "file").open("wb") as file, pytest.raises(SystemExit):
        main(["qemu", "--dbus-p2p-fd", str(file.fileno())])


@pytest.mark.parametrize(
    ("arguments", "ports"),
    [([], None), (["--no-vt"], ()), (["--vt-chardev", "a.b", "--vt-chardev", "c.d"], ["a.b", "c.d"])],
)
def test_which_ports_of_a_machine_viewers_get(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], ports: object
) -> None:
    sources = []
    monkeypatch.setattr("spicetrio.cli.qemu.run", lambda prog, serving, source: sources.append(source) or 0)
    assert main(["qemu", *arguments]) == 0
    assert sources[0].keywords["ports"] == ports


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["x11", "--help"], ["qemu", "--help"]])
def test_help_reads_well(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "examples:" in text
    assert "%(" not in text
    assert max(len(line) for line in text.splitlines()) <= 100
    if len(arguments) > 1:
        options = "--addr --port --unix --password-file --disable-ticketing --image-compression --name --vv --log-level"
        assert all(option in text for option in options.split())


@pytest.mark.parametrize(
    ("arguments", "choice"),
    [
        (["--copy-paste", "both"], CopyPaste.BOTH),
        (["--copy-paste", "to-viewer"], CopyPaste.TO_VIEWER),
        (["--copy-paste", "from-viewer"], CopyPaste.FROM_VIEWER),
        (["--copy-paste", "off"], CopyPaste.OFF),
        (["--disable-copy-paste"], CopyPaste.OFF),
    ],
)
def test_in_which_directions_is_pasted(arguments: list[str], choice: CopyPaste) -> None:
    assert read(*arguments).settings.copy_paste is choice


def test_how_much_may_be_pasted() -> None:
    assert read().settings.clipboard_limit == 64 * 1024 * 1024
    assert read("--clipboard-limit", "3").settings.clipboard_limit == 3 * 1024 * 1024


def test_what_an_agent_may_do() -> None:
    assert not read("--disable-agent-file-xfer").settings.agent_file_xfer
    assert not read("--agent-mouse", "off").settings.agent_mouse


@pytest.mark.parametrize("command", [["demo"], ["x11", "--display", ":9"]])
def test_where_files_land(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str]) -> None:
    folders = []

    def run(prog: str, serving: Serving, source: object) -> int:
        folders.append(serving.settings.file_transfer_dir)
        return 0

    monkeypatch.setattr(f"spicetrio.cli.{command[0]}.run", run)
    assert main([*command, "--file-transfer-dir", str(tmp_path)]) == 0
    assert folders == [tmp_path]


def test_a_second_ticket_for_viewing_alone(tmp_path: Path) -> None:
    path = tmp_path / "viewing"
    path.write_text("look\n")
    serving = read("--view-password-file", str(path))
    assert serving.ticket_made
    assert serving.secret != "look"
    (viewing,) = serving.settings.tickets
    assert (viewing.password, viewing.role) == ("look", Role.VIEW)
    assert [ticket.role for ticket in serving.settings.all_tickets] == [Role.CONTROL, Role.VIEW]
    assert "look" not in repr(serving)


def test_both_tickets_from_standard_input_are_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"control\nlook\n")))
    settings = read("--view-password-file", "-", "--password-file", "-").settings
    assert [(ticket.password, ticket.role) for ticket in settings.all_tickets] == [
        ("control", Role.CONTROL),
        ("look", Role.VIEW),
    ]


def test_a_ticket_for_viewing_that_makes_no_sense(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, other = tmp_path / "ticket", tmp_path / "other"
    option = ("--view-password-file", str(path))
    assert complaint(capsys, *option) == f"cannot read --view-password-file {path}: No such file or directory"
    path.write_text("\n")
    assert complaint(capsys, *option).startswith(f"--view-password-file {path}: its first line is empty")
    path.write_bytes(b"\xff\n")
    assert complaint(capsys, *option) == f"--view-password-file {path} is not UTF-8"
    path.write_text("x" * 61)
    assert complaint(capsys, *option) == "the ticket has 61 bytes, expected 1 to 60"
    path.write_text("same")
    other.write_text("same")
    assert complaint(capsys, *option, "--password-file", str(other)).endswith("the same ticket as --password-file")
    assert "exclude each other" in complaint(capsys, *option, "--disable-ticketing")


@pytest.mark.parametrize(
    ("words", "choice"),
    [((), WhenFull.REFUSE), (("refuse",), WhenFull.REFUSE), (("take-over",), WhenFull.TAKE_OVER)],
)
def test_when_full(words: tuple[str, ...], choice: WhenFull) -> None:
    arguments = [word for value in words for word in ("--when-full", value)]
    settings = read("--max-viewers", "1", *arguments).settings
    assert (settings.max_viewers, settings.when_full) == (1, choice)


def test_when_full_is_one_of_two_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert "take-over" in complaint(capsys, "--when-full", "panic")
