"""The demo cells: the same on every machine, different from each other, learnable but not trivial."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from ml_backend.operations.demo.cells import CLASSES, SIZE, write_cells
from tests.fakes.progress import silent
from training.encoders import embed_files, load_encoder


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_cells(tmp_path_factory.mktemp("cells"), silent, count=150)


def test_every_class_is_there_evenly_and_every_cell_is_another(cells: list[Path]) -> None:
    assert {name: sum(path.parent.name == name for path in cells) for name in CLASSES} == dict.fromkeys(CLASSES, 30)
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in cells}) == len(cells)
    with Image.open(cells[0]) as image:
        assert (image.size, image.mode) == ((SIZE, SIZE), "RGB")


def test_they_are_drawn_the_same_again_and_files_that_are_there_stay(cells: list[Path], tmp_path: Path) -> None:
    again = write_cells(tmp_path, silent, count=3)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in cells[:3]]
    again[0].write_bytes(b"mine")
    write_cells(tmp_path, silent, count=3)
    assert again[0].read_bytes() == b"mine"


def test_a_linear_head_on_the_offline_encoder_learns_them_but_not_from_a_handful(cells: list[Path]) -> None:
    vectors = np.stack([answer.vector for answer in embed_files(load_encoder("lite0"), cells)])
    labels = np.array([CLASSES.index(path.parent.name) for path in cells])
    patients = np.array([int(path.name[7:9]) for path in cells])
    test = patients % 4 == 0
    train = np.flatnonzero(~test)

    def score(chosen: np.ndarray) -> float:
        model = LogisticRegression(C=30, class_weight="balanced", max_iter=2000).fit(vectors[chosen], labels[chosen])
        return float(f1_score(labels[test], model.predict(vectors[test]), average="macro"))

    few = float(np.mean([score(np.random.default_rng(seed).permutation(train)[:15]) for seed in range(5)]))
    assert 0.3 < few < 0.85
    assert score(train) > max(0.7, few)
