"""Small label sources of every form, right in every part, for tests to damage."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (30, 40)
"""`(height, width)` px of every picture."""
PICTURES = ("a.png", "b.png", "c.png")
CLASSES = ("cell", "debris")


def pictures(folder: Path) -> Path:
    """Three different pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for name in PICTURES:
        Image.fromarray(rng.integers(0, 255, (*SIZE, 3), np.uint8)).save(folder / name)
    return folder


def coco_content() -> dict[str, Any]:
    """Two objects on the first picture, one on the second, none on the third."""
    ring = [2, 3, 12, 3, 12, 11, 2, 11]
    return {
        "images": [{"id": n, "file_name": name, "height": 30, "width": 40} for n, name in enumerate(PICTURES, start=1)],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 3, 10, 8], "iscrowd": 0, "segmentation": [ring]},
            {"id": 2, "image_id": 1, "category_id": 2, "bbox": [20, 3, 10, 8], "iscrowd": 0, "segmentation": []},
            {"id": 3, "image_id": 2, "category_id": 2, "bbox": [5, 5, 10, 8], "iscrowd": 0},
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(CLASSES, start=1)],
    }


def coco(root: Path, content: Any = None) -> Path:
    """A COCO folder."""
    pictures(root / "images")
    (root / "annotations.json").write_text(json.dumps(coco_content() if content is None else content))
    return root


YOLO_LINES = {"a": ["0 0.2 0.2 0.2 0.2", "1 0.7 0.7 0.2 0.2"], "b": ["1 0.5 0.5 0.2 0.2"], "c": []}


def yolo(root: Path, lines: dict[str, list[str]] | None = None, names: str = "cell\ndebris\n") -> Path:
    """A YOLO folder; a picture that `lines` lacks has no label file."""
    pictures(root / "images")
    (root / "labels").mkdir()
    for stem, each in (YOLO_LINES if lines is None else lines).items():
        (root / "labels" / f"{stem}.txt").write_text("\n".join(each))
    if names:
        (root / "classes.txt").write_text(names)
    return root


def voc_object(name: str = "cell", sides: Iterable[Any] = (2, 3, 12, 11), more: str = "") -> str:
    """One object."""
    tags = zip(("xmin", "ymin", "xmax", "ymax"), sides, strict=True)
    box = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
    return f"<object><name>{name}</name>{more}<bndbox>{box}</bndbox></object>"


def voc_file(name: str, objects: Iterable[str], size: str = "<height>30</height><width>40</width>") -> str:
    """One XML file."""
    return f"<annotation><filename>{name}</filename><size>{size}</size>{''.join(objects)}</annotation>"


VOC_FILES = {
    "a": voc_file("a.png", [voc_object(), voc_object("debris", (20, 3, 30, 11))]),
    "b": voc_file("b.png", [voc_object("debris")]),
    "c": voc_file("c.png", []),
}


def voc(root: Path, files: dict[str, str] | None = None) -> Path:
    """A VOC folder."""
    pictures(root / "JPEGImages")
    (root / "Annotations").mkdir()
    for stem, text in (VOC_FILES if files is None else files).items():
        (root / "Annotations" / f"{stem}.xml").write_text(text)
    return root
