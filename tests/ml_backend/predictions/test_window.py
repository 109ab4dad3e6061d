"""Which images a detector looks at."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_backend.predictions.pool import members_for, window_of
from ml_backend.state.records import ItemRow


def item(number: int, group: int) -> ItemRow:
    return ItemRow(
        id=number,
        project_id=1,
        task_id=number + 100,
        source=str(number),
        content_hash="",
        source_group="",
        group_id=group,
        split="train",
        width=10,
        height=10,
        encoder="e",
        vector_row=number,
        state="ready",
        reason="",
        data={},
        meta={},
        created_at=0.0,
    )


@given(
    groups=st.lists(st.integers(1, 8), min_size=1, max_size=30),
    touched=st.sets(st.integers(1, 30)),
    window=st.integers(1, 40),
    known=st.sets(st.integers(1, 30)),
    seed=st.integers(0, 5),
)
@settings(deadline=None, derandomize=True)
def test_the_window(groups: list[int], touched: set[int], window: int, known: set[int], seed: int) -> None:
    items = [item(number, 1000 + group) for number, group in enumerate(groups, start=1)]
    tasks = {number + 100 for number in touched}
    chosen = window_of(items, tasks, window, np.random.default_rng(seed), known)
    waiting = [each for each in items if each.task_id not in tasks]
    assert len(chosen) == min(window, len(waiting))
    assert {each.id for each in chosen} <= {each.id for each in waiting}
    assert chosen == window_of(items, tasks, window, np.random.default_rng(seed), known)
    labelled = {each.group_id for each in items if each.task_id in tasks}
    fresh = {each.group_id for each in waiting} - labelled
    # No copy is looked at before every group has its turn.
    counts = [each.group_id for each in chosen]
    if len(set(counts) & fresh) < len(fresh):
        assert len(set(counts)) == len(counts)
        assert not set(counts) & labelled


def test_views_are_made_only_for_strategies_that_compare_them() -> None:
    assert members_for("box_entropy") == members_for("ppal") == 1
    assert members_for("box_disagreement") == members_for("mask_disagreement") == 3
