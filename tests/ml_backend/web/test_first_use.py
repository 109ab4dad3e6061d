"""Tasks that no run has predicted: computed on first use, one at a time, in time, and never at others' expense."""

import json
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ml_backend.errors import LabelStudioUnavailable
from ml_backend.predictions.first_use import MODELS_KEPT, FirstUse, Wanted
from ml_backend.predictions.unanswered import Unanswered
from ml_backend.state.records import NewItem
from ml_backend.state.vectors import Vectors
from ml_backend.web.serving import serving_of
from tests.fakes.progress import silent
from tests.fakes.runs import open_run
from tests.ml_backend.web.conftest import CONFIG, Loop, WebWorld, image_data
from training.types import FloatArray, TrainingError

DIMENSION = 3

pytestmark = pytest.mark.usefixtures("loop")


class Model:
    """Says "Dog" as surely as the first number of the embedding."""

    classes = ("Cat", "Dog")

    def __init__(self, needs: str = "embeddings", number: float | None = None) -> None:
        self.needs = needs
        self.number = number
        self.asked: list[Any] = []

    def predict_embeddings(self, embeddings: FloatArray) -> FloatArray:
        self.asked.append(np.array(embeddings))
        dog = embeddings[:, 0] if self.number is None else np.full(len(embeddings), self.number)
        return np.stack([1 - dog, dog], axis=1).astype(np.float32)

    def predict_images(self, paths: Sequence[Path], progress: Any = None) -> FloatArray:
        self.asked.append(list(paths))
        with Image.open(paths[0]) as image:
            image.load()
        return np.array([[0.25, 0.75]], np.float32)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    made = Model()
    monkeypatch.setattr("ml_backend.predictions.kinds.classes.load_model", lambda folder, threads: made)
    return made


def store_vectors(world: WebWorld) -> None:
    rows = np.array([[0.1, 0, 0], [0.2, 0, 0], [0.3, 0, 0], [0.4, 0, 0], [0.9, 0, 0]], np.float32)
    Vectors(world.services.files.vectors_dir("fake"), DIMENSION).append(rows)


def ask(world: WebWorld, numbers: Sequence[int], **data: Any) -> list[Any]:
    tasks = [{"id": number, "data": data or {"image": "x"}} for number in numbers]
    return world.call("/predict", {"tasks": tasks, "project": 3, "label_config": CONFIG}).json["results"]


def test_a_known_item_without_prediction_is_answered_from_its_stored_vector(
    world: WebWorld, loop: Loop, model: Model
) -> None:
    store_vectors(world)
    stored, fresh = ask(world, [1, 5])
    assert stored["result"][0]["value"]["choices"] == ["Cat"]
    assert fresh["model_version"] == loop.version
    assert fresh["score"] == 1.0, "no place in the order yet: last"
    assert fresh["result"][0]["value"]["choices"] == ["Dog"]
    assert fresh["result"][0]["score"] == pytest.approx(0.9)
    assert len(model.asked) == 1


def test_the_model_is_loaded_once(world: WebWorld, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[Path, int]] = []
    monkeypatch.setattr(
        "ml_backend.predictions.kinds.classes.load_model",
        lambda folder, threads: loaded.append((folder, threads)) or Model(),
    )
    store_vectors(world)
    for _ in range(3):
        ask(world, [5])
    assert loaded == [(world.services.files.run_dir(loop.run) / "checkpoint", world.services.threads)]


def test_only_a_few_models_stay_in_memory(world: WebWorld, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Path] = []
    monkeypatch.setattr(
        "ml_backend.predictions.kinds.classes.load_model", lambda folder, threads: loaded.append(folder) or Model()
    )
    store_vectors(world)
    first_use = FirstUse(world.services.models, world.services.images, world.services.settings, timer=lambda: 0.0)
    runs = [loop.run]
    for _ in range(MODELS_KEPT):
        run = open_run(world.store, 3)
        world.store.runs.update(run.id, state="done", request={"encoder": "fake", "encoder_name": "lite0"})
        runs.append(run.id)
    item = world.store.items.by_task(3, [5])[5]
    for run_id in [*runs, runs[0]]:
        assert first_use.predict(run_id, [Wanted(0, 5, item, "")], 1.0, Unanswered().noting(3))[1]
    assert len(loaded) == len(runs) + 1


