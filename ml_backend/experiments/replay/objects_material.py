"""Images with known objects as the material of a replay: a pool to choose from and a frozen test part."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ml_backend.errors import BadRequest
from training.data.detection_set import DetectionSet, LabelledImage, grouped, renumbered, split
from training.data.images import ImageDecodeError, content_hash, load_rgb
from training.data.importers.objects import read_objects
from training.types import Progress

SALT = "replay"


@dataclass(frozen=True)
class Material:
    """What is replayed.

    Attributes:
        pool: images to choose from, with the objects that an annotator would draw.
        test: images that only measure; no source group is in both.
        problems: what was left out and why, one sentence each.
    """

    pool: DetectionSet
    test: DetectionSet
    problems: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Of images and objects: rounds of other data are never mixed."""
        digest = hashlib.sha256()
        for part in (self.pool, self.test):
            digest.update(repr((part.classes, len(part.images))).encode())
            for image in part.images:
                digest.update(repr((image.name, image.size)).encode())
                digest.update(image.boxes.tobytes())
                digest.update(image.classes.tobytes())
        return digest.hexdigest()[:16]


def read_material(
    pool: Path | DetectionSet,
    test: Path | DetectionSet | None,
    fraction: float,
    pattern: str,
    progress: Progress,
    *,
    allow_left_out: bool = False,
) -> Material:
    """Read a COCO, YOLO or VOC folder; without a test folder whole source groups of it are held out.

    Images that cannot be decoded are left out, and so are images of the pool that are in the test folder as well.

    Args:
        pool: folder to choose from, or a set that was read already.
        test: what to measure on, or None.
        fraction: share held out where there is no test folder.
        pattern: finds the source group in a file name; empty: see `training.data.detection_set.default_group`.
        progress: called with the progress.
        allow_left_out: go on where more than a few percent of the objects cannot be read.

    Raises:
        TrainingError: a folder is no such folder, or nothing in it can be used.
        BadRequest: too little is left.
    """
    whole = grouped(read_objects(pool, allow_left_out=allow_left_out), pattern)
    if test is None:
        return divided(whole, fraction, progress)
    problems: list[str] = []
    measured = grouped(read_objects(test, allow_left_out=allow_left_out), pattern)
    held = _readable(renumbered(measured, whole.classes), problems, progress)
    chosen = _without(_readable(whole, problems, progress), held, problems)
    return _checked(Material(chosen, held, (*whole.problems, *held.problems, *problems)))


def divided(whole: DetectionSet, fraction: float, progress: Progress) -> Material:
    """Hold out whole source groups of a set.

    Args:
        whole: images with objects and groups.
        fraction: share held out.
        progress: called with the progress.

    Raises:
        TrainingError: all images are of one group.
        BadRequest: too little is left.
    """
    problems: list[str] = []
    readable = _readable(whole, problems, progress)
    if len(readable.images) < 2:
        raise BadRequest(f"A replay needs at least a dozen usable images; there are {len(readable.images)}.")
    chosen, held = split(readable, fraction, SALT)
    return _checked(Material(chosen, held, (*whole.problems, *problems)))


def _checked(material: Material) -> Material:
    for part, what in ((material.pool, "to choose from"), (material.test, "to measure on")):
        if not any(len(image.boxes) for image in part.images):
            raise BadRequest(f"No image {what} has a labeled object. Give more labeled images.")
    return material


def _readable(data: DetectionSet, problems: list[str], progress: Progress) -> DetectionSet:
    kept: list[LabelledImage] = []
    for number, image in enumerate(data.images, start=1):
        progress(number / len(data.images), image.name)
        try:
            load_rgb(image.path)
        except ImageDecodeError as error:
            problems.append(f"{error} It was left out.")
            continue
        kept.append(image)
    return replace(data, images=tuple(kept))


def _without(pool: DetectionSet, test: DetectionSet, problems: list[str]) -> DetectionSet:
    """The pool without the files of the test part."""
    known = {content_hash(image.path) for image in test.images}
    kept = tuple(image for image in pool.images if content_hash(image.path) not in known)
    if len(kept) < len(pool.images):
        problems.append(f"{len(pool.images) - len(kept)} images of the pool are also test images; they were left out.")
    if not kept:
        raise BadRequest("Every image of the pool is also a test image, so the pool is empty. Give another one.")
    return replace(pool, images=kept)


def counts(material: Material) -> Mapping[str, int]:
    """Images and objects on both sides."""
    return {
        "pool_images": len(material.pool.images),
        "pool_objects": sum(material.pool.counts().values()),
        "test_images": len(material.test.images),
        "test_objects": sum(material.test.counts().values()),
    }
