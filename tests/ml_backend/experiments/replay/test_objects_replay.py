"""Replaying detection on generated pictures, and its command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ml_backend.errors import BadRequest
from ml_backend.experiments.replay.objects import ObjectReplay, meant, replay_objects
from ml_backend.experiments.replay.objects_choice import Chooser
from ml_backend.experiments.replay.objects_material import Material, read_material
from ml_backend.experiments.replay.objects_meter import Meter
from ml_backend.experiments.replay.objects_plot import plot
from ml_backend.experiments.replay.objects_report import report
from ml_backend.experiments.replay.objects_rounds import Round, Rounds
from ml_backend.experiments.replay.objects_terms import Terms, checked, facts
from strategies.base import StrategyError
from tests.fakes.kills import Killed
from tests.fakes.progress import silent
from tests.ml_backend.experiments.replay.application import application
from tests.training.detection.blobs import make_folder
from training.data.detection_set import no_boxes
from training.detection.recipe import Recipe
from training.evaluation.matching import Matches
from training.types import TrainingError

RECIPE = Recipe(checks=0, batch=1, rate=2e-3, zoom=1.0, device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("pool") / "blobs", 14, size=(64, 64), masks=False)


@pytest.fixture(scope="module")
def material(folder: Path) -> Material:
    return read_material(folder, None, 0.3, "", silent)


def terms(**changes: Any) -> Terms:
    return replace(Terms(("box_disagreement",), 1, (2, 4), steps=2, recipe=RECIPE), **changes)


def play(material: Material, asked: Terms, root: Path) -> tuple[ObjectReplay, list[str]]:
    said: list[str] = []
    asked = checked(material, asked)
    return replay_objects(material, asked, Rounds(root, facts(material, asked)), silent, said.append), said


@pytest.fixture(scope="module")
def played(material: Material, tmp_path_factory: pytest.TempPathFactory) -> tuple[ObjectReplay, list[str]]:
    return play(material, terms(), tmp_path_factory.mktemp("whole"))


@pytest.mark.slow
def test_all_strategies_of_a_seed_share_the_first_detector(
    material: Material, played: tuple[ObjectReplay, list[str]]
) -> None:
    done, said = played
    assert list(done.curves) == ["uniform", "box_disagreement"]
    assert len({(chains[0][0].images, chains[0][0].ap50) for chains in done.curves.values()}) == 1
    sizes = [len(image.boxes) for image in material.pool.images]
    for chains in done.curves.values():
        before, after = chains[0]
        assert after.images[: len(before.images)] == before.images
        assert [len(set(each.images)) for each in chains[0]] == [2, 4]
        assert all(each.objects == sum(sizes[image] for image in each.images) for each in chains[0])
    assert done.full.objects == sum(sizes)
    # The start, one round of two strategies, and the whole pool.
    assert len(said) == 4


@pytest.mark.slow
def test_a_killed_replay_goes_on_and_ends_alike(
    material: Material, played: tuple[ObjectReplay, list[str]], tmp_path: Path
) -> None:
    def end(text: str) -> None:
        if "uniform, 4 images" in text:
            raise Killed

    asked = checked(material, terms())
    with pytest.raises(Killed):
        replay_objects(material, asked, Rounds(tmp_path, facts(material, asked)), silent, end)
    again, said = play(material, terms(), tmp_path)
    # The whole pool, the start and the round of uniform had been played.
    assert [text.split(",")[1] for text in said] == [" box_disagreement"]
    for name, chains in played[0].curves.items():
        assert [each.images for each in chains[0]] == [each.images for each in again.curves[name][0]]
        measured = [each.ap50 for each in again.curves[name][0]]
        np.testing.assert_allclose([each.ap50 for each in chains[0]], measured, atol=1e-3)
    unused, told = play(material, terms(), tmp_path)
    assert told == []
    assert unused.full.ap50 == again.full.ap50
    # Of the detectors only the first one is kept: further strategies go on from it.
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["0-start-0-detector"]


def test_rounds_of_other_terms_are_not_mixed(material: Material, tmp_path: Path) -> None:
    asked = checked(material, terms())
    Rounds(tmp_path, facts(material, asked))
    with pytest.raises(BadRequest, match="different budgets, steps_given"):
        Rounds(tmp_path, facts(material, checked(material, terms(budgets=(3, 4), steps=9))))


@pytest.mark.slow
def test_minutes_become_the_same_number_of_steps_for_all(material: Material, tmp_path: Path) -> None:
    done, _ = play(material, terms(names=("uniform",), budgets=(2,), steps=None, minutes=1e-4), tmp_path)
    assert done.steps == 1
    assert json.loads((tmp_path / "replay.json").read_text())["steps"] == 1


def test_terms_that_cannot_be_played(material: Material) -> None:
    with pytest.raises(StrategyError, match="no strategy named 'best'"):
        checked(material, terms(names=("best",)))
    with pytest.raises(BadRequest, match="compares outlines"):
        checked(material, terms(names=("mask_disagreement",)))
    with pytest.raises(BadRequest, match="the lead's choice"):
        checked(material, terms(names=("class_balance",)))
    with pytest.raises(BadRequest, match="No budget fits"):
        checked(material, terms(budgets=(5000,)))
    with pytest.raises(BadRequest, match="at least one seed"):
        checked(material, terms(seeds=0))


def test_material_that_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="Every image of the pool is also a test image"):
        read_material(folder, folder, 0.3, "", silent)
    one = make_folder(tmp_path / "one", 1, size=(64, 64), masks=False)
    with pytest.raises(BadRequest, match="usable images; there are 1"):
        read_material(one, None, 0.3, "", silent)
    bare = make_folder(tmp_path / "bare", 4, size=(64, 64), masks=False)
    content = json.loads((bare / "annotations.json").read_text())
    (bare / "annotations.json").write_text(json.dumps(content | {"annotations": []}))
    with pytest.raises(BadRequest, match="labeled object"):
        read_material(bare, None, 0.3, "", silent)


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "some", 6, size=(64, 64), masks=False)
    whole = (root / "images" / "blob_0000.png").read_bytes()
    (root / "images" / "blob_0000.png").write_bytes(whole[: len(whole) // 2])
    (root / "images" / "blob_0020.png").unlink()
    found = read_material(root, None, 0.3, "", silent)
    assert len(found.pool.images) + len(found.test.images) == 4
    assert len(found.problems) == 2


@pytest.mark.slow
def test_the_first_images_need_an_object(material: Material, tmp_path: Path) -> None:
    drawn = Chooser(material.pool, RECIPE, "").next("uniform", (), (), 1, np.random.default_rng([0, 0]))[0]
    images = list(material.pool.images)
    images[drawn] = replace(images[drawn], boxes=no_boxes(), classes=np.zeros(0, np.int64))
    empty = Material(replace(material.pool, images=tuple(images)), material.test)
    with pytest.raises(BadRequest, match="The first 1 images of seed 1 contain no object"):
        play(empty, terms(budgets=(1, 2)), tmp_path)


def test_auto_is_what_the_loop_would_take() -> None:
    weak, able = (made((3,), {"uniform": [[(9, share)]]}, 1.0).curves["uniform"][0][0] for share in (0.05, 0.5))
    assert [meant("auto", before, 3) for before in (None, weak, able)] == ["max_herding", "max_herding", "class_quota"]
    assert (meant("auto", able, 1), meant("ppal", weak, 3)) == ("ppal", "ppal")


def test_the_time_left() -> None:
    moments = iter([0.0, 30.0, 60.0])
    meter = Meter(100, lambda share, text: shown.append((share, text)), lambda: next(moments))
    shown: list[tuple[float, str]] = []
    assert meter.left() == ""
    meter.passed(40, found=True)
    meter.passed(20, once="a")
    meter.passed(20, once="a")
    # Twenty steps of the sixty were played in 30 s; forty are left.
    assert meter.left() == "1 min left,"
    meter.show("seed 1", 20)
    assert shown == [(0.8, "30 s left, seed 1")]


def made(budgets: tuple[int, ...], curves: dict[str, list[list[tuple[int, float]]]], full: float) -> ObjectReplay:
    """Rounds whose AP50 is `share` of a hundred objects of one class found, none wrong."""

    def one(images: int, objects: int, share: float) -> Round:
        hits = round(100 * share)
        matches = Matches(
            np.arange(hits), np.zeros(hits, np.int64), np.ones(hits, np.float32), np.ones(hits, bool), TRUTH
        )
        return Round(tuple(range(images)), objects, matches.ap50(), 0.0, {"cell": matches.ap50()}, matches, 1.0)

    chains = {
        name: tuple(tuple(one(b, *point) for b, point in zip(budgets, seed, strict=True)) for seed in seeds)
        for name, seeds in curves.items()
    }
    return ObjectReplay(("cell",), budgets, chains, one(50, 500, full), 10)


TRUTH = np.ones((100, 1), dtype=np.int64)


def test_savings_are_counted_in_images_and_in_objects(tmp_path: Path) -> None:
    random = [[(50, 0.5), (100, 0.7), (200, 0.9)]] * 3
    crowded = [[(50, 0.5), (200, 0.9), (400, 0.95)]] * 2 + [[(40, 0.5), (150, 0.9), (390, 0.95)]]
    done = made((5, 10, 20), {"uniform": random, "crowded": crowded}, 1.0)
    answer = report(done).as_dict()
    found = answer["strategies"]["crowded"]
    assert answer["full"] == {"labels": 50, "objects": 500, "ap50": 1.0, "per_class": {"cell": 1.0}}
    assert found["labels"] == [5, 10, 20]
    assert found["objects"] == [46.7, 183.3, 396.7]
    assert answer["strategies"]["uniform"]["needed"]["0.9"] == {
        "images": pytest.approx(20, abs=0.1),
        "objects": pytest.approx(200, abs=1),
    }
    assert found["needed"]["0.9"] == {"images": pytest.approx(10, abs=0.1), "objects": pytest.approx(183, abs=1)}
    assert found["needed"]["1.0"] == {"images": None, "objects": None}
    saved = found["saved_vs_uniform"]
    assert saved["at"] == 0.9
    assert saved["percent"] == pytest.approx(50, abs=1)
    assert saved["low"] <= saved["percent"] <= saved["high"]
    assert saved["objects"]["percent"] == pytest.approx(8, abs=1)
    assert found["gain_vs_uniform"]["images"]["low"] > 0
    assert "took random 200 objects on 20 images" in answer["verdict"]
    assert "crowded 183 objects on 10 images: not clearly different from random" in answer["verdict"]
    json.dumps(answer, allow_nan=False)
    plot(done, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000
    with pytest.raises(BadRequest, match="figure cannot be written"):
        plot(done, tmp_path / "missing" / "curves.png")


def test_the_verdict_tells_better_from_worse_and_says_when_nothing_can_be_saved() -> None:
    random = [[(50, 0.3), (100, 0.5), (200, 0.7)]] * 2
    good, bad = [[(50, 0.3), (80, 0.95), (90, 1.0)]] * 2, [[(50, 0.3), (300, 0.5), (600, 0.9)]] * 2
    answer = report(made((5, 10, 20), {"uniform": random, "bad": bad, "good": good}, 0.9)).as_dict()
    assert "took random more than was replayed" in answer["verdict"]
    assert "fewer objects than random" in answer["verdict"].split("; ")[1]
    assert "more objects than random" in answer["verdict"].split("; ")[2]
    assert "Use --seeds 3" in answer["verdict"]
    easy = report(made((5, 10, 20), {"uniform": good, "bad": bad}, 0.3)).as_dict()
    assert "nothing can be saved" in easy["verdict"]
    alone = report(made((5, 10, 20), {"uniform": good}, 1.0)).as_dict()
    assert "Only random" in alone["verdict"]


@pytest.mark.slow
def test_the_command_finds_out_what_the_folder_holds(folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "curves.png"
    arguments = [str(folder), "--strategies", "class_quota", "--seeds", "1", "--budgets", "2,3", "--steps", "2"]
    arguments += ["--zoom", "1", "--work", str(tmp_path / "work"), "--plot", str(picture)]
    result = CliRunner().invoke(application(), [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert answer["kind"] == "objects"
    assert list(answer["strategies"]) == ["uniform", "class_quota"]
    assert {"labels", "objects", "ap50", "sd", "area", "saved_vs_uniform"} <= set(answer["strategies"]["uniform"])
    assert answer["data"]["pool_images"] + answer["data"]["test_images"] == 14
    assert "class_quota, 3 images" in result.stderr
    assert picture.stat().st_size > 1000
    table = CliRunner().invoke(application(), arguments, catch_exceptions=False)
    assert "objects saved" in table.stdout


def test_the_command_answers_bad_folders_in_words(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(TrainingError, match=r"has no annotations\.json"):
        CliRunner().invoke(application(), [str(tmp_path)], catch_exceptions=False)
    with pytest.raises(TrainingError, match="There is no folder"):
        CliRunner().invoke(application(), [str(tmp_path / "none")], catch_exceptions=False)
