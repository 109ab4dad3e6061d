"""The class names of a YOLO folder by their numbers, from `classes.txt` or `data.yaml`."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import yaml

from training.data.values import Unusable, read_text, repeated, text_of, whole
from training.types import TrainingError

CLASSES, DESCRIPTIONS = "classes.txt", ("data.yaml", "data.yml", "dataset.yaml")


def class_names(folder: Path, labels: Path) -> dict[int, str]:
    """Class number -> name; a number without a name is missing.

    Args:
        folder: with `classes.txt` or `data.yaml`.
        labels: where `classes.txt` may lie as well.

    Raises:
        TrainingError: there are no names, two are the same, or the two files contradict each other.
    """
    listed = next((file for file in (folder / CLASSES, labels / CLASSES) if file.is_file()), None)
    told: dict[int, str] = {}
    if listed is not None:
        told = {number: name for number, line in enumerate(read_text(listed).splitlines()) if (name := line.strip())}
    source, described = _described(folder)
    if told and described and told != described:
        raise TrainingError(
            f"{CLASSES} and {source} of {folder.name} name the classes differently. Correct one of them."
        )
    names = told or described
    if not names:
        raise TrainingError(
            f"The class names of {folder.name} are missing. Add {CLASSES}, with one name per line, or "
            f"{DESCRIPTIONS[0]}."
        )
    if twins := repeated(names.values()):
        raise TrainingError(f"Two classes of {folder.name} have the same name, {twins[0]}; give each its own.")
    return names


def keypoints_of(folder: Path) -> int:
    """How many numbers of key points stand behind each box, by `kpt_shape` in the description."""
    shape = _description(folder)[1].get("kpt_shape")
    if not isinstance(shape, yaml.SequenceNode) or not shape.value:
        return 0
    try:
        return prod(whole(side.value) for side in shape.value)
    except Unusable:
        return 0


def _described(folder: Path) -> tuple[str, dict[int, str]]:
    """The description's name, and the class names in it."""
    file, content = _description(folder)
    found = content.get("names")
    pairs: list[tuple[Any, Any]] = []
    if isinstance(found, yaml.SequenceNode):
        pairs = list(enumerate(node.value for node in found.value))
    elif isinstance(found, yaml.MappingNode):
        pairs = [(key.value, node.value) for key, node in found.value]
    names: dict[int, str] = {}
    for key, value in pairs:
        try:
            number = whole(key)
        except Unusable:
            raise TrainingError(
                f"The names in {file} have a key that is not a number, {key}. Use numbers as keys."
            ) from None
        name = text_of(value)
        if names.get(number, name) != name:
            raise TrainingError(f"Two names in {file} have the number {number}; give each its own.")
        if name:
            names[number] = name
    return file, names


def _description(folder: Path) -> tuple[str, dict[str, yaml.Node]]:
    """The description's name and its entries as they are written.

    Nodes, not values: a class called `no` or `1.0` keeps its name, and a number that stands there twice is seen.
    """
    file = next((name for name in DESCRIPTIONS if (folder / name).is_file()), "")
    if not file:
        return DESCRIPTIONS[0], {}
    try:
        root = yaml.compose(read_text(folder / file), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise TrainingError(f"{file} of {folder.name} is not valid YAML{where}. Correct it.") from error
    entries = root.value if isinstance(root, yaml.MappingNode) else []
    return file, {str(key.value): node for key, node in entries}
