"""Small inputs from the field, each of which once went wrong; see `worlds` for what a case says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.field_cases.worlds import KINDS

CASES = sorted(path.parent for path in (Path(__file__).parent / "cases").glob("*/case.json"))


def case_of(home: Path) -> dict[str, Any]:
    return json.loads((home / "case.json").read_text(encoding="utf-8"))


def parameter(home: Path) -> Any:
    """Whole commands train, so they are not for every save."""
    marks = [pytest.mark.slow] if case_of(home)["kind"] == "command" else []
    return pytest.param(home, id=home.name, marks=marks)


def test_all_cases_are_here() -> None:
    assert len(CASES) >= 41


@pytest.mark.parametrize("home", [parameter(home) for home in CASES])
def test_case(home: Path, tmp_path: Path) -> None:
    case = case_of(home)
    assert not KINDS[case["kind"]](case, home, tmp_path)
