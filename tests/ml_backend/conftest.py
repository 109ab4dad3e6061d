from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_backend.label_studio.client import LabelStudio
from ml_backend.operations.demo.cells import write_cells
from tests.fakes.label_studio import FakeLabelStudio
from tests.fakes.progress import silent
from tests.ml_backend.images.internet import Internet
from tests.ml_backend.loop.classes import Loop, make_loop


@pytest.fixture
def fake() -> FakeLabelStudio:
    return FakeLabelStudio()


@pytest.fixture
def client(fake: FakeLabelStudio) -> LabelStudio:
    return fake.client()


@pytest.fixture
def internet(tmp_path: Path) -> Internet:
    return Internet(tmp_path)


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cells")
    write_cells(folder, silent, count=90)
    return folder


@pytest.fixture
def loop(tmp_path: Path, cells: Path) -> Iterator[Loop]:
    made = make_loop(tmp_path / "state", cells)
    yield made
    made.store.close()
