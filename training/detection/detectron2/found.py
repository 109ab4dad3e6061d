"""What one look of a network says about places of one picture."""

from __future__ import annotations

from dataclasses import dataclass

from training.geometry.boxes import Float32


@dataclass(frozen=True)
class Found:
    """Regions as one look sees them, in px of the network.

    Attributes:
        boxes: `(r, 4)` float32.
        probs: `(r, classes + 1)` float32, the background last.
        vectors: `(r, d)` float32, unit length.
    """

    boxes: Float32
    probs: Float32
    vectors: Float32
