from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import training.jobs.classes as jobs
from tests.fakes.kills import killed
from tests.fakes.progress import silent
from tests.training.cells import CLASSES, blobs, cell_samples, make_run, vector_samples
from training.jobs.classes import load_model, train
from training.types import TrainingError

LABELS = [i % 3 for i in range(80)]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def test_a_head_learns_and_is_read_back(tmp_path: Path) -> None:
    vectors = blobs(LABELS)
    run = make_run(tmp_path / "run", vector_samples(LABELS), vectors)
    metrics = train(run, silent)
    assert metrics == json.loads((run / "metrics.json").read_text())
    assert metrics["validation"]["macro_f1"] > 0.9
    assert metrics["calibration"]["items"] == 20
    model = load_model(run / "checkpoint")
    assert (model.kind, model.needs, model.classes) == ("head", "embeddings", CLASSES)
    probs = model.predict_embeddings(vectors)
    assert probs.dtype == np.float32
    assert np.allclose(probs.sum(axis=1), 1, atol=1e-5)
    assert (probs.argmax(axis=1) == LABELS).mean() > 0.9
    assert model.predict_embeddings(vectors[:0]).shape == (0, 3)


def test_training_twice_or_after_a_kill_gives_the_same(tmp_path: Path) -> None:
    whole = make_run(tmp_path / "a" / "run", vector_samples(LABELS), blobs(LABELS))
    fields = json.loads((whole / "request.json").read_text())
    train(whole, silent)
    expected = files(whole)
    train(whole, silent)
    assert files(whole) == expected

    for step in ("replaced_folder", "_metrics", "write_json_atomic"):
        begun = make_run(tmp_path / step / "run", vector_samples(LABELS), blobs(LABELS))
        (begun / "request.json").write_text(json.dumps(fields))
        with killed(jobs, step):
            train(begun, silent)
        assert not (begun / "metrics.json").exists()
        train(begun, silent)
        assert files(begun) == expected


def test_a_changed_manifest_is_trained_anew(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", vector_samples(LABELS), blobs(LABELS))
    first = train(run, silent)
    make_run(run, vector_samples(LABELS)[:60], blobs(LABELS))
    second = train(run, silent)
    assert sum(second["labels"]["train"].values()) < sum(first["labels"]["train"].values())


@pytest.mark.parametrize(
    ("labels", "what"),
    [([], "there are none"), ([0] * 12, "only 'round'"), ([0, 0, 0, 1], "only 'round'")],
)
def test_what_cannot_be_learned_is_said(tmp_path: Path, labels: list[int], what: str) -> None:
    run = make_run(tmp_path / "run", vector_samples(labels), blobs(labels or [0]))
    with pytest.raises(TrainingError, match=what):
        train(run, silent)


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 0, 0, 0, 1], [0, 1, 2], [2, 2, 1, 2, 2, 2, 2, 2, 0]])
def test_few_labels_are_enough_for_something(tmp_path: Path, labels: list[int]) -> None:
    vectors = blobs(labels)
    run = make_run(tmp_path / "run", vector_samples(labels), vectors)
    metrics = train(run, silent)
    assert metrics["calibration"]["temperature"] == 1.0
    assert metrics["calibration"]["note"]
    probs = load_model(run / "checkpoint").predict_embeddings(vectors)
    assert np.isfinite(probs).all()
    unseen = sorted(set(range(3)) - {label for i, label in enumerate(labels) if i % 4 != 3})
    assert (probs[:, unseen] == 0).all()
    assert (probs.argmax(axis=1) == labels).mean() >= 0.5


def test_identical_embeddings_do_not_break_it(tmp_path: Path) -> None:
    vectors = np.tile(blobs([0]), (12, 1))
    run = make_run(tmp_path / "run", vector_samples([i % 3 for i in range(12)]), vectors)
    train(run, silent)
    probs = load_model(run / "checkpoint").predict_embeddings(vectors)
    assert np.allclose(probs, 1 / 3, atol=0.1)


def test_samples_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    samples = [*vector_samples(LABELS), *vector_samples([0, 0], ["gone"] * 3), *vector_samples([0])]
    samples[-1] = type(samples[-1])(999, Path("x"), None, "train", "gx", 0)
    metrics = train(make_run(tmp_path / "run", samples, blobs(LABELS)), silent)
    assert metrics["ignored"] == {"label 'gone' is not among the classes": 2, "no label": 1}


def test_a_leaking_manifest_is_refused(tmp_path: Path) -> None:
    samples = [type(s)(s.id, s.path, s.label, s.split, "one patient", s.vector_row) for s in vector_samples(LABELS)]
    with pytest.raises(TrainingError, match="'one patient'"):
        train(make_run(tmp_path / "run", samples, blobs(LABELS)), silent)


