"""Images waiting for their comparison: the first in memory, the others in a temporary folder."""

from __future__ import annotations

import itertools
import tempfile
import zipfile
from functools import lru_cache
from pathlib import Path
from types import TracebackType

import numpy as np

from strategies.near_duplicates.verification.picture import Picture

IN_MEMORY = 5000
"""Pictures held in memory, about 170 KB each."""

AGAIN = 500


class Shelf:
    """Stores images and returns them by number; a context manager that removes its folder."""

    def __init__(self) -> None:
        self._near: dict[int, Picture] = {}
        self._numbers = itertools.count()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._read = lru_cache(maxsize=AGAIN)(self._from_file)

    def __enter__(self) -> Shelf:
        self._folder = tempfile.TemporaryDirectory(prefix="paploop-duplicates-")
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def put(self, picture: Picture) -> int:
        """Keep a picture; its number."""
        number = next(self._numbers)
        if number < IN_MEMORY:
            self._near[number] = picture
            return number
        nothing = np.zeros((0, 0), np.bool_)
        np.savez(
            self._file(number),
            size=np.array(picture.size),
            grey=picture.grey,
            gain=np.array(picture.gain),
            points=picture.points,
            descriptors=picture.descriptors,
            colour=picture.colour,
            ground=nothing if picture.ground is None else picture.ground,
        )
        return number

    def get(self, number: int) -> Picture:
        """The picture with that number."""
        return self._near[number] if number in self._near else self._read(number)

    def _file(self, number: int) -> Path:
        if self._folder is None:
            raise RuntimeError("The shelf is closed; keep it open while images are compared.")
        return Path(self._folder.name) / f"{number}.npz"

    def _from_file(self, number: int) -> Picture:
        try:
            with np.load(self._file(number), allow_pickle=False) as parts:
                height, width = parts["size"].tolist()
                ground = parts["ground"] if parts["ground"].size else None
                return Picture(
                    (height, width),
                    parts["grey"],
                    float(parts["gain"]),
                    parts["points"],
                    parts["descriptors"],
                    parts["colour"],
                    ground,
                )
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise RuntimeError(f"A temporary file is missing ({error}). Run the search again.") from error
