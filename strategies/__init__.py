"""Acquisition strategies: arrays in, an order out. `rank` is the only way in."""

from strategies.entry import rank
from strategies.registry import StrategyInfo, accepted, describe, names

__all__ = ["StrategyInfo", "accepted", "describe", "names", "rank"]