def test_a_bad_image_yields_an_empty_element_and_one_line(
    world: WebWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr("ml_backend.predictions.kinds.classes.load_model", lambda folder, threads: Model("images"))
    (tmp_path / "broken.png").write_bytes(b"no image")
    Image.new("RGB", (4, 4)).save(tmp_path / "good.png")
    rows = [
        NewItem(source=str(tmp_path / name), task_id=task, state="ready", data={"root": str(tmp_path), "name": name})
        for name, task in (("broken.png", 61), ("good.png", 62), ("gone.png", 63))
    ]
    world.store.items.add(3, rows, 1.0)
    with caplog.at_level(logging.WARNING):
        broken, good, gone = ask(world, [61, 62, 63])
    assert broken == []
    assert gone == []
    assert good["result"][0]["value"]["choices"] == ["Dog"]
    for task in (61, 63):
        assert len([record for record in caplog.records if f"Task {task}: " in record.getMessage()]) == 1


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_never_leave(world: WebWorld, model: Model, number: float) -> None:
    store_vectors(world)
    model.number = number
    assert ask(world, [5]) == [[]]


@pytest.mark.parametrize("error", [TrainingError("There is no model."), OSError("disk"), RuntimeError("bug")])
def test_a_model_that_cannot_be_loaded_costs_only_the_new_tasks(
    world: WebWorld, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: Path, **_options: int) -> None:
        raise error

    monkeypatch.setattr("ml_backend.predictions.kinds.classes.load_model", broken)
    stored, fresh = ask(world, [1, 5])
    assert stored["result"]
    assert fresh == []


def test_a_bug_in_one_task_is_logged_and_the_rest_goes_on(
    world: WebWorld, model: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store_vectors(world)
    monkeypatch.setattr(model, "predict_embeddings", lambda embeddings: 1 / 0)
    assert ask(world, [5, 1])[0] == []
    assert "1 task without a prediction: Task 5 had an unexpected error" in caplog.text


def test_when_label_studio_is_away_it_is_asked_once(world: WebWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_backend.predictions.kinds.classes.load_model", lambda folder, threads: Model("images"))
    asked: list[str] = []

    class Images:
        def local_path(self, value: str, *, task_id: int | None = None) -> Path:
            asked.append(value)
            raise LabelStudioUnavailable("Label Studio does not answer; start it.")

    monkeypatch.setitem(world.services.images.__dict__, "_resolver", Images())
    assert ask(world, [71, 72, 73], image="/data/upload/a.png") == [[], [], []]
    assert asked == ["/data/upload/a.png"]


def test_unknown_tasks_are_fetched_by_their_image(
    world: WebWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = Model("images")
    monkeypatch.setattr("ml_backend.predictions.kinds.classes.load_model", lambda folder, threads: model)
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")

    class Images:
        def local_path(self, value: str, *, task_id: int | None = None) -> Path:
            assert (value, task_id) == ("/data/upload/a.png", 71)
            return tmp_path / "a.png"

    monkeypatch.setitem(world.services.images.__dict__, "_resolver", Images())
    (element,) = ask(world, [71], image="/data/upload/a.png")
    assert element["score"] == 1.0
    assert element["result"][0]["value"]["choices"] == ["Dog"]
    assert ask(world, [72], text="no image here") == [[]]


@pytest.mark.usefixtures("model")
def test_what_is_not_done_in_time_is_asked_again_later(world: WebWorld, caplog: pytest.LogCaptureFixture) -> None:
    store_vectors(world)
    clock = iter([0.0, 0.0, 1.0, 99.0, 99.0])
    serving = serving_of(world.services, deadline=10.0, timer=lambda: next(clock))
    tasks = [{"id": 5, "data": {}}, {"id": 5, "data": {}}, {"id": 5, "data": {}}]
    done, late, later = serving.predict(3, tasks)
    assert done
    assert (late, later) == ([], [])
    assert "2 tasks without a prediction: The time limit was reached" in caplog.text


def test_a_request_that_cannot_have_its_turn_answers_in_time(world: WebWorld, model: Model) -> None:
    store_vectors(world)
    entered, leave = threading.Event(), threading.Event()
    slow = model.predict_embeddings

    def hold(embeddings: FloatArray) -> FloatArray:
        entered.set()
        assert leave.wait(30)
        return slow(embeddings)

    model.predict_embeddings = hold  # type: ignore[method-assign]
    serving = serving_of(world.services, deadline=0.2)
    patient = serving_of(world.services, first_use=serving._first_use, deadline=60.0)
    answers: list[Any] = []
    first = threading.Thread(target=lambda: answers.append(patient.predict(3, [{"id": 5}])))
    first.start()
    assert entered.wait(30)
    assert serving.predict(3, [{"id": 5}, {"id": 1}])[0] == []
    leave.set()
    first.join(30)
    assert answers[0][0]["result"]


@pytest.mark.slow
def test_a_real_encoder_and_a_real_head(world: WebWorld, loop: Loop, tmp_path: Path) -> None:
    """Dark and bright images, the bundled network, a head trained by the training job."""
    from training.data.manifest import write_manifest
    from training.encoders import load_encoder
    from training.jobs.classes import train
    from training.types import Sample

    encoder = load_encoder("lite0", threads=1)
    rng = np.random.default_rng(0)
    pictures = [rng.integers(low, low + 60, (40, 40, 3)).astype(np.uint8) for low in (0, 190) for _ in range(6)]
    Vectors(world.services.files.vectors_dir(encoder.key), encoder.dimension).append(encoder.embed(pictures))
    run_dir = world.services.files.run_dir(loop.run)
    samples = [
        Sample(row, tmp_path / f"{row}.png", ("Cat", "Dog")[row // 6], "train", str(row), row) for row in range(12)
    ]
    write_manifest(run_dir / "manifest.jsonl", samples)
    request = {
        "classes": ["Cat", "Dog"],
        "method": "head",
        "seed": 0,
        "encoder": encoder.key,
        "encoder_name": "lite0",
        "vectors": str(Vectors.of(world.services.files, encoder.key).path),
        "dimension": encoder.dimension,
        "init": None,
        "threads": 1,
    }
    (run_dir / "request.json").write_text(json.dumps(request))
    train(run_dir, silent)
    world.store.runs.update(loop.run, request=request)
    for name, low in (("dark.png", 0), ("bright.png", 190)):
        Image.fromarray(rng.integers(low, low + 60, (40, 40, 3)).astype(np.uint8)).save(tmp_path / name)
    rows = [
        NewItem(source=str(tmp_path / name), data={"root": str(tmp_path), "name": name, "image": ""})
        for name in ("dark.png", "bright.png")
    ]
    items = world.store.items.add(3, rows, 1.0)
    world.store.items.set_tasks(3, dict(zip(items, (81, 82), strict=True)))
    tasks = [{"id": task, "data": image_data(world, 3, item, task)} for item, task in zip(items, (81, 82), strict=True)]
    dark, bright = world.call("/predict", {"tasks": tasks, "project": 3, "label_config": CONFIG}).json["results"]
    assert dark["result"][0]["value"]["choices"] == ["Cat"]
    assert bright["result"][0]["value"]["choices"] == ["Dog"]
    assert dark["result"][0]["score"] > 0.6


@pytest.mark.usefixtures("model")
def test_why_tasks_got_nothing_is_in_log_metrics_and_page(world: WebWorld, caplog: pytest.LogCaptureFixture) -> None:
    store_vectors(world)
    addresses = [
        "/data/upload/1/a b.png",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/hostname",
        "",
    ]
    tasks = [{"id": 900 + n, "data": {"image": image}} for n, image in enumerate(addresses)]
    answer = world.call("/predict", {"project": 3, "tasks": [*tasks, {"id": 5}]})
    assert answer.status_code == 200
    assert [bool(element) for element in answer.json["results"]] == [False] * 4 + [True]
    page = world.call("/dashboard/3").text
    for task in (901, 902, 903):
        assert f"Task {task}: " in caplog.text
        assert f"Task {task}: " in page
    assert "4 tasks since the web process started" in page
    counted = world.call("/metrics").text
    assert 'paploop_tasks_without_prediction_total{project="3",why="image"}' in counted
