"""Whatever a folder holds: each fault one sentence, and the rest is learned, measured and predicted."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.fakes.progress import silent
from tests.training.data.coco_files import write_coco
from tests.training.detection.blobs import CLASSES, draw, make_folder
from training.data.coco import read_coco
from training.data.detection_set import DetectionSet, LabelledImage
from training.detection import checkpoint as detection_checkpoint
from training.detection.detectron2.network import build
from training.detection.detectron2.rcnn import Detector
from training.detection.detectron2.training import fit
from training.detection.plan import Plan
from training.detection.recipe import Recipe
from training.device import pick_device
from training.standalone.layout import HoldOut
from training.standalone.objects import evaluate_objects, fit_objects, predict_objects

ONE_STEP = Recipe(iterations=1, checks=0, zoom=1.0, device="cpu")


def fitted(data: Path, out: Path, **fields: Any) -> dict[str, Any]:
    return fit_objects(
        data, out, replace(ONE_STEP, **fields), silent, init=None, hold_out=HoldOut(0.3), allow_left_out=True
    )


def broken_folder(root: Path) -> Path:
    """Ten good pictures, two that are gone, and every way to get an annotation wrong."""
    make_folder(root, 12, size=(64, 64))
    file = root / "annotations.json"
    content = json.loads(file.read_text())
    images = content["images"]
    (root / "images" / images[10]["file_name"]).unlink()
    (root / "images" / images[11]["file_name"]).write_bytes(b"\x89PNG cut off")
    good = next(each for each in content["annotations"] if each["image_id"] == images[0]["id"])
    faults = {
        901: {"segmentation": {"size": [64, 64], "counts": "~~~"}},
        902: {"segmentation": {"size": [64, 64], "counts": [7]}},
        903: {"segmentation": {"size": [9, 9], "counts": [81]}},
        904: {"bbox": [5, 5, 0, 9], "segmentation": None},
        905: {"segmentation": [[90.0, 90, 99, 90, 99, 99]]},
        906: {"bbox": [400, 400, 9, 9], "segmentation": None},
        907: {"segmentation": {"counts": None}},
        908: {"bbox": "wide", "segmentation": None},
        909: {"category_id": "none"},
        910: {"segmentation": 7},
        911: {"segmentation": [["a", 1, 2, 3, 4, 5]]},
    }
    content["annotations"] += [good | {"id": number} | fault for number, fault in faults.items()]
    content["annotations"].append({"id": 999, "image_id": 12345, "category_id": 1, "bbox": [1, 1, 2, 2]})
    file.write_text(json.dumps(content))
    return root


@pytest.mark.slow
def test_every_fault_of_a_coco_folder_is_named_and_the_rest_is_learned(tmp_path: Path) -> None:
    data = broken_folder(tmp_path / "data")
    metrics = fitted(data, tmp_path / "model")
    text = "\n".join(metrics["problems"])
    for number in (904, 906, 908, 909):
        assert f"annotation {number} was left out" in text
    for number in (901, 902, 903, 905, 907, 910, 911):
        assert f"annotation {number}: its outline cannot be used" in text
    assert sum(metrics["left_out"]["objects"].values()) == 5
    assert "There is no file" in text
    assert "is not a readable image" in text
    assert "1 annotations belong to no image" in text
    assert all(problem.rstrip().endswith(".") for problem in metrics["problems"])
    # One has no annotation, and since one annotation has no image, nobody knows that it is empty.
    assert metrics["train"]["images"] + metrics["held_out"]["images"] == 9
    measured = evaluate_objects(
        tmp_path / "model", data, silent, everything=True, threads=1, plots=None, allow_left_out=True
    )
    assert measured["images"] == 9
    files = sorted((data / "images").iterdir())
    report = predict_objects(tmp_path / "model", files, data, tmp_path / "found.json", silent, threads=1, score=0.0)
    assert report["images"] == 10
    assert len(report["problems"]) == 1


@pytest.mark.slow
def test_objects_of_one_pixel_are_learned_measured_and_found(tmp_path: Path) -> None:
    root, rng = make_folder(tmp_path / "data", 6, size=(64, 64)), np.random.default_rng(0)
    data = read_coco(root)
    dots = []
    for image in data.images:
        corner = rng.integers(0, 63, size=(12, 2))
        boxes = np.concatenate([corner, corner + 1], axis=1).astype(np.float32)
        classes = np.zeros(12, dtype=np.int64)
        dots.append(replace(image, boxes=boxes, classes=classes, masks=None))
    write_coco(root / "annotations.json", DetectionSet(CLASSES, tuple(dots)))
    metrics = fitted(root, tmp_path / "model", zoom=None, iterations=2)
    plan = detection_checkpoint.read(tmp_path / "model" / "checkpoint")[0]
    assert plan.zoom == 4.0, "enlarged as far as it goes"
    assert metrics["held_out"]["AP50"] is not None
    for found in Detector.load(tmp_path / "model" / "checkpoint", device="cpu").predict([dots[0].path], members=4):
        assert np.isfinite(found.boxes).all()
        assert np.isfinite(found.probs).all()


def empty_plan(**fields: Any) -> Plan:
    plan = Plan(CLASSES, True, "lite0", 1.0, 320, 64, (16.0, 32.0, 64.0, 128.0), (1.0,), 100)
    return replace(plan, **fields)


@pytest.mark.slow
def test_pictures_of_odd_shapes() -> None:
    plan = empty_plan()
    detector = Detector(plan, build(plan, pick_device("cpu"), pretrained=False))
    for size in ((1, 1), (1, 2000), (900, 3), (33, 31)):
        found = next(detector.predict([np.zeros((*size, 3), dtype=np.uint8)]))
        assert found.size == size
        assert (found.boxes >= 0).all()
        assert (found.boxes <= np.array([size[1], size[0]] * 2)).all()


HUGE = """
import json, sys
from pathlib import Path
import numpy as np
from tests.training.detection.test_bad_input import empty_plan
from training.data.detection_set import DetectionSet
from training.data.coco import read_coco
from training.detection.detectron2.network import build
from training.detection.detectron2.rcnn import Detector
from training.device import pick_device
from training.detection.detectron2.training import fit
from training.detection.recipe import Recipe

