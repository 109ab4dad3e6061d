"""A folder of images -> what the search needs of each, and sentences about those that cannot be read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml_backend.duplicates.shelf import Shelf
from ml_backend.errors import BadRequest, NotFound
from strategies.near_duplicates.verification.picture import take_picture
from strategies.near_duplicates.verification.summary import summarise
from strategies.near_duplicates.verification.turns import thumbnail
from training.data import folders
from training.data.images import IMAGE_SUFFIXES, ImageDecodeError, content_hash, load_rgb
from training.types import Progress

AHEAD = 4


@dataclass(frozen=True)
class Reading:
    """One image file.

    Attributes:
        path: the file.
        bytes_hash: SHA-256 of the file.
        pixels_hash: SHA-256 of size and decoded pixels.
        summary: `(2, d)` float32 unit vectors, see `summarise`.
        thumbnail: `(32, 32)` float32.
        picture: its number on the shelf.
        reason: why it cannot be used, empty when it can.
    """

    path: Path
    bytes_hash: str = ""
    pixels_hash: str = ""
    summary: NDArray[np.float32] | None = None
    thumbnail: NDArray[np.float32] | None = None
    picture: int = -1
    reason: str = ""


def image_files(folder: Path) -> list[Path]:
    """Image files below `folder` in order of their names; hidden ones are passed over.

    Raises:
        NotFound: no such folder.
        BadRequest: it holds no image.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}; check the path.", code="folder.unknown")
    files = list(folders.image_files(folder).files)
    if not files:
        endings = ", ".join(sorted(IMAGE_SUFFIXES))
        raise BadRequest(
            f"There is no image in {folder}; PapLoop looks for files ending in {endings}.", code="folder.no_images"
        )
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


def read_all(files: Sequence[Path], shelf: Shelf, progress: Progress, threads: int) -> list[Reading]:
    """Read every file once, several at a time; the answer is in the order of `files`, the pictures are on the shelf."""
    readings: list[Reading] = []
    for reading in _in_order(files, shelf, threads):
        readings.append(reading)
        progress(len(readings) / len(files), f"{len(readings)} of {len(files)}")
    return readings


def _in_order(files: Sequence[Path], shelf: Shelf, threads: int) -> Iterator[Reading]:
    # a bounded window: `map` alone would hold every decoded image that waits for a slow one
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(files), threads * AHEAD):
            yield from pool.map(partial(read_one, shelf=shelf), files[start : start + threads * AHEAD])


def read_one(path: Path, shelf: Shelf) -> Reading:
    """Read one file; whatever is wrong with it becomes its reason."""
    try:
        image = load_rgb(path)
        pixels = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()
        picture = take_picture(image)
        return Reading(path, content_hash(path), pixels, summarise(picture), thumbnail(picture), shelf.put(picture))
    except (ImageDecodeError, OSError) as error:
        return Reading(path, reason=str(error))
