"""Sentences for arrays that a strategy cannot take: which image it is, what is wrong, what to do."""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from strategies.base import Pool, StrategyError


def refuse_item(pool: Pool, position: int, what: str, advice: str) -> NoReturn:
    """Say which item cannot be used, why, and what to do.

    Raises:
        StrategyError: always.
    """
    raise StrategyError(f"Item {int(pool.ids[position])} (position {position}) {what}; {advice}.")


def owner_of(pool: Pool, region: int) -> int:
    """Position of the item that a region belongs to."""
    return int(np.searchsorted(pool.offsets, region, side="right")) - 1


def refuse_probs(pool: Pool, member: int, region: int) -> NoReturn:
    """Say which item has a region that is not a distribution.

    Raises:
        StrategyError: always.
    """
    row = np.array2string(pool.probs[member, region, :4], precision=3)
    position = owner_of(pool, region)
    what = f"has probabilities {row}, which are not a distribution"
    refuse_item(pool, position, what, "predict it again or leave it out of the pool")
