"""A folder with one sub-folder a class -> samples."""

from __future__ import annotations

from pathlib import Path

from training.data.images import IMAGE_SUFFIXES
from training.data.split import assign_split, source_group
from training.types import Sample, TrainingError


def read_class_folder(root: Path, *, pattern: str = "", fraction: float = 0.2, salt: str = "paploop") -> list[Sample]:
    """Samples of `root/<class>/**/<image>`, in the order of their paths; hidden files and folders are passed over.

    Args:
        root: folder of class folders.
        pattern: finds the source group in a path below its class folder, see `source_group`.
        fraction: share of groups held out for validation.
        salt: see `assign_split`.

    Raises:
        TrainingError: no such folder, or fewer than two class folders with images.
    """
    if not root.is_dir():
        raise TrainingError(f"There is no folder {root}; check the path.")
    samples: list[Sample] = []
    for path in sorted(root.glob("*/**/*")):
        inside = path.relative_to(root)
        if (
            path.suffix.lower() not in IMAGE_SUFFIXES
            or not path.is_file()
            or any(p.startswith(".") for p in inside.parts)
        ):
            continue
        group = source_group(Path(*inside.parts[1:]).as_posix(), pattern)
        # Without a pattern two classes may use one file name for different images.
        group = group if pattern else inside.as_posix()
        split = assign_split(group, fraction, salt)
        samples.append(Sample(id=len(samples), path=path, label=inside.parts[0], split=split, group=group))
    if len({sample.label for sample in samples}) < 2:
        raise TrainingError(f"There are fewer than two class folders with images in {root}; give one folder a class.")
    return samples
