"""The options about devices, and the one line for those that make no sense."""

from __future__ import annotations

import pytest

from spicetrio.cli.devices import LONGEST_PATH, Devices, PortDevice

from .test_options import complaint, read


def test_without_options_there_are_none() -> None:
    assert read().devices == Devices((), None)


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("name=org.example.shell,exec=cat -n", PortDevice("org.example.shell", ("cat", "-n"))),
        ("name=a,exec=sh -c 'echo a,b; cat'", PortDevice("a", ("sh", "-c", "echo a,b; cat"))),
        ("name=a b=c,unix=/run/a,b", PortDevice("a b=c", unix="/run/a,b")),
        ("name=a,unix=@a", PortDevice("a", unix="@a")),
    ],
)
def test_ports(text: str, device: PortDevice) -> None:
    assert read("--port-device", text).devices.ports == (device,)


def test_several_ports() -> None:
    ports = read("--port-device", "name=a,exec=cat", "--port-device", "name=b,unix=b").devices.ports
    assert [port.name for port in ports] == ["a", "b"]


def test_a_shared_folder_is_offered_where_it_is_said() -> None:
    assert read("--share-dir").devices.webdav_port == 9843
    assert read("--share-dir", "--webdav-port", "0").devices.webdav_port == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--port-device", "cat"], "'cat' is none: write name=NAME,exec=COMMAND or name=NAME,unix=PATH"),
        (["--port-device", "name=a"], "'name=a' is none"),
        (["--port-device", "name=,exec=cat"], "is none"),
        (["--port-device", "name=a,exec="], "is none"),
        (["--port-device", "name=a,pty=x"], "is none"),
        (["--port-device", "exec=cat,name=a"], "is none"),
        (["--port-device", f"name={'€' * 100},exec=cat"], "is none"),
        (["--port-device", "name=\udcff,exec=cat"], "is none"),
        (
            [f"--port-device=name={number},exec=cat" for number in range(257)],
            "is given 257 times, expected at most 256",
        ),
        (["--port-device", "name=a,exec=  "], "there is no program '' to run"),
        (["--port-device", "name=a,exec=no-such-program -x"], "there is no program 'no-such-program' to run"),
        (["--port-device", "name=a,exec=cat 'b"], 'no closing quotation in "cat \'b"'),
        (["--port-device", f"name=a,unix={'x' * (LONGEST_PATH + 1)}"], "the path of a is longer than 107 bytes"),
        (["--port-device", "name=a,exec=cat", "--port-device", "name=a,unix=a"], "--port-device a is given twice"),
        (["--webdav-port", "80"], "--webdav-port is for --share-dir only"),
        (["--share-dir", "--webdav-port", "x"], "'x' is no port"),
        (
            ["--share-dir", "--port-device", "name=org.spice-space.webdav.0,unix=a"],
            "is what --share-dir opens: leave out one of them",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str) -> None:
    assert reason in complaint(capsys, *arguments)
