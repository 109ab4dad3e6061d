"""Label Studio's language has one place: the names of its fields stand below `ml_backend/label_studio/` alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.source import files, name, tree

HOME = "ml_backend/label_studio/"
REGIONS = {"from_name", "to_name", "original_width", "original_height", "image_rotation", "rle"}
TYPES = {"rectanglelabels", "polygonlabels", "ellipselabels", "brushlabels", "keypointlabels", "choices"}
BODIES = {"model_version", "completed_by", "parent_prediction", "was_cancelled", "lead_time"}
EXCEPTIONS = {
    "ml_backend/web/redaction.py": "the edge: says which fields of a webhook are stored at all, and drops the rest",
    "ml_backend/state/tables.py": "columns of the same names, which hold what was received",
    "ml_backend/state/migrations/versions/r0001_first_tables.py": "the first form of these columns",
    "ml_backend/intake/label_files/tables.py": "columns that Label Studio adds to every table, known by name",
    "training/data/json_of_others.py": "fields of other tools' files, one of them called alike",
}
"""Files that may name fields, and why."""


def _named(path: Path) -> set[str]:
    texts = {
        node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return texts & (REGIONS | TYPES | BODIES)


@pytest.mark.parametrize("path", files("ml_backend", "strategies", "training"), ids=name)
def test_fields_of_label_studio_are_named_in_its_place(path: Path) -> None:
    if not name(path).startswith(HOME) and name(path) not in EXCEPTIONS:
        assert not _named(path), f"{name(path)}: read or write it by a function below {HOME}"


@pytest.mark.parametrize("path", EXCEPTIONS)
def test_every_exception_is_needed(path: str) -> None:
    assert any(_named(found) for found in files("ml_backend", "training") if name(found) == path)
