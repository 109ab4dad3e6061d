"""One learning curve: every model measured on the validation items of today."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.metrics import f1_score

from ml_backend.loop.kinds.classes.judge import answers, held_out
from ml_backend.loop.steps.judge import judge
from ml_backend.reports.run_summary import run_summary
from ml_backend.reports.validation_score import comparison
from ml_backend.runs import request_run
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.records import RunRow
from ml_backend.web.dashboard.page import project_page
from tests.ml_backend.loop.classes import Loop, make_loop


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, cells: object) -> Iterator[tuple[Loop, list[RunRow]]]:
    """Three models, each on more labels than the one before."""
    loop = make_loop(tmp_path_factory.mktemp("curve") / "state", cells)
    settings = ProjectSettings(retrain_labels=1000, retrain_minutes=10_000, validation_fraction=0.4)
    loop.store.projects.save_settings(loop.project, settings)
    trained = []
    for _ in range(3):
        loop.label(20)
        loop.apply()
        request_run(loop.services.store, loop.project, kind="train", reason="More labels.", now=loop.services.clock())
        trained.append(loop.settle())
    assert all(run.state == "done" and run.decision for run in trained)
    yield loop, trained
    loop.store.close()


def test_every_point_is_measured_on_the_same_items(runs: tuple[Loop, list[RunRow]]) -> None:
    loop, (first, second, third) = runs
    curve = third.metrics.judgement["curve"]
    held = held_out(loop.services, third)
    assert curve["items"] == len(held.items) > first.metrics.judgement["items"]
    assert set(curve["scores"]) == {str(run.id) for run in (first, second, third)}
    assert curve["validation"] != second.metrics.judgement["curve"]["validation"]
    for run in (first, second, third):
        said = answers(loop.services, run.id, held).argmax(axis=1)
        score = f1_score(held.truth, said, labels=np.unique(held.truth), average="macro", zero_division=0.0)
        assert curve["scores"][str(run.id)][0] == pytest.approx(score)


def test_the_page_draws_them_and_says_how_many_items_they_rest_on(runs: tuple[Loop, list[RunRow]]) -> None:
    loop, trained = runs
    page = project_page(loop.services, loop.project)
    assert page.curve.count("<circle") == 3
    curve = trained[-1].metrics.judgement["curve"]
    for run in trained:
        assert f"run {run.id}: macro-F1 {curve['scores'][str(run.id)][0]:.3f}" in page.curve
    assert page.compared is not None
    assert page.compared.items == curve["items"] < 30
    assert page.compared.caution.startswith(f"{curve['items']} held-out images are too few")
    for line, run in zip(page.runs, reversed(trained), strict=False):
        assert line.score.endswith(f" on {run.metrics.judgement['items']}")
    assert run_summary(trained[0])["score_items"] == trained[0].metrics.judgement["items"]


def test_the_serving_temperature_has_no_part_in_the_judgement(runs: tuple[Loop, list[RunRow]]) -> None:
    loop, (_, second, third) = runs
    loop.store.projects.update(loop.project, active_run_id=second.id)
    before = judge(loop.services, third)
    for run in (second, third):
        path = loop.services.files.run_dir(run.id) / "checkpoint" / "model.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "temperature": 5.0}))
    after = judge(loop.services, third)
    assert before == after
    assert after.metrics is not None
    assert after.metrics.judgement["incumbent_run"] == second.id


def test_a_lost_model_leaves_the_curve_and_nothing_else(runs: tuple[Loop, list[RunRow]]) -> None:
    loop, (first, second, third) = runs
    shutil.rmtree(loop.services.files.run_dir(first.id) / "checkpoint")
    (loop.services.files.run_dir(second.id) / "checkpoint" / "weights.npz").write_bytes(b"")
    loop.store.projects.update(loop.project, active_run_id=None)
    judged = judge(loop.services, third)
    assert judged.metrics is not None
    assert set(judged.metrics.judgement["curve"]["scores"]) == {str(third.id)}


def test_runs_from_before_are_not_compared(runs: tuple[Loop, list[RunRow]]) -> None:
    loop, (_, _, third) = runs
    judged = {name: value for name, value in third.metrics.judgement.items() if name != "curve"}
    loop.store.runs.update(third.id, metrics={"judgement": judged})
    found = comparison(loop.store.runs.latest(loop.project))
    assert found is not None
    assert set(found.scores) == {third.id}
    assert comparison([]) is None
