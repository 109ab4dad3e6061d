"""Who knows the truth: class folders or a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ml_backend.errors import BadRequest, NotFound
from ml_backend.ingest import scan
from ml_backend.items import display_name
from ml_backend.seed import folder_class
from ml_backend.services import Services


@dataclass(frozen=True)
class Oracle:
    """True classes by image name.

    Attributes:
        truth: path below the ingested folder, or plain file name -> class.
    """

    truth: Mapping[str, str]

    def label_of(self, name: str) -> str | None:
        """The true class of an image, None when it is not known."""
        return self.truth.get(name) or self.truth.get(PurePosixPath(name).name)

    def classes(self) -> list[str]:
        """All classes, sorted."""
        return sorted(set(self.truth.values()))


def mistaken(label: str, classes: Sequence[str], rate: float, rng: np.random.Generator) -> str:
    """The label an expert gives who errs at a rate, evenly towards the other classes."""
    others = [name for name in classes if name != label]
    if not others or rng.random() >= rate:
        return label
    return others[int(rng.integers(len(others)))]


def read_oracle(source: Path) -> Oracle:
    """The truth from a folder of class folders, or from a CSV file with the columns `image` and `label`.

    Raises:
        NotFound: there is no such file or folder.
        BadRequest: it tells no class.
    """
    if source.is_dir():
        root = source.expanduser().resolve()
        names = [path.relative_to(root).as_posix() for path in scan(root)]
        return _checked({name: folder_class(name) for name in names if folder_class(name)}, source)
    if not source.is_file():
        raise NotFound(f"There is no folder or file {source} to take the true classes from; check the path.")
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadRequest(f"{source} cannot be read as CSV ({error}); it needs the columns image and label.") from error
    if rows and not {"image", "label"} <= rows[0].keys():
        raise BadRequest(f"{source} has the columns {', '.join(rows[0])}; it needs image and label.")
    return _checked({str(row["image"]): str(row["label"]) for row in rows if row["image"] and row["label"]}, source)


def project_oracle(services: Services, project_id: int) -> Oracle:
    """The truth from the class folders that a project's images were ingested from.

    Raises:
        BadRequest: they lay in no class folders.
    """
    names = [display_name(item) for item in services.store.items(project_id)]
    truth = {name: folder_class(name) for name in names if folder_class(name)}
    if not truth:
        raise BadRequest(
            f"The images of project {project_id} lie in no class folders, so their true classes are not known; "
            "name a folder with class sub-folders or a CSV file."
        )
    return Oracle(truth)


def _checked(truth: Mapping[str, str], source: Path) -> Oracle:
    if not truth:
        raise BadRequest(
            f"{source} tells the class of no image; sort images into class sub-folders, or use a CSV file."
        )
    return Oracle(truth)