root = Path(sys.argv[1])
data = read_coco(root)
recipe = Recipe(iterations=2, checks=0, batch=1, zoom=0.125, device="cpu")
fit(data, DetectionSet(data.classes, ()), root / "model", recipe, lambda fraction, message: None)
detector = Detector.load(root / "model", device="cpu", threads=1)
tiles = len(detector._windows((10_000, 10_000)))
found = next(detector.predict([data.images[0].path]))
assert found.size == (10_000, 10_000)
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
print(json.dumps([tiles, len(found.boxes), peak]))
"""


@pytest.mark.slow
def test_an_image_of_ten_thousand_pixels_a_side_is_learned_and_searched_in_tiles(tmp_path: Path) -> None:
    """Its 300 MB of pixels are held once decoded and once while decoding; neither tiles nor objects add to that."""
    (tmp_path / "images").mkdir()
    image = draw(np.random.default_rng(0), (250, 250), 60, tmp_path / "images" / "huge.png")
    small = np.asarray(Image.open(image.path))
    Image.fromarray(small.repeat(40, axis=0).repeat(40, axis=1)).save(image.path, compress_level=1)
    huge = LabelledImage(image.path, image.name, (10_000, 10_000), image.boxes * 40, image.classes)
    write_coco(tmp_path / "annotations.json", DetectionSet(CLASSES, (huge,)))
    done = subprocess.run(
        [sys.executable, "-c", HUGE, str(tmp_path)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    tiles, found, peak = json.loads(done.stdout.splitlines()[-1])
    assert tiles >= 9
    assert found < 5000
    assert peak < 2200, f"{peak:.0f} MB"


@pytest.mark.slow
def test_a_class_that_disappears_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    data = read_coco(make_folder(tmp_path / "data", 4, size=(64, 64)))
    nothing = DetectionSet(data.classes, ())
    fit(data, nothing, tmp_path / "first", ONE_STEP, silent)
    pale = tuple(
        replace(image, boxes=image.boxes[image.classes == 1], classes=image.classes[image.classes == 1] * 0, masks=None)
        for image in data.images
    )
    slow = replace(ONE_STEP, rate=1e-7)
    less, none = DetectionSet(CLASSES[1:], pale), DetectionSet(CLASSES[1:], ())
    facts = fit(less, none, tmp_path / "second", slow, silent, init=tmp_path / "first")
    assert facts["notes"] == [
        "The class dark is no longer in the data. The model drops it and keeps what it learned about the others."
    ]
    before, after = (detection_checkpoint.read(tmp_path / name)[1] for name in ("first", "second"))
    layer = "roi_heads.box_predictor.cls_score.weight"
    np.testing.assert_allclose(after[layer].numpy(), before[layer][1:].numpy(), atol=1e-4)
    back = fit(data, nothing, tmp_path / "third", slow, silent, init=tmp_path / "second")
    assert back["notes"] == []
    found = next(Detector.load(tmp_path / "third", device="cpu").predict([data.images[0].path]))
    assert found.probs.shape[2] == 3


@pytest.mark.slow
def test_no_common_class_is_one_sentence(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data", 4, size=(64, 64))
    fitted(root, tmp_path / "model")
    content = (root / "annotations.json").read_text()
    (root / "annotations.json").write_text(content.replace('"dark"', '"left"').replace('"pale"', '"right"'))
    with pytest.raises(Exception, match="Give data with the same classes"):
        evaluate_objects(tmp_path / "model", root, silent, everything=True, threads=1, plots=None)
