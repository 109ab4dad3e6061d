"""What `rank` refuses: a malformed pool, a pool that lacks required arrays, a ranking that breaks the contract."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from strategies._math.simplex import first_bad
from strategies._math.threads import CHUNK_BYTES, PART_BYTES, each, spans
from strategies.base import Pool, Ranking, Strategy, StrategyError
from strategies.refusals import owner_of, refuse_item, refuse_probs

LENGTH_TOLERANCE = 2e-3


def _check_shapes(pool: Pool) -> None:
    n = len(pool)
    for name in ("labels", "labelled", "groups"):
        if getattr(pool, name).shape != (n,):
            raise StrategyError(
                f"The pool has {n} ids but {name} has shape {getattr(pool, name).shape}. Give one value per id."
            )
    if pool.embeddings.ndim != 2 or len(pool.embeddings) != n:
        raise StrategyError(f"The pool has {n} ids but embeddings of shape {pool.embeddings.shape}. Give (n, d).")
    if pool.probs.ndim != 3:
        raise StrategyError(f"Probabilities have shape {pool.probs.shape}; give (members, regions, classes).")
    offsets, regions = pool.offsets, pool.probs.shape[1]
    if offsets.shape != (n + 1,) or offsets[0] != 0 or offsets[-1] != regions or np.any(np.diff(offsets) < 0):
        raise StrategyError(f"Offsets must be {n + 1} rising numbers from 0 to {regions} regions; rebuild the pool.")
    _check_overlaps(pool)
    if pool.candidates is not None and (pool.candidates.shape != (n,) or np.any(pool.candidates & pool.labelled)):
        raise StrategyError(
            "Candidates must be one bool per item, and labeled items cannot be candidates. Rebuild the pool."
        )
    wrong = np.flatnonzero(~pool.labelled & (pool.labels >= 0))
    if len(wrong):
        refuse_item(pool, int(wrong[0]), "has a label but is not marked as labeled", "mark it or drop the label")


def _check_overlaps(pool: Pool) -> None:
    """Of boxes and outlines in several views, `(members, regions)` IoU."""
    for name in ("box_overlaps", "mask_overlaps"):
        given = getattr(pool, name)
        if given is not None and given.shape != pool.probs.shape[:2]:
            raise StrategyError(
                f"{name} has shape {given.shape} for {pool.probs.shape[:2]} members and regions; rebuild it."
            )
        if given is not None and given.size and not (given.min() >= 0 and given.max() <= 1 + 1e-6):
            region = int(np.argwhere(~((given >= 0) & (given <= 1 + 1e-6)))[0, 1])
            what = f"has {name} of {given[:, region]}, not all between 0 and 1"
            refuse_item(pool, owner_of(pool, region), what, "predict it again or leave it out of the pool")


def _check_probs(pool: Pool) -> None:
    members, regions, classes = pool.probs.shape
    parts = spans(regions, PART_BYTES // (4 * max(1, classes)))
    for member in range(members):
        bad = [region for region in each(partial(_no_distribution, pool.probs[member]), parts) if region is not None]
        if bad:
            refuse_probs(pool, member, bad[0])


def _no_distribution(rows: NDArray[np.floating], part: tuple[int, int]) -> int | None:
    """The first row of a part of `(regions, classes)` that is not a distribution."""
    for first, last in spans(part[1] - part[0], CHUNK_BYTES // (4 * max(1, rows.shape[1]))):
        bad = first_bad(rows[part[0] + first : part[0] + last])
        if bad is not None:
            return part[0] + first + bad
    return None


def _no_unit(vectors: NDArray[np.floating], part: tuple[int, int]) -> int | None:
    """The first row of a part of `(m, d)` whose length is not 1."""
    for first, last in spans(part[1] - part[0], CHUNK_BYTES // (4 * max(1, vectors.shape[1]))):
        chunk = vectors[part[0] + first : part[0] + last]
        off = np.abs(np.vecdot(chunk, chunk) - 1.0)
        if not off.max() <= LENGTH_TOLERANCE:
            return part[0] + first + int(np.flatnonzero(~(off <= LENGTH_TOLERANCE))[0])
    return None


def _check_unit(pool: Pool, vectors: NDArray[np.floating], what: str, owner: NDArray[np.int64] | None) -> None:
    parts = spans(len(vectors), PART_BYTES // (4 * max(1, vectors.shape[1])))
    bad = [row for row in each(partial(_no_unit, vectors), parts) if row is not None]
    if bad:
        row = bad[0]
        position = row if owner is None else int(np.searchsorted(owner, row, side="right")) - 1
        length = float(np.linalg.norm(vectors[row].astype(np.float64)))
        refuse_item(
            pool,
            position,
            f"has {what} of length {length:.4g} instead of 1",
            "embed it again or leave it out of the pool",
        )


def check_pool(pool: Pool) -> None:
    """Refuse arrays that do not fit each other.

    Raises:
        StrategyError: shapes or offsets that do not fit, ids that repeat.
    """
    _check_shapes(pool)
    if np.all(pool.ids[1:] > pool.ids[:-1]):
        return
    if len(np.unique(pool.ids)) != len(pool):
        values, counts = np.unique(pool.ids, return_counts=True)
        raise StrategyError(f"Id {int(values[counts > 1][0])} occurs more than once in the pool; ids must be distinct.")


def check_needs(name: str, needs: frozenset[str], pool: Pool) -> None:
    """Refuse a pool that lacks what the strategy needs.

    Raises:
        StrategyError: something is missing; the message says what and what to do.
    """
    lacks = {
        "probs": (pool.probs.shape[0] < 1 or pool.probs.shape[2] < 1, "a model's probabilities; train one first"),
        "members": (pool.probs.shape[0] < 2, "probabilities of two or more ensemble members; train an ensemble"),
        "embeddings": (pool.embeddings.shape[1] == 0, "embeddings; embed the images first"),
        "region_embeddings": (pool.region_embeddings is None, "embeddings of regions; embed the objects first"),
        "labels": (not np.any(pool.labels >= 0), "at least one labeled item; label a few or use core_set"),
        "background": (
            not pool.background,
            "regions that a detector found; use it in a project that draws boxes or outlines",
        ),
        "box_overlaps": (pool.box_overlaps is None, "boxes from several views; predict with two or more members"),
        "mask_overlaps": (pool.mask_overlaps is None, "outlines from several views; use a model that finds outlines"),
    }
    for need in sorted(needs):
        missing, advice = lacks[need]
        if missing:
            raise StrategyError(f"{name} needs {advice}.")


def check_values(strategy: Strategy, pool: Pool) -> None:
    """Refuse NaN and infinity in the arrays that the strategy reads and does not check itself.

    Raises:
        StrategyError: the message names the first item with NaN, no distribution or a vector not of length 1.
    """
    needs = strategy.needs
    if not getattr(strategy, "checks_probs", False):
        _check_probs(pool)
    if "embeddings" in needs:
        _check_unit(pool, pool.embeddings, "an embedding", None)
    if "region_embeddings" in needs and pool.region_embeddings is not None:
        _check_unit(pool, pool.region_embeddings, "a region embedding", pool.offsets)


def check_answer(name: str, ranking: Ranking, pool: Pool, budget: int, allowed: NDArray[np.bool_]) -> None:
    """Refuse a ranking that breaks the contract; it must never reach an annotator.

    Raises:
        StrategyError: names the strategy and what is wrong with its answer.
    """
    order, utilities = ranking.order, ranking.utilities
    fault = ""
    if order.shape != (budget,) or not np.issubdtype(order.dtype, np.integer):
        fault = f"ordered {order.shape} {order.dtype} instead of {budget} positions"
    elif len(np.unique(order)) != budget:
        fault = "ordered a position twice"
    elif budget and (order.min() < 0 or order.max() >= len(pool) or not allowed[order].all()):
        fault = "ordered a position that is not a candidate"
    elif utilities.shape != (len(pool),) or not np.isfinite(utilities).all():
        fault = "returned utilities that are not one finite number per item"
    else:
        wrong = [key for key, column in ranking.evidence.items() if column.shape != (len(pool),)]
        fault = f"returned evidence {wrong[0]} that is not one number per item" if wrong else ""
    if fault:
        raise StrategyError(f"The strategy {name} broke its contract: it {fault}. Choose another one and report this.")
