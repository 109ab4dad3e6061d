"""The list of samples that a training job reads: JSON lines, one `Sample` each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from training.data.json_lines import read_lines, write_lines
from training.types import Json, Sample

SPLITS = ("train", "validation")


def write_manifest(path: Path, samples: Iterable[Sample]) -> None:
    """Write samples to `path` in order; readers see the old file or the whole new one."""
    entries = (
        {
            "id": sample.id,
            "path": str(sample.path),
            "label": sample.label,
            "split": sample.split,
            "group": sample.group,
            "vector_row": sample.vector_row,
        }
        for sample in samples
    )
    write_lines(path, entries)


def read_manifest(path: Path) -> list[Sample]:
    """The samples of `path` in order.

    Raises:
        TrainingError: the file is missing, or a line is not a sample; the message names the line.
    """
    return read_lines(path, _sample)


def _sample(fields: Json) -> Sample:
    if fields["split"] not in SPLITS:
        raise ValueError(f"split is {fields['split']!r}, not train or validation")
    row = fields.get("vector_row")
    return Sample(
        id=int(fields["id"]),
        path=Path(fields["path"]),
        label=None if fields["label"] is None else str(fields["label"]),
        split=str(fields["split"]),
        group=str(fields["group"]),
        vector_row=None if row is None else int(row),
    )
