"""A group pattern may not hold a process up, whoever wrote it."""

from __future__ import annotations

import pytest

from ml_backend.errors import BadRequest
from ml_backend.state.project_settings import ProjectSettings
from training.data.split import source_group
from training.types import TrainingError

ENDLESS = [r"^(a|a)*$", r"^(a|aa)+$"]
SLOW_ELSEWHERE = [r"^(a+)+$", r"(\w+\s?)*$", r"^(\d+)*_$", r"([a-zA-Z]+)*\Z"]
NAMES = ["a" * 400 + "!", "A0_" * 100, "patient " * 50, "0" * 300 + "x"]


@pytest.mark.parametrize("pattern", ENDLESS)
def test_a_pattern_that_would_search_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(BadRequest, match="takes too long"):
        ProjectSettings.parse({"group_pattern": pattern})


@pytest.mark.parametrize("pattern", SLOW_ELSEWHERE)
@pytest.mark.parametrize("name", NAMES)
def test_what_other_engines_never_end_on_is_answered(pattern: str, name: str) -> None:
    assert source_group(name, ProjectSettings.parse({"group_pattern": pattern}).group_pattern)


@pytest.mark.parametrize("pattern", [r"^([^_]+)_", r"^(?P<group>patient\d+)", r"(?<=slide)\d+", r"^(.+?)[-_]\d+\.\w+$"])
def test_patterns_of_every_day_are_taken(pattern: str) -> None:
    assert ProjectSettings.parse({"group_pattern": pattern}).group_pattern == pattern


def test_a_name_on_which_a_pattern_never_ends_is_a_sentence() -> None:
    with pytest.raises(TrainingError, match="takes too long on names such as"):
        source_group("q" * 200 + "!", r"^(q|q)*$")
