"""Results of annotators and models: nothing is lost on the way, what cannot be used is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml_backend.label_studio.regions.objects import choose_form, regions_of
from ml_backend.label_studio.regions.results import Control, read_results, write_results
from ml_backend.label_studio.regions.shapes import Rectangle, bounding_box, mask_of
from training.geometry.runs import from_window, mask_iou
from training.types import Detections

SIZE = (240, 320)
BOX = Control("box", "img", "rectanglelabels", ("cell", "debris"))
POLYGON = Control("poly", "img", "polygonlabels", ("cell",))
BRUSH = Control("brush", "img", "brushlabels", ("cell",))
ELLIPSE = Control("ellipse", "img", "ellipselabels", ("cell",))
FRAME = {"original_width": 320, "original_height": 240, "image_rotation": 0}


def rectangle(label: str, **fields: Any) -> dict[str, Any]:
    value = {"x": 12.5, "y": 10.0, "width": 25.0, "height": 30.0, "rotation": 0.0, "rectanglelabels": [label]}
    base = {"id": "b1", "from_name": "box", "to_name": "img", "type": "rectanglelabels", **FRAME, "value": value}
    return base | fields


def test_regions_survive_the_way_there_and_back() -> None:
    results = [
        rectangle("cell", score=0.9, meta={"text": ["sure"]}, parentID="p", image_rotation=90),
        {
            "id": "p1",
            "from_name": "poly",
            "to_name": "img",
            "type": "polygonlabels",
            **FRAME,
            "value": {"points": [[10.0, 10.0], [50.0, 10.0], [50.0, 60.0]], "closed": True, "polygonlabels": ["cell"]},
        },
        {
            "id": "e1",
            "from_name": "ellipse",
            "to_name": "img",
            "type": "ellipselabels",
            **FRAME,
            "value": {
                "x": 50.0,
                "y": 50.0,
                "radiusX": 10.0,
                "radiusY": 5.0,
                "rotation": 15.0,
                "ellipselabels": ["cell"],
            },
        },
    ]
    reading = read_results(results, [BOX, POLYGON, ELLIPSE], SIZE)
    assert not reading.untouched
    assert not reading.left_out
    assert write_results(reading.regions, SIZE) == results


def test_what_is_no_known_region_stays_as_it_is() -> None:
    others = [
        {"type": "relation", "from_id": "b1", "to_id": "p1", "direction": "right"},
        {"id": "b1", "type": "choices", "from_name": "quality", "to_name": "img", "value": {"choices": ["good"]}},
        rectangle("vanished"),
        rectangle("cell", value={"rectanglelabels": ["cell"], "x": "?"}),
    ]
    reading = read_results([rectangle("cell"), *others], [BOX], SIZE)
    assert len(reading.regions) == 1
    assert list(reading.untouched) == others
    assert "vanished" in reading.left_out[0]
    assert len(reading.left_out) == 2


def test_a_region_over_the_stored_picture_is_turned() -> None:
    over_stored = rectangle("cell", original_width=240, original_height=320)
    shape = read_results([over_stored], [BOX], SIZE, orientation=6).regions[0].shape
    # Stored 240 x 320: x 30..90, y 32..128; turned by 90 degrees clockwise: x 320 - 128.., y 30..
    assert shape == Rectangle(192, 30, 96, 60)
    shown = rectangle("cell")
    assert read_results([shown], [BOX], SIZE, orientation=6).regions[0].shape == Rectangle(40, 24, 80, 72)


def found(regions: int, *, masks: bool) -> Detections:
    rng = np.random.default_rng(0)
    corner = rng.integers(0, 200, size=(regions, 2)).astype(np.float32)
    boxes = np.concatenate([corner, corner + 20], axis=1)
    outlines = None
    if masks:
        disc = (np.add.outer((np.arange(20) - 9.5) ** 2, (np.arange(20) - 9.5) ** 2) <= 100).astype(np.uint8)
        outlines = [from_window(disc, (int(x), int(y)), SIZE) for x, y in corner]
    probs = np.tile(np.array([0.7, 0.1, 0.2], dtype=np.float32), (1, regions, 1))
    return Detections(SIZE, boxes, probs, outlines)


def test_the_form_is_chosen_and_explained() -> None:
    every = [BOX, POLYGON, BRUSH, ELLIPSE]
    assert choose_form(every, found(3, masks=False)).control is BOX
    assert choose_form(every, found(3, masks=True)).control is POLYGON
    assert choose_form([BOX, BRUSH], found(3, masks=True)).control is BRUSH
    crowded = choose_form([BOX, BRUSH], found(60, masks=True))
    assert crowded.control is BOX
    assert "60 brush masks" in crowded.reason
    assert choose_form(every, found(60, masks=True), "brushlabels").control is BRUSH
    holes = found(2, masks=True)
    ring = np.ones((20, 20), dtype=np.uint8)
    ring[4:16, 4:16] = 0
    holes = Detections(SIZE, holes.boxes, holes.probs, [from_window(ring, (5, 5), SIZE)] * 2)
    assert choose_form(every, holes).control is BRUSH


@pytest.mark.parametrize("control", [BOX, POLYGON, BRUSH, ELLIPSE])
def test_answers_of_a_model_go_out_and_come_back(control: Control) -> None:
    answer = found(5, masks=True)
    regions = regions_of(answer, ("cell", "debris"), control, str)
    reading = read_results(write_results(regions, SIZE), [control], SIZE)
    assert [region.score for region in reading.regions] == pytest.approx([0.7] * 5)
    assert {region.label for region in reading.regions} == {"cell"}
    boxes = [bounding_box(region.shape, SIZE) for region in reading.regions]
    np.testing.assert_allclose(np.array(boxes), answer.boxes, atol=1.0)
    if control in (POLYGON, BRUSH):
        assert answer.masks is not None
        masks = [mask_of(region.shape, SIZE) for region in reading.regions]
        assert np.diag(mask_iou(masks, list(answer.masks))).min() >= 0.99
    assert not regions_of(answer, ("cell", "debris"), control, str, thresholds={"cell": 0.8})
