"""Append-only float32 matrix in a file; rows are named by their number forever.

`vectors.f32` holds the rows, `rows.json` how many of them are committed. Data is forced to disk before the count, so
whatever a crash leaves behind the committed rows is cut by the next append and never read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ml_backend.errors import BadRequest, Damaged, NotFound
from ml_backend.state.arrays import FloatArray, IntArray

from .files import DataDir, file_lock, in_words, write_atomic

_ITEM_BYTES = 4


class Vectors:
    """The embeddings of one encoder; safe for several threads and processes.

    Args:
        directory: folder of the matrix, created when missing.
        dimension: length of a row; must be what the folder was created with.

    Raises:
        Damaged: the folder holds rows of another length.
    """

    def __init__(self, directory: Path, dimension: int) -> None:
        if dimension < 1:
            raise BadRequest(f"Embeddings must have at least one column, not {dimension}; check the encoder.")
        self.directory = directory
        self.dimension = dimension
        self.path = directory / "vectors.f32"
        self._state = directory / "rows.json"
        self._lock = directory / "append.lock"
        with in_words(f"create {directory}"):
            directory.mkdir(parents=True, exist_ok=True)
        self._committed()

    @classmethod
    def existing(cls, directory: Path) -> Self:
        """The matrix of a folder that holds rows already.

        Raises:
            NotFound: nothing was embedded there yet.
            Damaged: the folder is damaged.
        """
        try:
            dimension = int(json.loads((directory / "rows.json").read_text())["dimension"])
        except FileNotFoundError as error:
            raise NotFound(f"No image has been embedded into {directory} yet. Run `paploop ingest` first.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(f"{directory / 'rows.json'} cannot be read; restore it from a backup.") from error
        return cls(directory, dimension)

    @classmethod
    def of(cls, files: DataDir, encoder_key: str, dimension: int | None = None) -> Self:
        """The embeddings of one encoder.

        Args:
            files: the data directory.
            encoder_key: key of the encoder.
            dimension: length of a row; only needed until the first image was embedded.

        Raises:
            NotFound: nothing was embedded yet, and no dimension is given.
            Damaged: the folder is damaged, or holds rows of another length.
        """
        folder = files.vectors_dir(encoder_key)
        return cls(folder, dimension) if dimension else cls.existing(folder)

    def __len__(self) -> int:
        return self._committed()

    def append(self, vectors: FloatArray) -> int:
        """Add `(k, d)` rows; returns the number of the first one once they are on disk.

        Raises:
            BadRequest: wrong shape, or a value that is not finite.
            Unavailable: the disk is full or cannot be written.
        """
        rows = np.ascontiguousarray(vectors, dtype="<f4")
        if rows.ndim != 2 or rows.shape[1] != self.dimension:
            raise BadRequest(
                f"Expected embeddings of shape (k, {self.dimension}), got {rows.shape}; check the encoder's name."
            )
        broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(broken):
            raise BadRequest(f"Embedding {int(broken[0])} of {len(rows)} is not finite. Check that image.")
        with file_lock(self._lock), in_words(f"write {self.path}"):
            first = self._committed()
            if len(rows):
                self._write(rows, first)
        return first

    def rows(self, indices: Sequence[int] | IntArray) -> NDArray[np.float32]:
        """A copy of the named rows, `(k, d)` float32, in the order asked for.

        Raises:
            NotFound: a row does not exist.
        """
        wanted = np.asarray(indices, dtype=np.int64).reshape(-1)
        matrix = self.matrix()
        outside = wanted[(wanted < 0) | (wanted >= len(matrix))]
        if len(outside):
            raise NotFound(
                f"Embedding {int(outside[0])} is not in {self.path.parent.name}, which has {len(matrix)}; "
                "compute the embeddings of these items again."
            )
        return np.array(matrix[wanted], dtype=np.float32)

    def matrix(self) -> NDArray[np.float32]:
        """All committed rows as a read-only memory map, `(n, d)` float32; rows appended later are not in it.

        Raises:
            Damaged: the file is shorter than the committed count.
        """
        count = self._committed()
        if count == 0:
            return np.empty((0, self.dimension), dtype=np.float32)
        self._check_length(count)
        return np.memmap(self.path, dtype="<f4", mode="r", shape=(count, self.dimension))

    def _write(self, rows: NDArray[np.float32], first: int) -> None:
        start = first * self.dimension * _ITEM_BYTES
        if first:
            self._check_length(first)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "r+b") as file:
            file.truncate(start)
            file.seek(start)
            file.write(rows.data)
            file.flush()
            os.fsync(file.fileno())
        write_atomic(self._state, json.dumps({"dimension": self.dimension, "rows": first + len(rows)}))

    def _committed(self) -> int:
        try:
            state = json.loads(self._state.read_text())
            dimension, rows = int(state["dimension"]), int(state["rows"])
        except FileNotFoundError:
            return 0
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(
                f"{self._state} cannot be read; restore it from a backup, or remove the folder "
                "and compute the embeddings again."
            ) from error
        if dimension != self.dimension:
            raise Damaged(
                f"{self.directory} contains embeddings of length {dimension}, not {self.dimension}, because "
                "the encoder has changed. Use another folder for it."
            )
        return rows

    def _check_length(self, count: int) -> None:
        size = self.path.stat().st_size if self.path.exists() else 0
        if size < count * self.dimension * _ITEM_BYTES:
            raise Damaged(
                f"{self.path} should contain {count} embeddings but is shorter; restore it from a backup, or "
                "remove the folder and compute the embeddings again."
            )
