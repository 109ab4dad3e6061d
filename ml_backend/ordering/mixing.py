"""Two orders mixed evenly, and copies moved to the end."""

from __future__ import annotations

from collections.abc import Sequence

from strategies.base import Pool


def interleave(first: Sequence[int], second: Sequence[int], fraction: float) -> list[int]:
    """Mix `second` into `first` evenly, so that about `fraction` of any prefix comes from `second`."""
    mixed: list[int] = []
    a, b = list(first), list(second)
    i = j = 0
    while i < len(a) and j < len(b):
        if j + 1 <= fraction * (i + j + 1):
            mixed.append(b[j])
            j += 1
        else:
            mixed.append(a[i])
            i += 1
    return mixed + a[i:] + b[j:]


def groups_once(pool: Pool, order: Sequence[int]) -> list[int]:
    """Move later members of a duplicate group, and all members of a labeled one, to the end."""
    seen = {int(g) for g in pool.groups[pool.labelled]}
    first: list[int] = []
    later: list[int] = []
    for position in order:
        group = int(pool.groups[position])
        (later if group in seen else first).append(position)
        seen.add(group)
    return first + later
