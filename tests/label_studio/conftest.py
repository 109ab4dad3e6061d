from __future__ import annotations

import pytest

from ml_backend.labelstudio import LabelStudio
from tests.fakes.label_studio import FakeLabelStudio


@pytest.fixture
def fake() -> FakeLabelStudio:
    return FakeLabelStudio()


@pytest.fixture
def client(fake: FakeLabelStudio) -> LabelStudio:
    return fake.client()
