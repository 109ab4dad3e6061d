"""Measures of how members of an ensemble differ: `(members, r, c)` -> `(r,)` or `(r, c)`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategies._math.simplex import TINY, consensus, entropy

Float32 = NDArray[np.float32]


def votes(probs: Float32) -> Float32:
    """Share of the members whose most probable class is y, `(r, c)`."""
    members, regions, classes = probs.shape
    counts = np.zeros((regions, classes), dtype=np.float32)
    for member in range(members):
        counts[np.arange(regions), probs[member].argmax(axis=1)] += 1
    return counts / np.float32(members)


def mutual_information(probs: Float32) -> Float32:
    """Entropy of the mean minus mean of the entropies, nats, `(r,)`."""
    return np.asarray(np.maximum(entropy(consensus(probs)) - entropy(probs).mean(axis=0), 0), dtype=np.float32)


def divergence(probs: Float32) -> Float32:
    """Mean Kullback-Leibler divergence of the members from their mean, nats, `(r,)`."""
    mean = consensus(probs)
    ratio = np.log(np.maximum(probs, TINY) / np.maximum(mean, TINY)[None])
    total = np.einsum("mrc,mrc->r", probs, ratio) / np.float32(len(probs))
    return np.asarray(np.maximum(total, 0), dtype=np.float32)
