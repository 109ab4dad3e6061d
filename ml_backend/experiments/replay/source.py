"""Labeled images as arrays: from class folders or from a project's own confirmed labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml_backend.errors import BadRequest
from strategies.base import BoolArray, FloatArray, IntArray
from training.classification.vectors import embed_paths
from training.data.class_list import ClassList
from training.data.importers.class_folder import read_parts
from training.types import Progress


@dataclass(frozen=True)
class LabelledSet:
    """Labeled images, ready for a replay.

    Attributes:
        vectors: `(n, d)` float32 unit vectors.
        labels: `(n,)` int64 class index.
        groups: `(n,)` int64; equal number = one patient, slide or source image.
        classes: names in order.
        names: what `groups` were made from, one per image.
        left_out: images that could not be used.
    """

    vectors: FloatArray
    labels: IntArray
    groups: IntArray
    classes: tuple[str, ...]
    names: tuple[str, ...]
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, chosen: BoolArray) -> LabelledSet:
        """The images of a mask `(n,)`."""
        names = tuple(name for name, keep in zip(self.names, chosen.tolist(), strict=True) if keep)
        return LabelledSet(
            self.vectors[chosen], self.labels[chosen], self.groups[chosen], self.classes, names, self.left_out
        )


def group_numbers(names: Sequence[str], gap: int = 0) -> IntArray:
    """Number the groups of images; names that are whole numbers within `gap` of each other are one group.

    Args:
        names: `(n,)` group names.
        gap: largest difference of neighboring numbers in a group; 0 = only equal names.

    Returns:
        `(n,)` int64 from 0.
    """
    if gap > 0 and names and all(re.fullmatch(r"\d{1,18}", name) for name in names):
        values, inverse = np.unique(np.array([int(name) for name in names]), return_inverse=True)
        return np.asarray(np.concatenate([[0], np.cumsum(np.diff(values) > gap)])[inverse], dtype=np.int64)
    return np.asarray(np.unique(np.array(names, dtype=str), return_inverse=True)[1], dtype=np.int64)


def read_folders(
    folders: Sequence[Path | ClassList],
    encoder: str,
    pattern: str,
    gap: int,
    threads: int,
    progress: Progress | None = None,
) -> list[LabelledSet]:
    """Class folders, embedded, with class indices and group numbers that mean the same in all of them.

    One folder that is split itself (`train`, `test`) gives two sets, what is to be learned from and what is kept apart.

    Args:
        folders: each `folder/<class>/**/<image>`, see `training.data.class_folders`, or a list.
        encoder: name for `training.encoders.load_encoder`.
        pattern: finds the source group in a file name.
        gap: see `group_numbers`.
        threads: of the encoder.
        progress: called with the progress of embedding.

    Raises:
        TrainingError: no such folder, or fewer than two classes.
    """
    read = [read_parts(folder, pattern=pattern) for folder in folders]
    samples = [part for part in read[0] if part] if len(folders) == 1 else [[*learned, *kept] for learned, kept in read]
    every = [sample for part in samples for sample in part]
    vectors = embed_paths(encoder, [sample.path for sample in every], threads, progress)
    # Without a pattern every file is a group of its own, whatever it is called in the other folder.
    owners = np.repeat(np.arange(len(samples)), [len(part) for part in samples])
    names = [
        sample.group if pattern else f"{owner}:{sample.group}" for sample, owner in zip(every, owners, strict=True)
    ]
    classes = tuple(sorted({str(sample.label) for sample in every}))
    labels = np.array([classes.index(str(sample.label)) for sample in every], dtype=np.int64)
    readable = np.isfinite(vectors).all(axis=1)
    if readable.sum() < 2:
        raise BadRequest("Fewer than two images can be read. Check the folder.")
    whole = LabelledSet(vectors, labels, group_numbers(names, gap), classes, tuple(names))
    parts = []
    for number in range(len(samples)):
        mine = whole.part((owners == number) & readable)
        lost = int(((owners == number) & ~readable).sum())
        parts.append(LabelledSet(mine.vectors, mine.labels, mine.groups, classes, mine.names, lost))
    return parts


def hold_out(images: LabelledSet, fraction: float, seed: int, tries: int = 60) -> BoolArray:
    """A test part `(n,)` of whole groups, its classes as near to the fraction as random draws of groups get.

    Args:
        images: what to split.
        fraction: share of the images held out.
        seed: of the draws.
        tries: how many draws the best is chosen from.

    Raises:
        BadRequest: fewer than two groups.
    """
    groups = np.unique(images.groups)
    if len(groups) < 2:
        raise BadRequest(
            "All images are in one group, so nothing can be held out. Give --test or another group pattern."
        )
    rng = np.random.default_rng(seed)
    sizes = np.bincount(images.groups, minlength=int(groups.max()) + 1)
    totals = np.bincount(images.labels, minlength=len(images.classes))
    best: BoolArray = np.zeros(len(images), dtype=bool)
    gap = np.inf
    for _ in range(tries):
        order = rng.permutation(groups)
        count = int(np.searchsorted(np.cumsum(sizes[order]), fraction * len(images))) + 1
        test = np.isin(images.groups, order[: min(count, len(groups) - 1)])
        shares = np.bincount(images.labels[test], minlength=len(totals)) / np.maximum(totals, 1)
        off = float(np.abs(shares[totals > 0] - fraction).max())
        if off < gap:
            best, gap = test, off
    return best
