"""A replay on what a project's annotators confirmed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml_backend.errors import BadRequest
from ml_backend.experiments.replay.engine import replay
from ml_backend.experiments.replay.project import project_set
from tests.ml_backend.loop.classes import make_loop


def test_confirmed_labels_are_replayed(tmp_path: Path, cells: Path) -> None:
    loop = make_loop(tmp_path / "state", cells)
    with pytest.raises(BadRequest, match="0 usable labels"):
        project_set(loop.store, loop.services.files, loop.project)
    loop.label(72)
    loop.apply()
    images = project_set(loop.store, loop.services.files, loop.project)
    assert len(images) == 72
    assert np.allclose(np.linalg.norm(images.vectors, axis=1), 1, atol=1e-3)
    done = replay(images, None, ["auto"], 1, [10, 20])
    assert done.macro_f1["auto"].shape == (1, 2)
    loop.store.close()
