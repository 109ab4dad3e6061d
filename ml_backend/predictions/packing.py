"""A detector's prediction for one image as bytes for the database, and back: numbers and text, nothing executable."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml_backend.errors import PapLoopError
from training.types import Detections

MAGIC: Final = b"PLD1"
VECTORS: Final = "vectors"
"""The one column that is kept at half precision: it is by far the widest, and only compared by angle."""
MOST: Final = 1 << 28
"""Bytes of one answer at most; more means that the bytes are damaged."""


@dataclass(frozen=True)
class Found:
    """A detector's prediction for one image, with the names of its classes.

    Attributes:
        detections: the answer; its distributions end with the background.
        classes: names of the other classes.
    """

    detections: Detections
    classes: tuple[str, ...]


def pack(found: Found) -> bytes:
    """A prediction as bytes; vectors lose precision beyond three digits, everything else is restored exactly."""
    answer = found.detections
    arrays: dict[str, NDArray[Any]] = {
        "boxes": np.asarray(answer.boxes, dtype="<f4"),
        "probs": np.asarray(answer.probs, dtype="<f4"),
    }
    for name, column in answer.columns.items():
        arrays[f"column {name}"] = np.asarray(column, dtype="<f2" if name == VECTORS else "<f4")
    header = {
        "size": list(answer.size),
        "classes": list(found.classes),
        "masks": None if answer.masks is None else [mask["counts"] for mask in answer.masks],
        "arrays": [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()],
    }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    body = b"".join([struct.pack("<I", len(text)), text, *(array.tobytes() for array in arrays.values())])
    return MAGIC + zlib.compress(body, 6)


def unpack(content: bytes) -> Found:
    """The prediction that `pack` wrote.

    Raises:
        PapLoopError: the bytes are damaged.
    """
    try:
        if content[:4] != MAGIC:
            raise ValueError("another format")
        body = zlib.decompressobj().decompress(content[4:], MOST)
        (length,) = struct.unpack_from("<I", body)
        header = json.loads(body[4 : 4 + length])
        arrays = _arrays(header["arrays"], body, 4 + length)
        size = (int(header["size"][0]), int(header["size"][1]))
        masks = header["masks"]
        return Found(
            Detections(
                size=size,
                boxes=arrays.pop("boxes"),
                probs=arrays.pop("probs"),
                masks=None if masks is None else [{"size": list(size), "counts": str(counts)} for counts in masks],
                columns={name.removeprefix("column "): array for name, array in arrays.items()},
            ),
            tuple(map(str, header["classes"])),
        )
    except (ValueError, KeyError, IndexError, TypeError, struct.error, zlib.error) as error:
        raise PapLoopError(
            f"A stored prediction of a detector is damaged ({error}). Start a new ranking, which predicts again.",
            code="answers.damaged",
        ) from error


def _arrays(listed: Sequence[Any], body: bytes, start: int) -> dict[str, NDArray[np.float32]]:
    arrays: dict[str, NDArray[np.float32]] = {}
    for name, kind, shape in listed:
        if kind not in ("<f2", "<f4") or any(int(side) < 0 for side in shape):
            raise ValueError(f"an array of {kind} {shape}")
        count = int(np.prod([int(side) for side in shape], dtype=np.int64))
        values = np.frombuffer(body, dtype=kind, count=count, offset=start) if count else np.zeros(0, np.float32)
        arrays[str(name)] = values.reshape(shape).astype(np.float32)
        start += count * np.dtype(kind).itemsize
    return arrays
