from __future__ import annotations

import math
from typing import Any

import pytest

from spicetrio.server.settings import Settings
from spicetrio.wire.enums import ImageCompression

OPEN = {"disable_ticketing": True}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "give a ticket, or disable_ticketing=True"),
        ({"ticket": "x", **OPEN}, "choose one"),
        ({"ticket": ""}, "0 bytes, expected 1 to 60"),
        ({"ticket": "x" * 61}, "61 bytes, expected 1 to 60"),
        ({"ticket": "é" * 31}, "62 bytes"),
        ({"ticket": "a\0b"}, "NUL"),
        ({"port": -1, **OPEN}, "port is -1"),
        ({"port": 65536, **OPEN}, "port is 65536"),
        ({"host": (), "port": 0, **OPEN}, "no host"),
        ({"max_viewers": 0, **OPEN}, "max_viewers is 0"),
        ({"max_half_open": 0, **OPEN}, "max_half_open is 0"),
        ({"max_half_open_per_peer": 0, **OPEN}, "max_half_open_per_peer is 0"),
        ({"ack_window": 0, **OPEN}, "ack_window is 0"),
        ({"clipboard_limit": 0, **OPEN}, "clipboard_limit is 0"),
        ({"clipboard_limit": 1 << 31, **OPEN}, "clipboard_limit is 2147483648"),
        ({"queue_limit": 65535, **OPEN}, "queue_limit is 65535"),
        ({"link_timeout": 0, **OPEN}, "link_timeout is 0"),
        ({"link_timeout": math.nan, **OPEN}, "link_timeout is nan"),
        ({"grace": 0, **OPEN}, "grace is 0"),
        ({"ping_interval": -1, **OPEN}, "ping_interval is -1"),
        ({"silence_timeout": 0, **OPEN}, "silence_timeout is 0"),
        ({"silence_timeout": 14, "ping_interval": 15, **OPEN}, "silence_timeout is 14"),
        ({"copy_paste": "off", **OPEN}, "copy_paste is 'off', expected one of CopyPaste.OFF, .*CopyPaste.BOTH"),
        ({"when_full": "refuse", **OPEN}, "when_full is 'refuse', expected one of WhenFull.REFUSE, WhenFull.TAKE_OVER"),
        ({"jpeg_wan_compression": "never", **OPEN}, "expected one of WanCompression.AUTO"),
        ({"zlib_glz_wan_compression": "auto", **OPEN}, "zlib_glz_wan_compression is 'auto'"),
        ({"image_compression": 1, **OPEN}, "image_compression is 1, expected one of"),
        ({"failure_delay": -0.1, **OPEN}, "failure_delay is -0.1"),
        ({"failure_delay": math.nan, **OPEN}, "failure_delay is nan"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Settings(**changes)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.0.2.1", "example.org", ("127.0.0.1", "::"), "127.1"])
def test_an_open_house_is_refused_unless_it_is_meant(host: str | tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"open to all.*ticket.*127\.0\.0\.1.*allow_anonymous"):
        Settings(host=host, port=0, **OPEN)
    Settings(host=host, port=0, allow_anonymous=True, **OPEN)
    Settings(host=host, port=0, ticket="x")
    Settings(host=host, unix="/tmp/spice", **OPEN)  # the host is not listened on


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost", ("127.0.0.1", "::1")])
def test_on_loopback_ticketing_may_be_off(host: str | tuple[str, ...]) -> None:
    Settings(host=host, port=0, **OPEN)


@pytest.mark.parametrize(
    "changes",
    [
        {"ticket": "x" * 60},
        {"ticket": "é" * 30},
        {"port": 65535, **OPEN},
        {"failure_delay": 0, **OPEN},
        {"link_timeout": math.inf, "silence_timeout": math.inf, **OPEN},
        {"silence_timeout": 15, "ping_interval": 15, **OPEN},
        *({"image_compression": compression, **OPEN} for compression in ImageCompression),
    ],
)
def test_the_edges_are_allowed(changes: dict[str, Any]) -> None:
    Settings(**changes)


def test_the_ticket_is_not_shown() -> None:
    assert "sesame" not in repr(Settings(ticket="sesame"))


def test_hosts_is_always_a_tuple() -> None:
    assert Settings(**OPEN).hosts == ("127.0.0.1",)
    assert Settings(host=["a", "b"], **OPEN).hosts == ("a", "b")


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Settings(**OPEN).port = 1  # type: ignore[misc]
