"""The detector's whole way from files to regions against the bare network, and outlines to Label Studio's polygons."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ml_backend.label_studio.regions.objects import choose_form, regions_of
from ml_backend.label_studio.regions.results import Control, write_results
from tests.fakes.progress import silent
from tests.training.detection.blobs import CLASSES, make_folder
from training.data.coco import read_coco
from training.data.detection_set import DetectionSet
from training.data.images import load_rgb
from training.detection.colour_outline import in_box
from training.detection.detectron2 import bridge as d2
from training.detection.detectron2.rcnn import Detector
from training.detection.detectron2.training import fit
from training.detection.recipe import Recipe
from training.detection.views import zoomed
from training.geometry.runs import from_window
from training.types import Detections

NAMES = ("detector_predict", "smart_box", "smart_click", "smart_colours", "nuclei_to_polygons")
NUCLEI = 369


def measurements() -> Iterator[dict[str, Any]]:
    """Images per second from file to regions, milliseconds of the smart tools and of the polygons of 369 nuclei."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        paths, detector = _trained(Path(folder))
        yield _predict(paths, detector)
        yield from _smart(paths[0], detector)
    yield _polygons()


def _trained(folder: Path) -> tuple[list[Path], Detector]:
    data = read_coco(make_folder(folder / "data", 12, size=(256, 256)))
    nothing = DetectionSet(CLASSES, ())
    recipe = Recipe(iterations=40, checks=0, rate=2e-3, zoom=1.0, device="cpu")
    fit(data, nothing, folder / "model", recipe, silent)
    return [image.path for image in data.images], Detector.load(folder / "model", device="cpu", threads=1)


def _predict(paths: list[Path], detector: Detector) -> dict[str, Any]:
    pictures = [zoomed(load_rgb(path), detector.plan.zoom) for path in paths]
    tensors = [{"image": torch.from_numpy(np.array(p)).permute(2, 0, 1).float()} for p in pictures]

    def bare() -> None:
        with torch.inference_mode(), d2.EventStorage(0):
            for tensor in tensors:
                detector.network.inference([tensor], do_postprocess=False)

    def whole() -> None:
        for _ in detector.predict(paths):
            pass

    # In turn, so that what else the machine does hits both alike.
    rounds = [(_seconds(whole), _seconds(bare)) for _ in range(5)]
    value, baseline = (len(paths) / min(times) for times in zip(*rounds, strict=True))
    return _line("detector_predict", value, "images/s", baseline, value / baseline, 0.9)


def _smart(path: Path, detector: Detector) -> Iterator[dict[str, Any]]:
    """Outlines on a picture of 2,048 x 2,048 px that is decoded each time, as the first click on an image needs."""
    large = path.parent / "large.jpg"
    Image.fromarray(np.tile(load_rgb(path), (8, 8, 1))).save(large)
    box = np.array([900, 900, 940, 935], dtype=np.float32)
    ways: dict[str, Callable[[Any], object]] = {
        "smart_box": lambda pixels: detector.inside(pixels, box),
        "smart_click": lambda pixels: detector.at(pixels, [(920.0, 917.0)]),
        "smart_colours": lambda pixels: in_box(pixels, (900, 900, 940, 935)),
    }
    for name, way in ways.items():
        value = 1000 * min(_seconds(partial(_outlined, way, large)) for _ in range(5))
        yield _line(name, value, "ms", 2000.0, 2000.0 / value, 1.0)


def _outlined(way: Callable[[Any], object], path: Path) -> None:
    way(load_rgb(path))


def _polygons() -> dict[str, Any]:
    rng, size = np.random.default_rng(0), (1024, 1024)
    rows, columns = np.mgrid[:40, :40] - 19.5
    boxes, masks = [], []
    for _ in range(NUCLEI):
        a, b, turn = rng.uniform(7, 18), rng.uniform(5, 12), rng.uniform(0, np.pi)
        along, across = columns * np.cos(turn) + rows * np.sin(turn), rows * np.cos(turn) - columns * np.sin(turn)
        bitmap = (along / a) ** 2 + (across / b) ** 2 <= 1 + 0.1 * np.sin(5 * np.arctan2(across, along))
        x, y = (int(value) for value in rng.integers(0, 980, size=2))
        boxes.append([x, y, x + 40, y + 40])
        masks.append(from_window(bitmap, (x, y), size))
    probs = np.tile(np.array([0.9, 0.1], dtype=np.float32), (1, NUCLEI, 1))
    found = Detections(size, np.array(boxes, dtype=np.float32), probs, masks)
    control = Control("nuclei", "img", "polygonlabels", ("nucleus",))

    def convert() -> None:
        form = choose_form([control], found)
        results = write_results(regions_of(found, ("nucleus",), form.control, str), size)
        assert len(results) == NUCLEI

    # Processor time: on one thread it is what an idle core needs, whatever else the machine does.
    value = 1000 * min(_seconds(convert, time.process_time) for _ in range(7))
    return _line("nuclei_to_polygons", value, "ms", 200.0, 200.0 / value, 1.0)


def _seconds(work: Callable[[], None], clock: Callable[[], float] = time.perf_counter) -> float:
    started = clock()
    work()
    return clock() - started


def _line(name: str, value: float, unit: str, baseline: float, ratio: float, target: float) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "baseline": round(baseline, 3),
        "ratio": round(ratio, 3),
        "target": target,
    }
