"""The cells of an index on disk, so that a million vectors are not clustered anew at every start.

The vectors themselves live in their matrix; the snapshot is a cache that is believed only when it is whole and fits the
matrix. Whatever moment a process is killed at, the next start loads the last whole snapshot and adds what is missing,
or builds anew.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from strategies.base import FloatArray, IntArray
from strategies.near_duplicates.approximate import ApproximateIndex, learn_cells

_MAGIC = b"paploop cells 1\n"
_DIGEST = 32
_CHECKED_ROWS = 64
_BATCH = 65536


def open_index(path: Path, vectors: FloatArray, seed: int) -> ApproximateIndex:
    """The index of all rows of a matrix: from the snapshot where it fits, else learned anew; then saved if it changed.

    Args:
        path: snapshot file; it may be missing or damaged.
        vectors: `(n, d)` unit vectors, may be memory-mapped.
        seed: for the cells, when they are learned.
    """
    loaded = _load(path, vectors)
    centres, cells = loaded or (learn_cells(vectors, np.random.default_rng(seed)), np.zeros(0, np.int64))
    # learned for a sixteenth of today's vectors, the cells are four times as full as they should be
    if loaded and len(centres) ** 2 * 4 < len(vectors):
        centres, cells = learn_cells(vectors, np.random.default_rng(seed)), np.zeros(0, np.int64)
    index = ApproximateIndex(centres)
    all_cells = [cells]
    for start in range(0, len(vectors), _BATCH):
        rows = np.asarray(vectors[start : start + _BATCH])
        known = cells[start : start + _BATCH]
        fresh = index.cells(rows[len(known) :], 1)[:, 0] if len(known) < len(rows) else known[:0]
        index.add(rows, np.concatenate([known, fresh]))
        all_cells.append(fresh)
    placed = np.concatenate(all_cells)
    if loaded is None or len(placed) != len(loaded[1]) or centres is not loaded[0]:
        save_cells(path, centres, placed, vectors)
    return index


def save_cells(path: Path, centres: NDArray[np.float32], cells: IntArray, vectors: FloatArray) -> None:
    """Write a snapshot; the old one stays whole until the new one is."""
    buffer = io.BytesIO()
    np.savez(buffer, centres=centres, cells=cells.astype(np.int32), check=_fingerprint(vectors, len(cells)))
    body = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(_MAGIC + hashlib.sha256(body).digest() + body)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _load(path: Path, vectors: FloatArray) -> tuple[NDArray[np.float32], IntArray] | None:
    """Centres and the cells of the first rows; None when the snapshot is damaged or of another matrix."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    head = len(_MAGIC) + _DIGEST
    body = data[head:]
    if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) : head] != hashlib.sha256(body).digest():
        return None
    with np.load(io.BytesIO(body), allow_pickle=False) as parts:
        centres, cells, check = parts["centres"], parts["cells"].astype(np.int64), parts["check"]
    # a matrix that lost rows may have other ones in their place by now: nothing of the snapshot is sure
    if len(cells) > len(vectors) or centres.shape[1] != vectors.shape[1]:
        return None
    return (centres, cells) if np.array_equal(check, _fingerprint(vectors, len(cells))) else None


def _fingerprint(vectors: FloatArray, count: int) -> NDArray[np.uint8]:
    """A digest of rows spread over the first `count` rows and of the last of them."""
    rows = np.unique(np.linspace(0, max(count - 1, 0), _CHECKED_ROWS).astype(np.int64))[: max(count, 0)]
    digest = hashlib.sha256(np.ascontiguousarray(vectors[rows] if count else vectors[:0], np.float32).tobytes())
    return np.frombuffer(digest.digest(), np.uint8)
