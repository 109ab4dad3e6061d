"""Samples whose pixels are needed and cannot be had are left out, by name, before a job starts."""

from __future__ import annotations

import dataclasses

from training.classification.request import Request, check_learnable
from training.data.images import ImageDecodeError, load_rgb
from training.types import TrainingError


def drop_unreadable(request: Request, needs: str) -> tuple[Request, dict[str, str]]:
    """The request without the samples whose image cannot be decoded, and why: path -> reason.

    Args:
        request: the job.
        needs: "embeddings" or "images"; files whose stored embedding suffices are not opened.

    Raises:
        TrainingError: what is left has fewer than two classes.
    """
    stored = needs == "embeddings" and request.vectors is not None
    if stored and all(sample.vector_row is not None for sample in request.samples):
        return request, {}
    bad: dict[str, str] = {}
    good = []
    for sample in request.samples:
        try:
            load_rgb(sample.path)
            good.append(sample)
        except ImageDecodeError as error:
            bad[str(sample.path)] = str(error)
    try:
        check_learnable(good)
    except TrainingError as error:
        first = next(iter(bad.values()), "")
        raise TrainingError(f"{error} {len(bad)} images cannot be read: {first}" if bad else str(error)) from error
    return dataclasses.replace(request, samples=tuple(good)), bad
