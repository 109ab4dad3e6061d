"""A folder of images -> what the search needs of each, and sentences about those that cannot be read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml_backend.errors import BadRequest, NotFound
from strategies.near_duplicates.verification.picture import Picture, take_picture
from strategies.near_duplicates.verification.summary import summarise
from strategies.near_duplicates.verification.turns import thumbnail
from training.data.images import IMAGE_SUFFIXES, ImageDecodeError, content_hash, load_rgb
from training.types import Progress

KEPT_PICTURES = 5000
"""Pictures held in memory, about 200 KB each; beyond that they are read again when a pair needs them."""

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
        picture: for verification; None where memory is to be spared.
        reason: why it cannot be used, empty when it can.
    """

    path: Path
    bytes_hash: str = ""
    pixels_hash: str = ""
    summary: NDArray[np.float32] | None = None
    thumbnail: NDArray[np.float32] | None = None
    picture: Picture | None = None
    reason: str = ""


def image_files(folder: Path) -> list[Path]:
    """Image files below `folder` in order of their names; hidden ones are passed over.

    Raises:
        NotFound: no such folder.
        BadRequest: it holds no image.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}; check the path.")
    files = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not files:
        endings = ", ".join(sorted(IMAGE_SUFFIXES))
        raise BadRequest(f"There is no image in {folder}; files ending in {endings} are looked for.")
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


def read_all(files: Sequence[Path], progress: Progress, threads: int) -> list[Reading]:
    """Read every file once, several at a time; the answer is in the order of `files`."""
    readings: list[Reading] = []
    for reading in _in_order(files, threads):
        readings.append(reading if len(readings) < KEPT_PICTURES else replace(reading, picture=None))
        progress(len(readings) / len(files), f"{len(readings)} of {len(files)}")
    return readings


def _in_order(files: Sequence[Path], threads: int) -> Iterator[Reading]:
    # a bounded window: `map` alone would hold every decoded image that waits for a slow one
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(files), threads * AHEAD):
            yield from pool.map(read_one, files[start : start + threads * AHEAD])


def read_one(path: Path) -> Reading:
    """Read one file; whatever is wrong with it becomes its reason."""
    try:
        image = load_rgb(path)
        pixels = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()
        picture = take_picture(image)
        return Reading(path, content_hash(path), pixels, summarise(picture), thumbnail(picture), picture)
    except (ImageDecodeError, OSError) as error:
        return Reading(path, reason=str(error))


class Pictures:
    """Pictures by number: those that were kept, and of the others the last used ones."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = readings
        self._again = lru_cache(maxsize=KEPT_PICTURES // 10)(self._take)

    @property
    def summaries(self) -> NDArray[np.float32]:
        """`(n, 2, d)` float32."""
        return np.stack(
            [r.summary for r in self._readings if r.summary is not None] or [np.zeros((2, 1), np.float32)], dtype=np.float32
        )

    @property
    def thumbnails(self) -> NDArray[np.float32]:
        """`(n, 32, 32)` float32."""
        return np.stack([r.thumbnail for r in self._readings if r.thumbnail is not None])

    def __getitem__(self, number: int) -> Picture:
        return self._readings[number].picture or self._again(number)

    def _take(self, number: int) -> Picture:
        return take_picture(load_rgb(self._readings[number].path))
