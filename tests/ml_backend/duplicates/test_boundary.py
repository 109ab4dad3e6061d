"""From pairs near the boundary and a person's answers to a threshold: folder, project, command."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ml_backend import settings as settings_module
from ml_backend.cli import build_app
from ml_backend.duplicates.boundary import ScoredPair, pairs_of_folder, threshold_from, to_ask
from ml_backend.errors import BadRequest
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.records import NewItem
from ml_backend.state.store import Store
from ml_backend.state.vectors import Vectors
from tests.fakes.progress import quiet
from tests.strategies.near_duplicates.specimens import specimen, turned

COUNT = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs 0a 0b ... 9a 9b: the second is a turned copy seen through another specimen, less and less so."""
    made = tmp_path_factory.mktemp("boundary")
    for number in range(COUNT):
        image, other = specimen(number), specimen(100 + number)
        part = 0.3 + 0.07 * number
        mixed = np.clip(part * turned(image, 20.0 * number) + (1 - part) * other, 0, 255).astype(np.uint8)
        Image.fromarray(image).save(made / f"{number}a.png")
        Image.fromarray(mixed).save(made / f"{number}b.png")
    return made


@pytest.fixture(scope="module")
def pairs(folder: Path) -> list[ScoredPair]:
    return pairs_of_folder(folder, quiet)


@pytest.fixture
def project(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Project 7 with the folder's images; `0a` and `0b` are neighbours in the embedding, and so on."""
    root = tmp_path / "state"
    monkeypatch.setenv("PAPLOOP_DATA_DIR", str(root))
    settings_module.load_settings.cache_clear()
    files = DataDir(root)
    store = Store.open(Settings.model_validate({"data_dir": root}).resolved_database_url)
    store.projects.upsert(7, "cells", "<View/>", 0.0)
    images = sorted(folder.glob("*.png"))
    new = [NewItem(source=str(path), data={"root": str(folder), "name": path.name}) for path in images]
    ids = store.items.add(7, new, 0.0)
    table = np.repeat(np.eye(COUNT, dtype=np.float32), 2, axis=0)
    first = Vectors(files.vectors_dir("lines"), COUNT).append(table)
    rows = [{"id": i, "state": "ready", "encoder": "lines", "vector_row": first + n} for n, i in enumerate(ids)]
    store.items.update(rows)
    store.close()
    return root


def run(*words: str, answers: str = "") -> str:
    result = CliRunner().invoke(build_app(), ["calibrate-duplicates", *words], input=answers)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return str(result.stdout)


@pytest.mark.slow
def test_pairs_of_a_folder_are_the_planted_ones_and_rise_with_their_likeness(pairs: list[ScoredPair]) -> None:
    assert {(pair.first[0], pair.first[1:], pair.second[1:]) for pair in pairs} <= {
        (str(number), "a.png", "b.png") for number in range(COUNT)
    }
    assert len(pairs) >= 8
    shares = {int(pair.first[0]): pair.share for pair in pairs}
    assert shares[9] > 0.95 > min(shares.values())


@pytest.mark.slow
def test_the_threshold_lies_where_the_answers_change(pairs: list[ScoredPair]) -> None:
    asked = to_ask(pairs, 0.7, 30, 0)
    assert [pair.share for pair in asked] == sorted(pair.share for pair in asked)
    middle = asked[len(asked) // 2].share
    found = threshold_from(pairs, {(p.first, p.second): p.share >= middle for p in asked}, 0.9, 0)
    assert asked[0].share < found.threshold <= 1.0
    assert found.precision_interval[0] <= found.precision <= found.precision_interval[1]
    with pytest.raises(BadRequest, match="not a candidate pair"):
        threshold_from(pairs, {("x", "y"): True}, 0.9, 0)
    with pytest.raises(BadRequest, match="no difference here"):
        to_ask([], 0.7, 30, 0)


@pytest.mark.slow
def test_the_command_for_scripts(folder: Path, pairs: list[ScoredPair], tmp_path: Path) -> None:
    file, page = tmp_path / "answers.csv", tmp_path / "pairs.html"
    assert "Wrote" in run(str(folder), "--answers", str(file), "--html", str(page))
    assert page.read_text().count("data:image/jpeg") == 2 * len(pairs)
    with file.open() as rows:
        listed = list(csv.DictReader(rows))
    middle = float(listed[len(listed) // 2]["share"])
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, listed[0])
        writer.writeheader()
        writer.writerows([{**row, "same": "yes" if float(row["share"]) >= middle else "no"} for row in listed])
    found = json.loads(run(str(folder), "--answers", str(file), "--json"))
    assert (found["answers"], found["pairs"], found["applied"]) == (len(pairs), len(pairs), False)
    assert len(found["precision_interval"]) == len(found["recall_interval"]) == 2
    with pytest.raises(BadRequest, match="project id"):
        run(str(folder), "--apply")


@pytest.mark.slow
def test_the_command_for_people_stores_the_setting_of_a_project(project: Path) -> None:
    shown = json.loads(run("7", "--json"))
    assert len(shown) >= 8
    half = len(shown) // 2
    said = run("7", "--apply", answers="n\n" * half + "maybe\n" + "y\n" * (len(shown) - half))
    assert "Stored" in said
    store = Store.open(Settings.model_validate({"data_dir": project}).resolved_database_url)
    assert store.projects.settings(7).duplicate_share != 0.7
    store.close()
    settings_module.load_settings.cache_clear()
