"""Projects that labels are imported into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ml_backend.intake.label_files.world import BOXES, ImportWorld, make


@pytest.fixture
def boxes(tmp_path: Path) -> Iterator[ImportWorld]:
    """A project in which boxes are drawn."""
    world = make(tmp_path, BOXES)
    yield world
    world.services.store.close()
