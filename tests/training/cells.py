"""Small drawn cells and run folders for the tests of training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from training.data.manifest import write_manifest
from training.types import Sample

CLASSES = ("round", "long", "twin")


def draw_cell(kind: str, rng: np.random.Generator, side: int = 72) -> Image.Image:
    """A nucleus in a cell: round, elongated or double."""
    tint = rng.integers(-12, 12, 3)
    image = Image.new("RGB", (side, side), tuple(int(v) for v in np.array([235, 225, 232]) + tint))
    pen = ImageDraw.Draw(image)
    x, y = rng.uniform(0.4, 0.6, 2) * side
    pen.ellipse((4, 4, side - 4, side - 4), fill=tuple(int(v) for v in np.array([205, 185, 215]) + tint))
    dark = tuple(int(v) for v in np.array([90, 60, 120]) + tint)
    r = side * rng.uniform(0.1, 0.13)
    if kind == "round":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=dark)
    elif kind == "long":
        pen.ellipse((x - 2.4 * r, y - r / 2, x + 2.4 * r, y + r / 2), fill=dark)
    else:
        for shift in (-1.3 * r, 1.3 * r):
            pen.ellipse((x + shift - r, y - r, x + shift + r, y + r), fill=dark)
    return image


def cell_samples(folder: Path, count: int, seed: int = 0) -> list[Sample]:
    """`count` drawn cells in turn of the classes; every fourth is for validation."""
    rng = np.random.default_rng(seed)
    samples = []
    for number in range(count):
        kind = CLASSES[number % len(CLASSES)]
        path = folder / f"{number}.png"
        draw_cell(kind, rng).save(path)
        split = "validation" if number % 4 == 3 else "train"
        samples.append(Sample(number, path, kind, split, f"g{number}", number))
    return samples


def blobs(labels: Sequence[int], dimension: int = 16, spread: float = 0.25, seed: int = 0) -> np.ndarray:
    """Unit vectors `(n, dimension)` float32 around one direction a class."""
    rng = np.random.default_rng(seed)
    centres = np.eye(dimension)[: max(labels) + 1] + 0.7
    vectors = centres[list(labels)] + rng.normal(0, spread, (len(labels), dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def vector_samples(labels: Sequence[int], classes: Sequence[str] = CLASSES) -> list[Sample]:
    """Samples that exist as embeddings only; every fourth is for validation."""
    return [
        Sample(i, Path("missing.png"), classes[label], "validation" if i % 4 == 3 else "train", f"g{i}", i)
        for i, label in enumerate(labels)
    ]


def make_run(folder: Path, samples: Sequence[Sample], matrix: np.ndarray | None = None, **request: Any) -> Path:
    """A run folder with request and manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    fields: dict[str, Any] = {"classes": list(CLASSES), "method": "head", "seed": 0, "encoder": "", "threads": 1}
    if matrix is not None:
        matrix.astype("<f4").tofile(folder / "vectors.f32")
        fields |= {"vectors": str(folder / "vectors.f32"), "dimension": matrix.shape[1]}
    (folder / "request.json").write_text(json.dumps(fields | request))
    write_manifest(folder / "manifest.jsonl", samples)
    return folder
