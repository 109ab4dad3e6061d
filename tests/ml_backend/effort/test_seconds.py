"""The model of time: it finds the seconds that made the data, and says when it cannot know."""

from __future__ import annotations

import numpy as np
import pytest

from ml_backend.effort.report import ByHand, report_of, summary
from ml_backend.effort.seconds import Costs, Work, cap, typical
from ml_backend.state.records import EffortRow

TRUE = {"look": 4.0, "draw": 7.0, "accept": 0.5, "correct": 3.0, "remove": 1.5}


def object_work(count: int, rng: np.random.Generator, noise: float = 0.0) -> list[Work]:
    work = []
    for number in range(count):
        proposed = number % 3 > 0
        kept, corrected, deleted = (int(rng.integers(0, top)) if proposed else 0 for top in (12, 4, 4))
        added = int(rng.integers(0, 3) if proposed else rng.integers(1, 15))
        seconds = (
            TRUE["look"]
            + TRUE["draw"] * added
            + TRUE["accept"] * kept
            + TRUE["correct"] * corrected
            + TRUE["remove"] * deleted
        )
        seconds *= float(np.exp(noise * rng.normal()))
        work.append(Work(proposed, kept, corrected, added, deleted, seconds))
    return work


def true_gain(work: list[Work]) -> float:
    return sum(
        TRUE["draw"] * (w.kept + w.corrected)
        - TRUE["accept"] * w.kept
        - TRUE["correct"] * w.corrected
        - TRUE["remove"] * w.deleted
        for w in work
        if w.proposed
    )


def test_the_seconds_of_each_action_are_found() -> None:
    work = object_work(60, np.random.default_rng(0))
    costs = Costs(work, whole=False)
    assert costs.seconds == pytest.approx(TRUE, rel=1e-6)
    saved = costs.saved(work)
    assert saved is not None
    assert saved.seconds == pytest.approx(true_gain(work), rel=1e-6)


def test_the_interval_holds_the_truth_in_most_of_many_noisy_worlds() -> None:
    held = 0
    for seed in range(20):
        work = object_work(90, np.random.default_rng(seed), noise=0.3)
        saved = Costs(work, whole=False).saved(work)
        assert saved is not None
        assert saved.low <= saved.seconds <= saved.high
        held += saved.low <= true_gain(work) * float(np.exp(0.3**2 / 2)) <= saved.high
    assert held >= 15


def test_classes_of_whole_images() -> None:
    by_hand = [Work(False, 0, 0, 1, 0, 6.0)] * 10
    kept = [Work(True, 1, 0, 0, 0, 2.0)] * 20
    changed = [Work(True, 0, 1, 0, 0, 5.0)] * 10
    costs = Costs([*by_hand, *kept, *changed], whole=True)
    saved = costs.saved([*by_hand, *kept, *changed])
    assert costs.seconds == pytest.approx({"draw": 6.0, "accept": 2.0, "correct": 5.0, "remove": 0.0})
    assert saved is not None
    assert (saved.seconds, saved.low, saved.high) == pytest.approx((20 * 4 + 10 * 1,) * 3)
    only_kept = costs.saved(kept[:5])
    assert only_kept is not None
    assert only_kept.seconds == pytest.approx(20)


def test_a_page_left_open_changes_little() -> None:
    work = [Work(False, 0, 0, 1, 0, 6.0 + n % 3) for n in range(20)]
    work += [Work(True, 1, 0, 0, 0, 2.0 + n % 3) for n in range(20)]
    calm = Costs(work, whole=True).saved(work)
    disturbed = [*work, Work(False, 0, 0, 1, 0, 40_000.0), Work(True, 1, 0, 0, 0, 9_000.0)]
    costs = Costs(disturbed, whole=True)
    saved = costs.saved(work)
    assert costs.cut_off == 2
    assert calm is not None
    assert saved is not None
    assert saved.seconds == pytest.approx(calm.seconds, rel=0.15)


@pytest.mark.parametrize(
    ("proposed", "by_hand", "sentence"),
    [
        (0, 20, "The estimate needs 8 timed images with a pre-annotation; there are 0."),
        (20, 3, "The estimate needs 8 timed images labeled without a pre-annotation; there are 3."),
    ],
)
def test_not_enough_evidence_is_said(proposed: int, by_hand: int, sentence: str) -> None:
    work = [Work(True, 1, 0, 0, 0, 2.0)] * proposed + [Work(False, 0, 0, 1, 0, 5.0)] * by_hand
    costs = Costs(work, whole=True)
    assert (costs.lacks, costs.saved(work), costs.seconds) == (sentence, None, {})


def test_untimed_images_are_counted_but_teach_nothing() -> None:
    work = [Work(True, 1, 0, 0, 0, None)] * 50 + [Work(False, 0, 0, 1, 0, 0.0)] * 50
    assert "there are 0" in Costs(work, whole=True).lacks


def test_typical_and_cap() -> None:
    assert typical([]) is None
    assert typical([1, 2, 300]) == 2
    assert cap([]) == 1800
    assert cap([5.0] * 9 + [4000.0]) == 10


def row(number: int, start: str, run: int | None, **fields: float | None) -> EffortRow:
    plain = {"accepted": 0, "moved": 0, "relabeled": 0, "added": 0, "deleted": 0, "seconds": None, **fields}
    return EffortRow(number, "", run, start, **plain)  # type: ignore[arg-type]  # plain holds the right types


def test_the_report_counts_by_run() -> None:
    rows = (
        row(1, "nothing", None, added=3, seconds=20.0),
        row(2, "proposal", 5, accepted=2, deleted=1, seconds=5.0),
        row(3, "proposal", 6, accepted=3, moved=1, added=1, seconds=9.0),
        row(4, "proposal", 6, relabeled=1, deleted=None, seconds=7.0),
        row(5, "elsewhere", None, added=9),
    )
    report = report_of(1, "detection", rows)
    assert [part.run for part in report.runs] == [6, 5]
    assert (report.runs[0].images, report.runs[0].accepted, report.runs[0].unknown) == (2, 3, 1)
    assert (report.total.shown, report.total.accepted_share) == (8, 5 / 8)
    assert report.by_hand == ByHand(images=1, regions=3, seconds=20.0)
    assert report.elsewhere == 1
    assert "5 of 8 proposed regions (62 %) were kept" in summary(report)
    assert "not enough evidence yet" in summary(report)
    assert report.as_dict()["runs"][1]["shown"] == 3


def test_an_empty_project() -> None:
    report = report_of(1, "classification", ())
    assert summary(report) == "No image with a pre-annotation is finished yet."
    assert report.total.accepted_share is None
