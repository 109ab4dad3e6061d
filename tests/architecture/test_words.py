"""Phrases that readers stumbled over stay out of documents, pages, messages and docstrings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGES, ROOT, files, name, tree

INSTEAD = {
    r"\bmend(s|ed|ing)?\b": "correct, repair",
    r"\bgoes by\b": "uses, applies",
    r"\b(it|they|that|which) is none\b|['}] is none\b": "is not one",
    r"(?<!here )\bis no (plain|regular|valid|number|image|picture|file|table|text|place|object)\b": "is not a ...",
    r", for PapLoop [a-z]": "a sentence of its own",
    r"; answers (the|its|their|whether|how|what|where|which)\b": "returns",
    r"\btold how (far|long)\b": "called with the progress",
    r"\b(what|What) (bites|became of)\b": "what happened to",
    r"\b(say|Say|says) `(paploop|make|pip)\b": "run",
    r"\b(un)?labell(ed|ing)\b": "labeled",
    r"\bsub-folders?\b": "subfolder",
    r"\bfor ever\b": "forever",
    r"\b(colours?|coloured|neighbours?|neighbouring|behaviour)\b": "American spelling",
}
WRITTEN = ("README.md", "docs/*.md", "annotation_configs/*.md", "annotation_configs/*.xml")
PAGES = "ml_backend/web/dashboard/templates/*.html"


def prose(text: str) -> str:
    """The text without code and without names: those of parameters, in code marks, and in templates."""
    return re.sub(r"(?s)```.*?```|`[^`\n]*`|\{\{.*?\}\}|(?m:^ +\w+(?=: ))", "`code`", text)


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring and of each string that holds more than one word."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield node.lineno, node.value


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """Where each text that somebody reads stands, and the text."""
    found = [
        (name(path), path.read_text(encoding="utf-8"))
        for pattern in (*WRITTEN, PAGES)
        for path in sorted(ROOT.glob(pattern))
    ]
    for path in files(*PACKAGES):
        found += [(f"{name(path)}:{line}", text) for line, text in literals(path)]
    return tuple(found)


def test_there_is_something_to_read() -> None:
    places = [place for place, _ in texts()]
    assert "README.md" in places
    assert any(place.endswith("project.html") for place in places)
    assert any(place.startswith("ml_backend/errors.py:") for place in places)


@pytest.mark.parametrize("phrase", INSTEAD)
def test_words(phrase: str) -> None:
    odd = re.compile(phrase)
    assert [place for place, text in texts() if odd.search(text if "`(" in phrase else prose(text))] == [], (
        f"write instead: {INSTEAD[phrase]}"
    )


@pytest.mark.parametrize(
    "text",
    [
        "The file system refused; mend it and start the run again.",
        "'x' is none",
        "PAPLOOP_MEDIA_SECRET is empty; set it, for PapLoop refuses calls without it.",
        "is no plain image",
        "The next ranking goes by it.",
        "told how far it is",
        "Remove rows; answers how many.",
        "say `paploop ingest` first",
    ],
)
def test_each_phrase_is_found(text: str) -> None:
    assert any(re.search(phrase, text) for phrase in INSTEAD)
