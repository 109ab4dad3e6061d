"""Measures of how members of an ensemble differ: `(members, r, c)` -> `(r,)` or `(c, r)`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategies._math.scratch import scratch
from strategies._math.simplex import TINY, consensus, entropy, natural_log, planes, row_sums

Float32 = NDArray[np.float32]


def votes(probs: Float32) -> Float32:
    """Share of the members whose most probable class is y, `(c, r)`; of equal classes the first is voted for."""
    members, regions, classes = probs.shape
    counts = np.zeros((classes, regions), dtype=np.float32)
    for member in range(members):
        columns = planes(probs[member])
        won = columns == columns.max(axis=0)
        if np.count_nonzero(won) > regions:
            won = np.arange(classes)[:, None] == won.argmax(axis=0)
        counts += won
    counts /= np.float32(members)
    return counts


def vote_entropy(probs: Float32) -> Float32:
    """Entropy of the votes, nats, `(r,)`."""
    shares = votes(probs)
    terms = natural_log(np.maximum(shares, TINY), scratch("terms", shares.shape))
    terms *= shares
    return np.asarray(np.maximum(-terms.sum(axis=0), 0), dtype=np.float32)


def variation(probs: Float32) -> Float32:
    """Share of the members who vote for another class than most, `(r,)`."""
    return np.asarray(1 - votes(probs).max(axis=0), dtype=np.float32)


def mutual_information(probs: Float32) -> Float32:
    """Entropy of the mean minus mean of the entropies, nats, `(r,)`."""
    return np.asarray(np.maximum(entropy(consensus(probs)) - entropy(probs).mean(axis=0), 0), dtype=np.float32)


def divergence(probs: Float32) -> Float32:
    """Mean Kullback-Leibler divergence of the members from their mean, nats, `(r,)`."""
    mean = np.maximum(consensus(probs), TINY)
    total = np.zeros(probs.shape[1], dtype=np.float32)
    for member in probs:
        ratio = np.maximum(member, TINY, out=scratch("ratio", member.shape))
        ratio /= mean
        natural_log(ratio, ratio)
        ratio *= member
        total += row_sums(ratio, 1 / len(probs))
    return np.maximum(total, np.float32(0), out=total)
