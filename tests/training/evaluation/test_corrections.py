"""Thresholds with the fewest corrections, against all thresholds there are."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.detection_set import LabelledImage
from training.evaluation.correction_parts import Costs, Tally, parts_of
from training.evaluation.corrections import LEAST, Chosen, choose, in_words, seen_on, tally
from training.geometry.runs import from_window
from training.types import Detections, TrainingError

SIZE = (200, 400)
Region = tuple[float, int, float]
"""Left edge px, class, score."""


def detections(regions: list[Region], classes: int = 2) -> Detections:
    probs = np.zeros((1, len(regions), classes + 1), np.float32)
    for index, (_, label, score) in enumerate(regions):
        probs[0, index, :classes] = (1 - score) / 10
        probs[0, index, label] = score
        probs[0, index, classes] = 1 - probs[0, index, :classes].sum()
    boxes = np.array([[x, 0, x + 20, 20] for x, _, _ in regions], np.float32).reshape(-1, 4)
    return Detections(SIZE, boxes, probs)


def image(objects: list[tuple[float, int]], **fields: object) -> LabelledImage:
    boxes = np.array([[x, 0, x + 20, 20] for x, _ in objects], np.float32).reshape(-1, 4)
    labels = np.array([label for _, label in objects], np.int64)
    return LabelledImage(Path("a.png"), "a.png", SIZE, boxes, labels, **fields)  # type: ignore[arg-type]  # test fields


def chosen(found: list[Detections], truth: list[LabelledImage], costs: Costs | None = None, classes: int = 2) -> Chosen:
    names = [chr(ord("a") + number) for number in range(classes)]
    return best_thresholds(found, truth, names, costs, least=1)


def best_thresholds(
    found: list[Detections],
    truth: list[LabelledImage],
    names: Sequence[str],
    costs: Costs | None = None,
    least: int = LEAST,
) -> Chosen:
    return choose(seen_on(found, truth, len(names)), names, costs, least=least)


def test_a_worked_example() -> None:
    # Three right ones, a wrong one between them, two wrong ones below: all from 0.6 on, or all from 0.8 on.
    found = detections([(0, 0, 0.9), (40, 0, 0.8), (80, 0, 0.7), (120, 0, 0.6), (160, 0, 0.3), (200, 0, 0.2)], 1)
    truth = image([(0, 0), (40, 0), (120, 0)])
    answer = chosen([found], [truth], classes=1)
    assert 0.3 < answer.thresholds["a"] <= 0.6
    assert answer.expected == Tally(kept=3, deleted=1)
    dear = chosen([found], [truth], Costs(delete=5, add=1), classes=1)
    assert 0.7 < dear.thresholds["a"] <= 0.8
    assert dear.expected == Tally(kept=2, added=1)


def test_a_wrong_class_is_relabeled_where_that_is_cheaper() -> None:
    truth, found = image([(0, 1)]), detections([(2, 0, 0.6)])
    assert chosen([found], [truth]).expected == Tally(relabeled=1)
    assert chosen([found], [truth], Costs(relabel=9)).expected == Tally(added=1)


def test_the_right_one_of_two_in_a_place_is_kept_whatever_its_score() -> None:
    limits = np.array([0.1, 0.1])
    (part,) = parts_of([detections([(0, 0, 0.9), (2, 1, 0.3)])], [image([(0, 1)])], 2)
    assert part.tally(limits, Costs()) == Tally(kept=1, deleted=1)


def test_few_objects_suffice_where_the_usual_threshold_does_harm() -> None:
    truth = image([(0, 0)])
    fine, harmful = detections([(0, 0, 0.9), (40, 0, 0.6)]), detections([(0, 0, 0.9), (40, 0, 0.6), (80, 0, 0.6)])
    assert [each.basis for each in best_thresholds([fine], [truth], "ab").classes] == ["default", "default"]
    answer = best_thresholds([harmful], [truth], "ab")
    assert [each.basis for each in answer.classes] == ["all", "all"]
    assert answer.expected == Tally(kept=1)


def test_a_class_that_is_never_right_is_not_shown() -> None:
    answer = chosen([detections([(0, 0, 0.95), (40, 1, 0.4)])], [image([(40, 1), (80, 0)])])
    assert answer.thresholds["a"] > 0.95
    assert answer.thresholds["b"] <= 0.4
    assert answer.expected == Tally(kept=1, added=1)


def test_each_class_has_its_own() -> None:
    regions: list[Region] = [(20.0 * n, n % 2, 0.9 - 0.04 * n) for n in range(20)]
    truth = [(x, label) for x, label, score in regions if score > (0.6 if label else 0.3)]
    answer = chosen([detections(regions)], [image(truth)])
    assert 0.22 < answer.thresholds["a"] <= 0.34
    assert 0.54 < answer.thresholds["b"] <= 0.62
    assert answer.expected.corrections == 0
    assert answer.before.corrections > 0
    assert [each.basis for each in answer.classes] == ["own", "own"]


def test_few_objects_of_a_class_take_the_threshold_of_all_and_few_of_any_the_default() -> None:
    regions: list[Region] = [(20.0 * n, int(n == 3), 0.9 - 0.06 * n) for n in range(12)]
    truth = [(x, label) for x, label, _ in regions[:10]]
    answer = best_thresholds([detections(regions)], [image(truth)], ["a", "b"], least=5)
    assert [each.basis for each in answer.classes] == ["own", "all"]
    assert [each.objects for each in answer.classes] == [9, 1]
    few = best_thresholds([detections(regions)], [image(truth)], ["a", "b"])
    assert few.thresholds == {"a": 0.5, "b": 0.5}
    assert "too few to choose a better threshold" in in_words(few)
    said = in_words(best_thresholds([detections(regions)], [image(truth)], ["a", "b"], Costs(add=3), least=5))
    assert "leave 0 corrections (0 to delete, 0 to draw, 0 to relabel)" in said
    assert "with 0.5 for every class there would be 3 (0, 3, 0), 0 instead of 9 when weighted by their costs." in said


def test_places_that_are_ignored_or_unchecked_count_for_nothing() -> None:
    found = detections([(0, 0, 0.9), (100, 0, 0.9), (300, 0, 0.9)], 1)
    checked = np.array([[0, 0, 200, 200]], np.float32)
    ignore = np.array([[90, 0, 130, 30]], np.float32)
    answer = chosen([found], [image([(0, 0)], checked=checked, ignore=ignore)], classes=1)
    assert answer.expected == Tally(kept=1)


def test_outlines_are_compared_by_their_pixels() -> None:
    half = np.ones((20, 20), np.uint8)
    half[:, 8:] = 0
    found = detections([(0, 0, 0.9)], 1)
    with_mask = Detections(SIZE, found.boxes, found.probs, [from_window(half, (0, 0), SIZE)])
    truth = image([(0, 0)], masks=(from_window(np.ones((20, 20)), (0, 0), SIZE),))
    assert tally(parts_of([with_mask], [truth], 1), np.array([0.5]), Costs()) == Tally(deleted=1, added=1)


def test_nothing_found_and_nothing_there() -> None:
    assert chosen([detections([])], [image([])]).expected == Tally()
    assert chosen([detections([])], [image([(0, 0)])]).expected == Tally(added=1)
    with pytest.raises(TrainingError, match="Predict every image once"):
        best_thresholds([], [image([])], ["a"])


def brute_force(found: list[Detections], truth: list[LabelledImage], costs: Costs, classes: int) -> float:
    """The lowest cost over every set of thresholds that shows different regions."""
    parts = parts_of(found, truth, classes)
    cuts = []
    for number in range(classes):
        scores = {
            score for part in parts for score, label in zip(part.scores, part.labels, strict=True) if label == number
        }
        cuts.append([2.0, *scores])
    return min(tally(parts, np.array(limits), costs).cost(costs) for limits in itertools.product(*cuts))


some_regions = st.lists(
    st.tuples(st.integers(0, 6).map(lambda x: x * 8.0), st.integers(0, 2), st.integers(1, 19).map(lambda s: s / 20)),
    max_size=9,
)
some_objects = st.lists(st.tuples(st.integers(0, 6).map(lambda x: x * 8.0), st.integers(0, 2)), max_size=5)
some_costs = st.builds(Costs, *[st.sampled_from([0.5, 1.0, 2.0, 4.0])] * 3)


@given(some_regions, some_objects, some_costs)
@settings(max_examples=150)
def test_one_class_is_exact(regions: list[Region], objects: list[tuple[float, int]], costs: Costs) -> None:
    found = [detections([(x, 0, score) for x, _, score in regions], 1)]
    truth = [image([(x, 0) for x, _ in objects])]
    assert chosen(found, truth, costs, 1).expected.cost(costs) == brute_force(found, truth, costs, 1)


@pytest.mark.slow
@given(some_regions, some_objects, some_costs)
@settings(max_examples=150)
def test_crowded_classes_that_overlap(regions: list[Region], objects: list[tuple[float, int]], costs: Costs) -> None:
    found, truth = [detections(regions, 3)], [image(objects)]
    answer = best_thresholds(found, truth, "abc", costs, least=0)
    best = brute_force(found, truth, costs, 3)
    assert best <= answer.expected.cost(costs) <= answer.before.cost(costs)
    # No single class could do better, and all together miss the best of all by a fraction of a correction at most.
    parts = parts_of(found, truth, 3)
    limits = np.array([each.threshold for each in answer.classes])
    for number, cut in itertools.product(range(3), np.arange(0.025, 1.05, 0.05)):
        other = limits.copy()
        other[number] = cut
        assert tally(parts, other, costs).cost(costs) >= answer.expected.cost(costs) - 1e-9


def test_the_descent_nearly_always_ends_at_the_best_of_all_thresholds() -> None:
    rng = np.random.default_rng(0)
    exact = 0
    for _ in range(60):
        places = [float(x) for x in rng.integers(0, 7, rng.integers(0, 10)) * 8]
        regions = [(x, int(rng.integers(3)), float(rng.integers(1, 20) / 20)) for x in places]
        objects = [(float(x), int(rng.integers(3))) for x in rng.integers(0, 7, rng.integers(1, 6)) * 8]
        costs = Costs(*rng.choice([0.5, 1.0, 2.0, 4.0], 3).tolist())
        found, truth = [detections(regions, 3)], [image(objects)]
        answer = best_thresholds(found, truth, "abc", costs, least=0).expected.cost(costs)
        exact += abs(answer - brute_force(found, truth, costs, 3)) < 1e-9
    assert exact >= 57
