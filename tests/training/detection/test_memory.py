"""What is found on an image takes memory like its objects, never objects times image."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from ml_backend.label_studio.regions.objects import choose_form, regions_of
from ml_backend.label_studio.regions.results import Control, write_results
from training.data.tiles import Tile
from training.detection.detectron2.forward import Regions
from training.detection.detectron2.rcnn import _put_together

SIDE = 4000


def found(count: int) -> Regions:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, SIDE - 40, size=(count, 2))
    ring = np.hypot(*(np.mgrid[:28, :28] - 13.5)) / 14
    return Regions(
        boxes=np.concatenate([corner, corner + 30], axis=1).astype(np.float32),
        probs=np.tile(np.array([0.9, 0.1], np.float32), (1, count, 1)),
        box_iou=np.ones((1, count), np.float32),
        outlines=np.tile((1 - ring / 2).astype(np.float32), (count, 1, 1)),
        mask_iou=np.ones((1, count), np.float32),
        vectors=np.zeros((count, 8), np.float32),
    )


@pytest.mark.slow
@pytest.mark.parametrize("count", [10, 369])
def test_masks_and_polygons_of_many_objects(count: int) -> None:
    regions, tile = found(count), Tile(0, 0, SIDE, SIDE)
    tracemalloc.start()
    answer = _put_together([regions], [tile], (SIDE, SIDE), True)
    control = Control("cells", "img", "polygonlabels", ("cell",))
    form = choose_form([control], answer)
    results = write_results(regions_of(answer, ("cell",), form.control, str), answer.size)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(results) == count
    # One mask of the whole image would be 16 MB, 369 of them 6 GB.
    assert peak < 3 * SIDE * SIDE, f"{peak / 2**20:.0f} MB"
