"""What the demo writes fits where it is written, whatever it is."""

from __future__ import annotations

import pytest

from spicetrio.sources.demo import theme


def test_a_text_is_cut_to_what_fits() -> None:
    assert theme.shorten("short", 13, 100) == "short"
    cut = theme.shorten("much too long for that", 13, 100)
    assert cut.endswith("…")
    assert "much too long for that".startswith(cut[:-1])
    assert theme.text_width(cut, 13) <= 100 < theme.text_width("much too long for that"[: len(cut)] + "…", 13)
    assert theme.shorten("nothing fits", 13, 1) == "…"


def test_however_long_a_text_is_it_is_measured_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = 0

    def text_width(text: str, size: int) -> float:
        nonlocal measured
        measured += 1
        return len(text)

    monkeypatch.setattr(theme, "text_width", text_width)
    assert theme.shorten("x" * 16_000, 13, 11) == "x" * 10 + "…"
    assert measured < 20