@pytest.mark.parametrize(
    ("request_fields", "what"),
    [
        ({"method": "magic"}, "choose one of finetune, head"),
        ({"method": "_linear_fit"}, "no training method"),
        ({"classes": ["a", "a"]}, "two different names"),
        ({"classes": None}, "two different names"),
        ({"seed": "x"}, "wrong kind"),
        ({"vectors": "missing.f32"}, "cannot be read"),
        ({"dimension": 0}, "dimension"),
        ({"dimension": 4000}, "asks for embedding"),
    ],
)
def test_wrong_requests_are_named(tmp_path: Path, request_fields: dict[str, object], what: str) -> None:
    run = make_run(tmp_path / "run", vector_samples(LABELS), blobs(LABELS), **request_fields)
    with pytest.raises(TrainingError, match=what):
        train(run, silent)


def test_a_broken_embedding_names_its_item(tmp_path: Path) -> None:
    vectors = blobs(LABELS)
    vectors[4] = np.nan
    with pytest.raises(TrainingError, match="item 4 is not finite"):
        train(make_run(tmp_path / "run", vector_samples(LABELS), vectors), silent)


def test_damaged_checkpoints_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", vector_samples(LABELS), blobs(LABELS))
    train(run, silent)
    with pytest.raises(TrainingError, match="expects embeddings of length 16"):
        load_model(run / "checkpoint").predict_embeddings(blobs(LABELS, dimension=8))
    for name, content in (("weights.npz", b"PK"), ("model.json", b"{"), ("model.json", b'{"kind": "head"}')):
        good = (run / "checkpoint" / name).read_bytes()
        (run / "checkpoint" / name).write_bytes(content)
        with pytest.raises(TrainingError, match=r"damaged|cannot be read"):
            load_model(run / "checkpoint")
        (run / "checkpoint" / name).write_bytes(good)
    with pytest.raises(TrainingError, match="no model"):
        load_model(run / "nothing")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", vector_samples(LABELS), blobs(LABELS))
    train(run, silent)
    np.savez(run / "checkpoint" / "weights.npz", weights=np.array([object()]), bias=np.zeros(3))
    with pytest.raises(TrainingError, match="damaged"):
        load_model(run / "checkpoint")


@pytest.mark.slow
def test_without_stored_embeddings_the_images_are_read(tmp_path: Path) -> None:
    samples = cell_samples(tmp_path, 24)
    samples[0].path.write_bytes(b"broken")
    run = make_run(tmp_path / "run", samples)
    metrics = train(run, silent)
    assert list(metrics["unreadable"]) == [str(samples[0].path)]
    assert sum(metrics["labels"]["train"].values()) == 17
    model = load_model(run / "checkpoint")
    probs = model.predict_images([sample.path for sample in samples], silent)
    assert np.isnan(probs[0]).all()
    assert np.isfinite(probs[1:]).all()
    guessed = [CLASSES[index] for index in probs[1:].argmax(axis=1)]
    assert np.mean([name == sample.label for name, sample in zip(guessed, samples[1:], strict=True)]) > 0.8


def test_a_head_refuses_the_embeddings_of_another_encoder(tmp_path: Path) -> None:
    samples = cell_samples(tmp_path, 6)
    run = make_run(tmp_path / "run", samples, blobs([0, 1, 2, 0, 1, 2]), encoder="lite0-other")
    train(run, silent)
    with pytest.raises(TrainingError, match="lite0-other"):
        load_model(run / "checkpoint").predict_images([samples[0].path])


@pytest.mark.slow
@pytest.mark.parametrize("count", [20, 60, 120, 400])
def test_not_worse_than_scikit_learn(tmp_path: Path, count: int) -> None:
    labels = np.random.default_rng(count).choice(3, count + 600, p=[0.6, 0.3, 0.1]).tolist()
    vectors = blobs(labels, dimension=64, spread=0.6, seed=count)
    known = [s for s in vector_samples(labels) if s.split == "train"][:count]
    run = make_run(tmp_path / "run", known, vectors)
    train(run, silent)
    rows = [sample.vector_row for sample in known]
    rest = np.setdiff1d(np.arange(len(labels)), rows)
    ours = load_model(run / "checkpoint").predict_embeddings(vectors[rest]).argmax(axis=1)
    plain = LogisticRegression(max_iter=1000).fit(vectors[rows], np.array(labels)[rows])
    from sklearn.metrics import f1_score

    truth = np.array(labels)[rest]
    theirs = f1_score(truth, plain.predict(vectors[rest]), average="macro")
    assert f1_score(truth, ours, average="macro") >= theirs - 0.02
