"""The interface of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from training.data.images import RGBArray
from training.types import FloatArray


@dataclass(frozen=True)
class Prepared:
    """An image decoded and resized to what the network takes.

    Attributes:
        pixels: `(side, side, 3)` uint8.
        size: `(height, width)` px of the upright original.
    """

    pixels: RGBArray
    size: tuple[int, int]


class Encoder(Protocol):
    """Image -> unit vector. Decoding (`prepare`) is apart from the forward pass, so that the two may overlap."""

    @property
    def key(self) -> str:
        """Name, weights and pixel handling in a string fit for a folder; equal keys give equal embeddings."""
        ...

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        ...

    def prepare(self, path: Path, *, max_pixels: int | None = ...) -> Prepared:
        """Decode and resize one file; safe in any thread.

        Raises:
            ImageDecodeError: the image cannot be used.
        """
        ...

    def embed(self, images: Sequence[RGBArray]) -> FloatArray:
        """Embeddings `(n, dimension)` float32, unit length, of images `(h, w, 3)` uint8 of any sizes."""
        ...

    def embed_prepared(self, pixels: RGBArray) -> FloatArray:
        """Embeddings `(n, dimension)` float32, unit length, of prepared images `(n, side, side, 3)` uint8."""
        ...
