"""An image that vouches for no place is no negative: in learning, measuring, counting effort and in the loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ml_backend.label_studio.config import parse_label_config
from ml_backend.labels.project import ProjectLabels
from ml_backend.loop.kinds.objects.prepare import object_samples
from tests.ml_backend.intake.label_files.world import BOXES, ImportWorld, make
from tests.training.evaluation.test_measuring import BOXES as PLACES
from tests.training.evaluation.test_measuring import CLASSES, answer, image
from training.data.detection_set import DetectionSet, LabelledImage, no_boxes
from training.data.object_manifest import OBJECTS, detection_sets, read_object_manifest, write_object_manifest
from training.data.reading import Notes, together, usable, vouches
from training.data.values import Unusable
from training.detection.detectron2.unknown import unknown_places
from training.evaluation.correction_parts import parts_of
from training.evaluation.detection import evaluate


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ImportWorld]:
    made = make(tmp_path, BOXES)
    yield made
    made.services.store.close()


def unsure(boxes: list[list[float]], classes: list[int]) -> LabelledImage:
    return image(boxes, classes, checked=no_boxes())


def test_no_place_is_taught_as_background() -> None:
    truth = SimpleNamespace(_ignore=torch.zeros((0, 4)), _checked=torch.zeros((0, 4)))
    assert unknown_places(torch.tensor([[0.0, 0, 9, 9], [50, 50, 60, 60]]), truth).all()


def test_what_is_found_there_counts_neither_for_nor_against() -> None:
    sure = image(PLACES, [0, 1])
    right = answer(PLACES, [0, 1], [0.9, 0.8])
    wild = answer([[0, 0, 200, 150], *PLACES], [0, 1, 0], [0.99, 0.98, 0.97])
    alone = evaluate(DetectionSet(CLASSES, (sure,)), [right])
    both = evaluate(DetectionSet(CLASSES, (sure, unsure(PLACES, [0, 1]))), [right, wild])
    assert both["AP"] == alone["AP"] == 1
    assert len(parts_of([right, wild], [sure, unsure(PLACES, [0, 1])], 2)) == len(parts_of([right], [sure], 2))


def test_images_of_which_nothing_is_known_are_left_out_and_counted() -> None:
    notes = Notes()
    kept = usable([unsure([], []), unsure(PLACES, [0, 1]), image([], [])], notes)
    assert [len(each.boxes) for each in kept] == [2, 0]
    assert notes.images == {"nothing about it is certain": 1}


def test_two_readings_vouch_only_together() -> None:
    one, two = image(PLACES[:1], [0]), image(PLACES, [0, 1])
    joined = together(one, two)
    assert (len(joined.boxes), len(joined.masks or ()), joined.checked) == (2, 2, None)
    assert not vouches(together(one, unsure(PLACES, [0, 1])))
    parts = [replace(one, checked=np.array([box], np.float32)) for box in PLACES]
    np.testing.assert_array_equal(together(*parts).checked, PLACES)


def test_many_of_one_reason_are_counted() -> None:
    notes = Notes()
    for number in range(1000):
        notes.object_left_out(f"line {number}", Unusable("a number is not finite"))
    said = notes.sentences()
    assert len(said) == 51
    assert said[-1] == "950 more were left out for the same reason: a number is not finite."


def test_in_the_loop(world: ImportWorld, tmp_path: Path) -> None:
    def region(label: str, **value: object) -> dict[str, object]:
        place = {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": [label]}
        drawn = {"id": label, "from_name": "box", "to_name": "image", "type": "rectanglelabels"}
        return drawn | {"original_width": 80, "original_height": 60, "value": place | value}

    store = world.services.store
    for item in store.items.all(world.project):
        store.items.update([{"id": item.id, "split": "train"}])
    unread = region("Cell", width=None)
    said = {1: [region("Cell"), unread], 2: [unread], 3: []}
    labels = ProjectLabels(parse_label_config(BOXES), {}, {}, frozenset(said), said)
    samples, omitted, told = object_samples(world.services, store.items.all(world.project), labels)
    assert [(len(sample.boxes), sample.checked is None) for sample in samples] == [(1, False), (0, True)]
    assert omitted == {"none of its regions can be read": 1}
    assert len(told) == 2
    write_object_manifest(tmp_path / OBJECTS, samples)
    learned = detection_sets(read_object_manifest(tmp_path / OBJECTS), ["Cell"])[0].images
    assert [vouches(each) for each in learned] == [False, True]
