"""What happened to each detection at IoU 0.5, kept small, so that AP50 can be computed for other images of the set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.types import FloatArray, IntArray, TrainingError

RECALLS = np.linspace(0, 1, 101)
"""Recalls at which precision is read."""


@dataclass(frozen=True)
class Matches:
    """Detections against the truth, without those that count neither for nor against.

    Attributes:
        images: `(k,)` int64, image of each detection, 0 to n - 1.
        classes: `(k,)` int64.
        scores: `(k,)` float32.
        hits: `(k,)` bool: it found an object that nothing better had found.
        objects: `(n, c)` int64 objects of each class on each image.
    """

    images: IntArray
    classes: IntArray
    scores: FloatArray
    hits: NDArray[np.bool_]
    objects: IntArray

    @classmethod
    def of(cls, evaluated: Sequence[Any], images: int, classes: int, ranges: int) -> Matches:
        """From pycocotools' `COCOeval.evalImgs` with IoU 0.5 as its first threshold and all sizes as its first range.

        Args:
            evaluated: one entry for each class, size range and image, in this order.
            images: n.
            classes: c.
            ranges: how many ranges of size.
        """
        objects = np.zeros((images, classes), dtype=np.int64)
        parts: list[tuple[IntArray, IntArray, FloatArray, NDArray[np.bool_]]] = []
        for number in range(classes):
            for image in range(images):
                entry = evaluated[(number * ranges) * images + image]
                if entry is None:
                    continue
                objects[image, number] = int((np.asarray(entry["gtIgnore"]) == 0).sum())
                counted = ~np.asarray(entry["dtIgnore"][0], dtype=bool)
                hits = np.asarray(entry["dtMatches"][0])[counted] > 0
                scores = np.asarray(entry["dtScores"], dtype=np.float32)[counted]
                parts.append((np.full(len(hits), image), np.full(len(hits), number), scores, hits))
        empty = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, dtype=bool))
        of_image, of_class, scores, hits = (np.concatenate(column) for column in zip(*(parts or [empty]), strict=True))
        order = np.argsort(-scores, kind="stable")
        return cls(of_image[order], of_class[order], scores[order], hits[order], objects)

    def ap50(self, times: IntArray | None = None) -> float:
        """Mean over the classes with objects of the average precision at IoU 0.5, as COCO defines it.

        Args:
            times: `(n,)` how often each image counts; None: once.

        Returns:
            NaN where no image that counts has an object.
        """
        shown = np.ones(len(self.objects), dtype=np.int64) if times is None else times
        weights = shown[self.images].astype(np.float64)
        totals = shown @ self.objects
        values = [self._precision(number, weights, int(total)) for number, total in enumerate(totals) if total]
        return float(np.mean(values)) if values else float("nan")

    def _precision(self, number: int, weights: NDArray[np.float64], total: int) -> float:
        mine = self.classes == number
        hits, weight = self.hits[mine], weights[mine]
        right, wrong = np.cumsum(weight * hits), np.cumsum(weight * ~hits)
        precision = right / np.maximum(right + wrong, 1e-12)
        best = np.maximum.accumulate(precision[::-1])[::-1]
        places = np.searchsorted(right / total, RECALLS - 1e-12)
        return float(np.where(places < len(best), np.append(best, 0.0)[np.minimum(places, len(best))], 0.0).mean())

    def save(self, path: Path) -> None:
        """Write as npz without pickles; small numbers, for there is one file per round."""
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                images=self.images.astype(np.int32),
                classes=self.classes.astype(np.int16),
                scores=self.scores,
                hits=self.hits,
                objects=self.objects.astype(np.int32),
            )

    @classmethod
    def load(cls, path: Path) -> Matches:
        """What `save` wrote.

        Raises:
            TrainingError: the file is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as held:
                columns = [held[name] for name in ("images", "classes", "scores", "hits", "objects")]
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise TrainingError(f"{path.name} cannot be read ({error}). Remove it and measure again.") from error
        images, classes, scores, hits, objects = columns
        return cls(images.astype(np.int64), classes.astype(np.int64), scores, hits, objects.astype(np.int64))
