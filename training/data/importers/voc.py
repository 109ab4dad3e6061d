"""A Pascal VOC folder (`JPEGImages/` or `images/`, and `Annotations/*.xml`) -> `DetectionSet`.

Corners are taken as they stand, without the one-pixel shift of the original VOC tools, as most programs write them.
Objects marked `difficult` become ignore regions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from training.data.detection_set import DetectionSet, LabelledImage
from training.data.images import IMAGE_SUFFIXES, ImageDecodeError, image_size
from training.types import FloatArray, TrainingError

ANNOTATIONS, FOLDERS = "Annotations", ("JPEGImages", "images")


def is_voc_folder(folder: Path) -> bool:
    """Whether `folder` holds `Annotations/` and a folder of images."""
    return (folder / ANNOTATIONS).is_dir() and any((folder / name).is_dir() for name in FOLDERS)


def read_voc(folder: Path) -> DetectionSet:
    """Read a VOC folder; what cannot be used is left out with a sentence, the rest goes on.

    Raises:
        TrainingError: no image can be used, or no object has a name.
    """
    root = next(folder / name for name in FOLDERS if (folder / name).is_dir())
    pictures = {path.stem: path for path in sorted(root.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES}
    problems: list[str] = []
    found: list[tuple[Path, tuple[int, int], list[tuple[str, FloatArray, bool]]]] = []
    for file in sorted((folder / ANNOTATIONS).glob("*.xml")):
        picture = pictures.get(file.stem)
        if picture is None:
            problems.append(f"{file.name} has no image of the same name in {root.name}/; it was left out.")
            continue
        try:
            size = image_size(picture)
            found.append((picture, size, _objects(file, size, problems)))
        except (ImageDecodeError, ValueError, expat.ExpatError, ElementTree.ParseError, OSError) as error:
            problems.append(f"{file.name}: {str(error).rstrip('.')}; it was left out.")
    names = sorted({name for _, _, objects in found for name, _, _ in objects})
    if not found or not names:
        reason = f" ({problems[0]})" if problems else ""
        raise TrainingError(f"No image of {folder.name} has a named object{reason}; check {ANNOTATIONS}/.")
    images = tuple(_image(picture, size, objects, names) for picture, size, objects in found)
    return DetectionSet(tuple(names), images, tuple(problems))


def _objects(file: Path, size: tuple[int, int], problems: list[str]) -> list[tuple[str, FloatArray, bool]]:
    objects = []
    for number, entry in enumerate(_parse(file.read_bytes()).iter("object"), start=1):
        try:
            name = (entry.findtext("name") or "").strip()
            corners = [float(entry.findtext(f"bndbox/{side}") or "nan") for side in ("xmin", "ymin", "xmax", "ymax")]
            if not name or not np.isfinite(corners).all():
                raise ValueError("its name or its box is missing")
            box = np.clip(np.array(corners), 0, (size[1], size[0], size[1], size[0])).astype(np.float32)
            if (box[2:] <= box[:2]).any():
                raise ValueError("its box has no area inside the image")
        except ValueError as error:
            problems.append(f"{file.name}: object {number} was left out: {error}.")
            continue
        objects.append((name, box, (entry.findtext("difficult") or "0").strip() == "1"))
    return objects


def _parse(content: bytes) -> ElementTree.Element:
    """XML without document types and entities, the ways to make a small file explode."""
    builder = ElementTree.TreeBuilder()

    def refuse(*_: Any) -> None:
        raise ValueError("it declares a document type or an entity")

    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: builder.start(name, attributes)
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.Parse(content, True)
    return builder.close()


def _image(
    path: Path, size: tuple[int, int], objects: list[tuple[str, FloatArray, bool]], names: list[str]
) -> LabelledImage:
    kept = [(name, box) for name, box, difficult in objects if not difficult]
    return LabelledImage(
        path=path,
        name=path.name,
        size=size,
        boxes=np.array([box for _, box in kept], dtype=np.float32).reshape(-1, 4),
        classes=np.array([names.index(name) for name, _ in kept], dtype=np.int64),
        ignore=np.array([box for _, box, difficult in objects if difficult], dtype=np.float32).reshape(-1, 4),
    )
