from __future__ import annotations

from pathlib import Path

import pytest

from ml_backend.label_studio.client import LabelStudio
from tests.fakes.label_studio import FakeLabelStudio
from tests.ml_backend.images.internet import Internet


@pytest.fixture
def fake() -> FakeLabelStudio:
    return FakeLabelStudio()


@pytest.fixture
def client(fake: FakeLabelStudio) -> LabelStudio:
    return fake.client()


@pytest.fixture
def internet(tmp_path: Path) -> Internet:
    return Internet(tmp_path)
