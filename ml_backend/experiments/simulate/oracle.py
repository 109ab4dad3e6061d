"""Sources of true labels: class folders, a table or an export."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ml_backend.errors import BadRequest, NotFound
from ml_backend.images.items import display_name
from ml_backend.intake.ingest import names_below
from ml_backend.intake.label_files.reading import Source, read_source
from ml_backend.intake.seed import folder_classes
from ml_backend.state.rows.items import ItemRows
from training.data.class_folders import ClassFolders
from training.data.names import NameIndex

NO_PARTS = ClassFolders({})


@dataclass(frozen=True)
class Oracle:
    """True classes by image name.

    Attributes:
        truth: path below the ingested folder, or plain file name -> class.
        folders: how the folders of these paths are read.
    """

    truth: Mapping[str, str]
    folders: ClassFolders = NO_PARTS

    @cached_property
    def _names(self) -> tuple[NameIndex, list[str]]:
        labels = list(self.truth.values())
        return NameIndex(zip(self.truth, range(len(labels)), strict=True)), labels

    def label_of(self, name: str) -> str | None:
        """The true class of an image, None when it is not known."""
        index, labels = self._names
        key = index.find(name).key
        return None if key is None else labels[key]

    def classes(self) -> list[str]:
        """All classes, sorted."""
        return sorted(set(self.truth.values()))


def mistaken(label: str, classes: Sequence[str], rate: float, rng: np.random.Generator) -> str:
    """The label of an expert with an error rate; errors are uniform over the other classes."""
    others = [name for name in classes if name != label]
    if not others or rng.random() >= rate:
        return label
    return others[int(rng.integers(len(others)))]


def read_oracle(source: Path) -> Oracle:
    """The truth from a folder of class folders, or from a file that `read_source` knows, such as a table.

    Raises:
        NotFound: there is no such file or folder.
        BadRequest: it tells no class.
    """
    if source.is_dir():
        names = names_below(source)
        folders = ClassFolders.of(names)
        return _checked({name: said for name in names if (said := folders.class_of(name))}, source, folders)
    if not source.is_file():
        raise NotFound(f"There is no folder or file {source} with the true classes. Check the path.")
    return oracle_of(read_source(source, "auto"), source)


def oracle_of(labels: Source, source: Path) -> Oracle:
    """The truth from labels that were read; an image with two classes has none.

    Raises:
        BadRequest: they tell no class.
    """
    said: dict[str, set[str]] = defaultdict(set)
    for entry in labels.entries:
        if entry.label is not None:
            said[entry.name].add(entry.label)
    return _checked({name: next(iter(found)) for name, found in said.items() if len(found) == 1}, source)


def project_oracle(rows: ItemRows, project_id: int) -> Oracle:
    """The truth from the class folders that a project's images were ingested from.

    Raises:
        BadRequest: they lay in no class folders.
    """
    items = rows.all(project_id)
    said = folder_classes(items)
    truth = {display_name(item): said[item.id] for item in items if item.id in said}
    if not truth:
        raise BadRequest(
            f"The images of project {project_id} are not in class folders, so their true classes are unknown. "
            "Give a folder with class subfolders or a CSV file."
        )
    return Oracle(truth)


def _checked(truth: Mapping[str, str], source: Path, folders: ClassFolders = NO_PARTS) -> Oracle:
    if not truth:
        raise BadRequest(
            f"{source} does not give the class of any image. Sort the images into class subfolders or use a CSV file."
        )
    return Oracle(truth, folders)
