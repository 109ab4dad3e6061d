"""Drawings of an expert over a picture with one object, and what comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ml_backend.label_studio.regions.results import Control, read_results
from ml_backend.label_studio.regions.shapes import mask_of
from ml_backend.state.records import NewItem
from tests.ml_backend.web.conftest import WebWorld
from training.geometry.runs import from_window, trim

SIZE = (240, 320)
CONFIG = """<View><Image name="img" value="$image"/>
<RectangleLabels name="box" toName="img" smart="true" smartOnly="true"><Label value="cell"/><Label value="debris"/>
</RectangleLabels>
<KeyPointLabels name="kp" toName="img" smart="true" smartOnly="true"><Label value="cell"/></KeyPointLabels>
<PolygonLabels name="poly" toName="img"><Label value="cell"/><Label value="debris"/></PolygonLabels>
<BrushLabels name="brush" toName="img"><Label value="cell"/><Label value="debris"/></BrushLabels></View>"""
FRAME = {"original_width": 320, "original_height": 240, "image_rotation": 0}
DISC = (160, 120, 60, 40)
"""x, y and radii in px of the object on the test picture."""


def disc() -> Any:
    rows, columns = np.mgrid[:240, :320] + 0.5
    inside = ((columns - DISC[0]) / DISC[2]) ** 2 + ((rows - DISC[1]) / DISC[3]) ** 2 <= 1
    return from_window(inside, (0, 0), SIZE)


def box(x: Any, y: float, width: float, height: float, label: str = "cell", **fields: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [label]}
    base = {"id": "rc1", "from_name": "box", "to_name": "img", "type": "rectanglelabels", **FRAME, "value": value}
    return base | fields


def point(x: Any, y: Any, label: str = "cell", **fields: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": 0.3, "keypointlabels": [label]}
    base = {"id": "kp1", "from_name": "kp", "to_name": "img", "type": "keypointlabels", **FRAME, "value": value}
    return base | fields


AROUND = box(30, 31, 40, 38)


def with_picture(world: WebWorld, tmp_path: Path) -> WebWorld:
    """Project 8 with one picture, task 1: a dark ellipse on noise."""
    rng = np.random.default_rng(0)
    picture = rng.normal(190, 8, size=(*SIZE, 3))
    (x, y), bitmap = trim(disc())
    picture[y : y + bitmap.shape[0], x : x + bitmap.shape[1]][bitmap > 0] += (-90, -110, -50)
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(tmp_path / "cell.png")
    world.store.projects.upsert(8, "cells", CONFIG, world.now)
    data = {"root": str(tmp_path), "name": "cell.png"}
    world.store.items.add(
        8, [NewItem(source=str(tmp_path / "cell.png"), task_id=1, state="ready", data=data)], world.now
    )
    return world


def ask(world: WebWorld, *drawn: Any, config: str = CONFIG, task: Any = None, context: Any = None) -> Any:
    body = {
        "tasks": [{"id": 1, "data": {"image": "x"}, "drafts": []} if task is None else task],
        "project": "8.1795254788",
        "label_config": config,
        "params": {"login": None, "password": None, "context": {"result": list(drawn)} if context is None else context},
    }
    # A browser's JSON has no NaN, but Python's has, and so may a script.
    text = json.dumps(body)
    answer = world.call("/predict", None, method="POST", data=text, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert len(answer.json["results"]) == 1
    return answer.json["results"][0]


def drawn_mask(element: Any, control: Control) -> Any:
    reading = read_results(element["result"], [control], SIZE)
    assert len(reading.regions) == 1, reading
    return mask_of(reading.regions[0].shape, SIZE)


POLYGON = Control("poly", "img", "polygonlabels", ("cell", "debris"))
BRUSH = Control("brush", "img", "brushlabels", ("cell", "debris"))
