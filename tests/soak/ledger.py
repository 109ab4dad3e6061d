"""What two annotators did and what Label Studio answered them: the promises that PapLoop has to keep."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Said = tuple[str, bool]
"""What an annotation says: the mark and class of its region (empty for none), and whether it is a skip."""


def said(result: Any, was_cancelled: Any) -> Said:
    """What an annotation says, whoever tells it."""
    regions = [region for region in result or [] if isinstance(region, Mapping)]
    words = [f"{region.get('id')}={region.get('value', {}).get('choices')}" for region in regions]
    return " ".join(sorted(words)), bool(was_cancelled)


@dataclass(frozen=True)
class Kept:
    """An annotation that Label Studio acknowledged."""

    task: int
    says: Said


@dataclass
class Ledger:
    """Everything acknowledged, everything that got no answer, and how long people waited.

    Attributes:
        kept: annotation id -> what was last acknowledged of it.
        gone: ids whose deletion was acknowledged.
        doubtful: ids of which a change or deletion got no answer: either may be.
        unanswered: marks of submissions without an answer: they may be there or not.
        counts: what was done, by kind.
        waits: `(seconds, all programs were well)` of each acknowledged submission.
    """

    kept: dict[int, Kept] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    doubtful: set[int] = field(default_factory=set)
    unanswered: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    waits: list[tuple[float, bool]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def submitted(self, number: int, task: int, says: Said, seconds: float, calm: bool) -> None:
        """Label Studio answered 201."""
        with self.lock:
            self.kept[number] = Kept(task, says)
            self.counts["skipped" if says[1] else "submitted"] += 1
            self.waits.append((seconds, calm))

    def changed(self, number: int, says: Said) -> None:
        """Label Studio answered 200."""
        with self.lock:
            self.kept[number] = Kept(self.kept[number].task, says)
            self.counts["changed"] += 1

    def deleted(self, number: int) -> None:
        """Label Studio answered 204."""
        with self.lock:
            self.kept.pop(number, None)
            self.gone.add(number)
            self.counts["deleted"] += 1

    def lost_sight_of(self, number: int) -> None:
        """A change or deletion got no answer."""
        with self.lock:
            self.doubtful.add(number)
            self.counts["no response"] += 1

    def no_answer(self, mark: str) -> None:
        """A submission got no answer."""
        with self.lock:
            self.unanswered.append(mark)
            self.counts["no response"] += 1

    def worst(self, *, calm: bool) -> float | None:
        """Longest wait for a 201 while all programs were well, or while something was wrong, s."""
        return max((seconds for seconds, was_calm in self.waits if was_calm == calm), default=None)


def broken_promises(ledger: Ledger, there: Mapping[int, Kept], here: Mapping[int, Kept]) -> Sequence[str]:
    """What is wrong, a sentence each.

    Args:
        ledger: what was acknowledged.
        there: annotations that Label Studio has now.
        here: annotations that PapLoop has now.
    """
    problems = []
    for number, kept in sorted(ledger.kept.items()):
        if number in ledger.doubtful:
            continue
        if number not in here:
            problems.append(f"annotation {number} of task {kept.task} was acknowledged and PapLoop lacks it")
        elif here[number] != kept:
            problems.append(f"annotation {number} says {here[number]} in PapLoop; acknowledged was {kept}")
    sure = ledger.kept.keys() - ledger.doubtful
    differ = [number for number in there.keys() & here.keys() - sure if there[number] != here[number]]
    wrong = {
        "was deleted and PapLoop still has it": ledger.gone & here.keys(),
        "is in PapLoop and not in Label Studio": here.keys() - there.keys() - ledger.gone,
        "is in Label Studio and PapLoop lacks it": there.keys() - here.keys() - sure,
        "says one thing in Label Studio and another in PapLoop": differ,
    }
    return problems + [f"annotation {number} {words}" for words, numbers in wrong.items() for number in sorted(numbers)]
