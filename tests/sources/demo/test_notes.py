from __future__ import annotations

import numpy as np
import pytest

from spicetrio.sources.demo.notes import FREQUENCIES, MOST, PIECE, RATE, Notes
from tests.tone import measure


def play(notes: Notes) -> bytes:
    sound = b""
    while notes:
        piece = notes.mix()
        assert len(piece) == 4 * PIECE
        sound += piece
    return sound


@pytest.mark.parametrize("note", range(len(FREQUENCIES)))
def test_each_note_has_its_pitch_and_ends(note: int) -> None:
    notes = Notes()
    notes.strike(note)
    assert notes.sounding == {note}
    sound = play(notes)
    assert measure(sound).left == pytest.approx(FREQUENCIES[note], abs=3)
    assert 0.5 * RATE < len(sound) / 4 < RATE
    assert not notes.sounding


def test_notes_begin_and_end_without_a_click() -> None:
    notes = Notes()
    notes.strike(0)
    sound = np.frombuffer(play(notes), "<i2")[::2].astype(int)
    assert abs(sound[0]) < 50
    assert abs(sound[-1]) < 50
    assert np.abs(np.diff(sound)).max() < 1000


def test_many_notes_are_not_too_loud_and_the_oldest_end() -> None:
    notes = Notes()
    for note in (0, 1, 2, 3, 4, 5, 6, 7, 7, 7):
        notes.strike(note)
    assert notes.sounding == {5, 6, 7}
    for _ in range(MOST):
        notes.strike(7)
    sound = np.frombuffer(play(notes), "<i2").astype(int)
    assert 10_000 < np.abs(sound).max() < 32_768


def test_silence_when_nothing_is_struck() -> None:
    assert Notes().mix() == bytes(4 * PIECE)
