"""Generated pools for the contract tests, odd ones included."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from strategies.base import Pool


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(lengths, 1e-12)).astype(np.float32)


def make_pool(
    n: int,
    *,
    seed: int = 0,
    dimension: int = 5,
    classes: int = 3,
    members: int = 2,
    labelled: int = 0,
    regions: int | None = 1,
    kind: str = "random",
    copies: int = 0,
) -> Pool:
    """`kind`: random, equal (all vectors equal) or copies (few distinct vectors); `regions` None = 0 to 3 an item."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, dimension))
    if kind == "equal":
        vectors[:] = vectors[:1]
    elif kind == "copies" and n:
        vectors = vectors[rng.integers(0, max(1, n // 4), n)]
    counts = rng.integers(0, 4, n) if regions is None else np.full(n, regions)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    probs = rng.dirichlet(np.full(classes, 0.7), size=(members, int(offsets[-1]))).astype(np.float32)
    mask = np.zeros(n, dtype=bool)
    mask[rng.permutation(n)[:labelled]] = True
    labels = np.where(mask, rng.integers(0, classes, n), -1).astype(np.int64)
    groups = np.arange(n, dtype=np.int64)
    if copies:
        groups = rng.integers(0, max(1, n // (copies + 1)), n).astype(np.int64)
    return Pool(
        ids=np.sort(rng.choice(10 * n + 10, n, replace=False)).astype(np.int64),
        probs=probs,
        offsets=offsets,
        embeddings=unit(vectors),
        region_embeddings=unit(rng.standard_normal((int(offsets[-1]), dimension))),
        labels=labels,
        labelled=mask,
        groups=groups,
        background=True,
        box_overlaps=rng.random(probs.shape[:2]).astype(np.float32),
        mask_overlaps=rng.random(probs.shape[:2]).astype(np.float32),
    )


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    n = draw(st.integers(1, 24))
    return make_pool(
        n,
        seed=draw(st.integers(0, 10_000)),
        dimension=draw(st.sampled_from([1, 2, 8])),
        classes=draw(st.sampled_from([1, 2, 5])),
        members=draw(st.sampled_from([2, 4])),
        labelled=draw(st.integers(0, n)),
        regions=draw(st.sampled_from([1, 0, None])),
        kind=draw(st.sampled_from(["random", "equal", "copies"])),
        copies=draw(st.sampled_from([0, 1, 3])),
    )


def permuted(pool: Pool, order: NDArray[np.int64]) -> Pool:
    """The same items in another order, region by region; written apart from `strategies.pools.take`."""
    pieces = [np.arange(pool.offsets[i], pool.offsets[i + 1]) for i in order]
    regions = np.concatenate([*pieces, np.zeros(0, np.int64)]).astype(np.int64)
    return dataclasses.replace(
        pool,
        ids=pool.ids[order],
        probs=pool.probs[:, regions],
        offsets=np.cumsum([0, *(len(piece) for piece in pieces)]).astype(np.int64),
        embeddings=pool.embeddings[order],
        region_embeddings=None if pool.region_embeddings is None else pool.region_embeddings[regions],
        labels=pool.labels[order],
        labelled=pool.labelled[order],
        groups=pool.groups[order],
        box_overlaps=None if pool.box_overlaps is None else pool.box_overlaps[:, regions],
        mask_overlaps=None if pool.mask_overlaps is None else pool.mask_overlaps[:, regions],
    )
