"""The chapter on ownership names every race, and tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
CHAPTER = HERE.parents[1] / "docs" / "ownership.rst"
RACES = 22


def rows() -> list[list[str]]:
    """The cells of the table of races, row by row."""
    table = CHAPTER.read_text().partition("The races\n---------\n")[2]
    cells = [row.split("\n     - ") for row in table.split("\n   * - ")[2:]]
    return [[" ".join(cell.split()) for cell in row] for row in cells]


def test_every_race_has_a_row_with_an_answer() -> None:
    found = [row for row in rows() if row[0].startswith("RC-")]
    assert [row[0] for row in found] == [f"RC-{number}" for number in range(1, RACES + 1)]
    assert all(len(row) == 4 and all(row) for row in found)


def test_every_row_names_tests_that_are_there_or_says_why_not() -> None:
    tree = ast.parse((HERE / "test_races.py").read_text())
    there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    for number, _, _, tests in rows():
        names = re.findall(r"``(test_\w+)``", tests)
        assert names or tests.startswith("No test: "), number
        assert set(names) <= there, number
        prefix = f"test_rc_{int(number.removeprefix('RC-')):02}_" if number.startswith("RC-") else "test_"
        assert not names or any(name.startswith(prefix) for name in names), number


def test_every_race_that_is_played_is_in_the_table() -> None:
    tree = ast.parse((HERE / "test_races.py").read_text())
    played = {node.name for node in tree.body if getattr(node, "name", "").startswith("test_rc_")}
    assert played <= set(re.findall(r"``(test_\w+)``", CHAPTER.read_text()))


def test_what_the_tree_names_is_there() -> None:
    text = CHAPTER.read_text()
    tree = text[text.index("::\n\n   trio.run") : text.index("``kill -USR1``")]
    source = "\n".join(path.read_text() for path in (HERE.parents[1] / "spicetrio").rglob("*.py"))
    for name in re.findall(r"\b([A-Z]\w+|_\w+)\b", tree):
        assert re.search(rf"(class|def) {name}\b", source), name
