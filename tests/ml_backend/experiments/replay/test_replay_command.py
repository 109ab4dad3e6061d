"""`paploop replay` on a generated folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ml_backend.errors import BadRequest
from tests.ml_backend.experiments.replay.application import application


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cells")
    rng = np.random.default_rng(0)
    for number in range(24):
        name = ("dark", "light")[number % 2]
        (root / name).mkdir(exist_ok=True)
        shade = 60 + 110 * (number % 2)
        pixels = np.clip(shade + 20 * rng.standard_normal((40, 40, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / name / f"slide{number // 4}-{number}.png")
    return root


@pytest.mark.slow
def test_it_answers_in_json_and_draws(folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "curves.png"
    arguments = [str(folder), "--strategies", "auto", "--seeds", "2", "--budgets", "4,8", "--json"]
    arguments += ["--group-pattern", "^(?P<group>[^-]+)-", "--plot", str(picture)]
    result = CliRunner().invoke(application(), arguments, catch_exceptions=False)
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert list(answer) == ["full", "strategies", "verdict"]
    assert list(answer["strategies"]) == ["uniform", "auto"]
    assert answer["strategies"]["auto"]["labels"] == [4, 8]
    assert picture.stat().st_size > 1000


@pytest.mark.slow
def test_it_answers_in_a_table_for_a_test_folder(folder: Path) -> None:
    arguments = [str(folder), "--test", str(folder), "--strategies", "margin", "--seeds", "1", "--budgets", "4"]
    result = CliRunner().invoke(application(), arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "margin" in result.stdout
    assert "One or two seeds say little" in result.stdout


def test_budgets_must_be_numbers(folder: Path) -> None:
    with pytest.raises(BadRequest, match="whole numbers"):
        CliRunner().invoke(application(), [str(folder), "--budgets", "many"], catch_exceptions=False)
