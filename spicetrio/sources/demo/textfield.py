"""A small text with a caret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

LIMIT: Final = 4000
"""Characters; what was typed first goes when there are more."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it is shown: a part of the text."""

    start: int
    end: int


class TextField:
    """A text, edited key by key, and how it breaks into lines.

    Args:
        measure: How wide a text is.
        width: How wide a line may be.
    """

    def __init__(self, measure: Callable[[str], float], width: float) -> None:
        self.text = ""
        self.caret = 0
        self._measure = measure
        self._width = width
        self._goal: float | None = None  # where the caret wants to be in a line while it goes up and down

    def insert(self, text: str) -> None:
        """Type a text."""
        self.text = self.text[: self.caret] + text + self.text[self.caret :]
        self.caret += len(text)
        surplus = max(len(self.text) - LIMIT, 0)
        self.text = self.text[surplus:]
        self.caret = max(self.caret - surplus, 0)
        self._goal = None

    def act(self, action: str) -> None:
        """Do what a key does that types nothing: backspace, delete, left, right, up, down, home, end or clear."""
        if action in ("up", "down"):
            self._climb(-1 if action == "up" else 1)
            return
        self._goal = None
        line = self.line_of_caret()
        match action:
            case "backspace" if self.caret:
                self.text = self.text[: self.caret - 1] + self.text[self.caret :]
                self.caret -= 1
            case "delete":
                self.text = self.text[: self.caret] + self.text[self.caret + 1 :]
            case "left":
                self.caret = max(self.caret - 1, 0)
            case "right":
                self.caret = min(self.caret + 1, len(self.text))
            case "home":
                self.caret = line.start
            case "end":
                self.caret = line.end
            case "clear":
                self.text, self.caret = "", 0

    def lines(self) -> list[Line]:
        """Break the text into lines, at spaces where there are some."""
        lines = []
        start = 0
        for paragraph in self.text.split("\n"):
            end = start + len(paragraph)
            while start < end:
                stop = self._fit(start, end)
                if stop == end:
                    break
                lines.append(Line(start, stop))
                start = stop
            lines.append(Line(start, end))
            start = end + 1
        return lines

    def line_of_caret(self) -> Line:
        """Return the line the caret is in."""
        lines = self.lines()
        return lines[self.row_of_caret(lines)]

    def row_of_caret(self, lines: list[Line]) -> int:
        """Return which line the caret is in."""
        return max(row for row, line in enumerate(lines) if line.start <= self.caret)

    def place(self, row: int, x: float) -> None:
        """Put the caret where somebody points to."""
        self._goal = None
        self._put(self.lines(), row, x)

    def _fit(self, start: int, end: int) -> int:
        """Return where the line that starts there has to end."""
        low, high = start + 1, end
        while low < high:  # the longest beginning that fits, one character at least
            middle = (low + high + 1) // 2
            if self._measure(self.text[start:middle]) <= self._width:
                low = middle
            else:
                high = middle - 1
        if low == end:
            return end
        space = self.text.rfind(" ", start, low + 1)
        return space + 1 if space > start else low

    def _climb(self, step: int) -> None:
        lines = self.lines()
        row = self.row_of_caret(lines)
        goal = self._measure(self.text[lines[row].start : self.caret]) if self._goal is None else self._goal
        if 0 <= row + step < len(lines):
            self._put(lines, row + step, goal)
        self._goal = goal

    def _put(self, lines: list[Line], row: int, x: float) -> None:
        row = min(max(row, 0), len(lines) - 1)
        line = lines[row]
        # The place behind the last character of a line that goes on is the beginning of the next one.
        last = line.end - 1 if row + 1 < len(lines) and lines[row + 1].start == line.end else line.end
        self.caret = min(
            range(line.start, last + 1), key=lambda place: abs(self._measure(self.text[line.start : place]) - x)
        )
