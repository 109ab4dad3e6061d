"""Every code that an error can carry is in docs/api.md, and nothing else is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.architecture.source import ROOT, files, tree

TABLE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").partition("## Error codes")[2]
DOTTED = re.compile(r"[a-z_]+\.[a-z_]+")


def _given() -> Iterator[str]:
    """Codes in calls, as `code="..."`, and in the functions that answer what is no error of ours."""
    for path in files("ml_backend"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                yield str(node.value.value)
            if isinstance(node, ast.ClassDef):
                yield from _of_class(node)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("http."):
                yield from filter(DOTTED.fullmatch, [node.value])


def _of_class(node: ast.ClassDef) -> Iterator[str]:
    for line in node.body:
        target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
        value = getattr(line, "value", None)
        if isinstance(target, ast.Name) and target.id == "code" and isinstance(value, ast.Constant):
            yield str(value.value)


def test_the_table_lists_the_codes_that_errors_carry() -> None:
    documented = re.findall(r"^\| `([a-z_.]+)` \| \S", TABLE, re.M)
    carried = {*_given(), "unexpected"}
    assert len(carried) > 90
    assert sorted(documented) == sorted(carried)
    assert documented == sorted(documented)
