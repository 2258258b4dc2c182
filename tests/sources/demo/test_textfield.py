from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from spicetrio.sources.demo.textfield import LIMIT, TextField

ACTIONS = ("backspace", "delete", "left", "right", "up", "down", "home", "end", "clear")


def field(text: str = "", width: int = 10) -> TextField:
    made = TextField(len, width)
    made.insert(text)
    return made


def shown(made: TextField) -> list[str]:
    return [made.text[line.start : line.end] for line in made.lines()]


def test_lines_break_at_spaces() -> None:
    assert shown(field("one two three four")) == ["one two ", "three four"]
    assert shown(field("one two three\nfour")) == ["one two ", "three", "four"]
    assert shown(field("abcdefghijklmno")) == ["abcdefghij", "klmno"]
    assert shown(field("")) == [""]
    assert shown(field("a\n")) == ["a", ""]


def test_editing() -> None:
    made = field("hallo")
    for action in ("left", "left", "left", "backspace"):
        made.act(action)
    made.insert("e")
    assert (made.text, made.caret) == ("hello", 2)
    made.act("delete")
    assert made.text == "helo"
    made.act("home")
    made.act("backspace")
    made.act("left")
    assert (made.text, made.caret) == ("helo", 0)
    made.act("end")
    made.act("right")
    made.act("delete")
    assert (made.text, made.caret) == ("helo", 4)
    made.act("clear")
    assert (made.text, made.caret) == ("", 0)


def test_up_and_down_remember_where_they_came_from() -> None:
    made = field("abcdef\nab\nabcdef")
    made.act("up")
    assert made.caret == 9
    made.act("up")
    assert made.caret == 6
    made.act("up")
    assert made.caret == 6
    made.act("down")
    made.act("down")
    assert made.caret == 16


def test_the_caret_is_put_where_somebody_points() -> None:
    made = field("abcdef\nab\nabcdef")
    made.place(1, 5)
    assert made.caret == 9
    made.place(0, 2.2)
    assert made.caret == 2
    made.place(99, -4)
    assert made.caret == 10


def test_the_text_is_bounded() -> None:
    made = field("x" * LIMIT)
    made.insert("yz")
    assert len(made.text) == LIMIT == made.caret
    assert made.text.endswith("xyz")


@given(st.lists(st.sampled_from(ACTIONS) | st.text("ab \n", max_size=14), max_size=40))
def test_whatever_is_typed_the_lines_hold_it_and_the_caret(steps: list[str]) -> None:
    made = field()
    for step in steps:
        if step in ACTIONS:
            made.act(step)
        else:
            made.insert(step)
        lines = made.lines()
        assert 0 <= made.caret <= len(made.text)
        assert 0 <= made.row_of_caret(lines) < len(lines)
        assert lines[0].start == 0
        assert lines[-1].end == len(made.text)
        for line, following in pairwise(lines):
            assert made.text[line.end : following.start] in ("", "\n")
        for line in shown(made):
            assert len(line.rstrip(" ")) <= 10
