"""A replay on the objects that a project's annotators confirmed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml_backend.errors import BadRequest
from ml_backend.experiments.replay import objects_project
from ml_backend.experiments.replay.objects_project import draws_objects, project_material
from tests.fakes.progress import silent
from tests.ml_backend.loop.objects import BOXES, make_object_loop
from tests.training.detection.blobs import CLASSES


def test_confirmed_objects_are_the_material(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = make_object_loop(tmp_path / "state", tmp_path / "images", BOXES, count=10)
    assert draws_objects(loop.services.store, loop.project)
    with pytest.raises(BadRequest, match="0 usable labeled images"):
        project_material(loop.services, loop.project, 0.3, silent)
    labeled = loop.draw(9)
    loop.apply()
    monkeypatch.setattr(objects_project, "FEWEST", 9)
    found = project_material(loop.services, loop.project, 0.3, silent)
    images = [*found.pool.images, *found.test.images]
    assert len(images) == 9
    assert found.pool.classes == CLASSES
    truth = {image.path.name: image for task, image in loop.drawn.items() if task in labeled}
    for image in images:
        np.testing.assert_allclose(image.boxes, truth[image.path.name].boxes, atol=1e-3)
    assert not {image.group for image in found.pool.images} & {image.group for image in found.test.images}
    loop.store.close()
