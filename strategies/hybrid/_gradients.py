"""Last-layer gradient embeddings that are never formed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategies._math.kmeans import Points
from strategies.base import IntArray

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Gradients:
    """Points g(x) = (p(.|x) - e_y) (x) h(x), y the most probable class, as a `Geometry`.

    <g(x), g(x')> = <p - e_y, p' - e_y'> <h, h'>, so distances need `(m, c)` and `(m, d)` and not `(m, c d)`.

    Attributes:
        errors: `(m, c)` float32, p - e_y.
        points: the m unit vectors h.
    """

    errors: Float32
    points: Points

    def __len__(self) -> int:
        return len(self.errors)

    def norms(self) -> Float32:
        """`(m,)` squared lengths."""
        return np.asarray(np.einsum("ij,ij->i", self.errors, self.errors))

    def squared(self, points: IntArray | slice, centres: IntArray) -> Float32:
        """See `strategies._math.sampling.Geometry`."""
        mine, theirs = self.errors[points], self.errors[centres]
        product = mine @ theirs.T
        product *= self.points.rows(points) @ self.points.rows(centres).T
        product *= np.float32(-2)
        product += np.einsum("ij,ij->i", mine, mine)[:, None]
        product += np.einsum("ij,ij->i", theirs, theirs)
        np.maximum(product, np.float32(0), out=product)
        return np.asarray(product)


def errors(probs: Float32) -> Float32:
    """p - e_y with y the most probable class, `(m, c)`, a copy."""
    out = np.array(probs, dtype=np.float32)
    out[np.arange(len(out)), out.argmax(axis=1)] -= np.float32(1)
    return out
