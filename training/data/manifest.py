"""The list of samples that a training job reads: JSON lines, one `Sample` each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from training.files import write_bytes_atomic
from training.types import Sample, TrainingError

SPLITS = ("train", "validation")


def write_manifest(path: Path, samples: Iterable[Sample]) -> None:
    """Write samples to `path` in order; readers see the old file or the whole new one."""
    lines = [
        json.dumps(
            {
                "id": sample.id,
                "path": str(sample.path),
                "label": sample.label,
                "split": sample.split,
                "group": sample.group,
                "vector_row": sample.vector_row,
            },
            ensure_ascii=False,
        )
        for sample in samples
    ]
    write_bytes_atomic(path, "".join(f"{line}\n" for line in lines).encode())


def read_manifest(path: Path) -> list[Sample]:
    """The samples of `path` in order.

    Raises:
        TrainingError: the file is missing, or a line is no sample; the message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"The manifest {path.name} cannot be read ({error}); start the run again.") from error
    samples = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            samples.append(_sample(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrainingError(
                f"Line {number} of the manifest {path.name} is not a sample ({error}); write the manifest again."
            ) from error
    return samples


def _sample(fields: dict[str, Any]) -> Sample:
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
