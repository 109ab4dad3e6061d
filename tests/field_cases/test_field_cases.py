"""Small inputs from the field, each of which once went wrong; see `worlds` for what a case says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.field_cases.worlds import KINDS

CASES = sorted(path.parent for path in (Path(__file__).parent / "cases").glob("*/case.json"))


def test_all_cases_are_here() -> None:
    assert len(CASES) >= 41


@pytest.mark.parametrize("home", CASES, ids=lambda home: home.name)
def test_case(home: Path, tmp_path: Path) -> None:
    case = json.loads((home / "case.json").read_text(encoding="utf-8"))
    assert not KINDS[case["kind"]](case, home, tmp_path)
