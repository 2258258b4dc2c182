"""The documentation names what is there, and nothing else."""

from __future__ import annotations

import ast
import csv
import re
from functools import cache
from pathlib import Path

import pytest

from spicetrio.cli import main

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

RANGES = {"L": 58, "F": 27, "S": 19, "M": 6, "D": 6, "C": 7, "I": 9, "A": 9, "R": 3, "SC": 5, "V": 9, "CD": 6, "SD": 9}
RANGES |= {"G": 15, "IC": 32, "DT": 26, "X": 7, "AG": 19}
STATES = {"done", "partly", "not yet", "no need"}


def coverage() -> list[dict[str, str]]:
    with (DOCS / "coverage.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def names_in(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = {node.name for node in tree.body if isinstance(node, functions)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, functions)}
    return frozenset(name for name in names if name.rpartition("::")[2].startswith("test_"))


def test_the_map_names_every_module_and_no_other() -> None:
    modules = {module_name(file) for file in (ROOT / "spicetrio").rglob("*.py")}
    text = (DOCS / "map.rst").read_text()
    named = set(re.findall(r"\* - ``(spicetrio[.\w]*)``", text))
    assert named == modules


def test_every_requirement_has_a_line() -> None:
    expected = [f"{letter}-{number}" for letter, last in RANGES.items() for number in range(1, last + 1)]
    ids = [row["id"] for row in coverage()]
    assert ids[: len(expected)] == expected
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("row", coverage(), ids=lambda row: row["id"])
def test_a_line_of_the_coverage_table_names_what_is_there(row: dict[str, str]) -> None:
    assert row["what"]
    assert row["state"] in STATES
    for name in row["where"].split():
        path = ROOT / "spicetrio" / Path(*name.split("."))
        assert path.with_suffix(".py").is_file() or path.is_dir(), name
    for test in row["tests"].split():
        file, _, name = test.partition("::")
        assert name in names_in(ROOT / "tests" / file), test
    assert row["state"] not in ("done", "partly") or (row["where"] and row["tests"])
    assert row["state"] != "not yet" or not row["tests"]


@pytest.mark.parametrize("command", ["demo", "x11"])
def test_every_option_is_described(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    options = set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", capsys.readouterr().out, re.MULTILINE))
    assert len(options) > 10
    described = set(re.findall(r"``(--[\w-]+)", (DOCS / "commands.rst").read_text()))
    assert options <= described
