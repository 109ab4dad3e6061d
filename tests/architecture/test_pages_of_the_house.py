"""docs/architecture.md and CONTRIBUTING.md say where things are; these tests hold them to the tree."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.house import PAGE, drawn, layers
from tests.architecture.source import ROOT, tree

PAGES = (PAGE, ROOT / "CONTRIBUTING.md")
FILE = re.compile(r"`((?:ml_backend|strategies|training|tests|tools|annotation_configs|docs)/[\w/.-]+)`(?:: `(\w+)`)?")
"""A path in code marks, and the name of what is in it where one follows after a colon."""


def _named(page: Path) -> list[tuple[str, str]]:
    return FILE.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_place_that_is_named_is_there(page: Path) -> None:
    named = _named(page)
    assert len(named) > 10
    assert not [path for path, _ in named if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_function_and_class_that_is_named_stands_in_its_file(page: Path) -> None:
    missing = []
    for path, name in _named(page):
        if not name:
            continue
        names = {getattr(node, "name", "") for node in ast.walk(tree(ROOT / path))}
        names |= {node.id for node in ast.walk(tree(ROOT / path)) if isinstance(node, ast.Name)}
        if name not in names:
            missing.append(f"{path}: {name}")
    assert not missing


def test_the_tables_of_wings_are_those_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == drawn(page), "python -m tests.architecture.house draws them anew"
    for package in ("ml_backend", "training", "strategies"):
        for row in layers(package):
            assert all(re.search(rf"\| `{wing}(/|\.py)` \| \S", page) for wing in row), row


def test_recipes_are_short() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipes = re.findall(r"^### (Add .+?)\n(.*?)(?=^#|\Z)", text, re.M | re.S)
    assert [title for title, _ in recipes] == ["Add a strategy", "Add an encoder", "Add a command", "Add a kind"]
    assert all(len([line for line in body.splitlines() if line.strip()]) < 10 for _, body in recipes)
