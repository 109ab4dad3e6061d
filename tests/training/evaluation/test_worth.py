"""Whether proposals spare work, on images that the thresholds were not chosen on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.training.evaluation.test_corrections import Region, detections, image
from training.data.detection_set import LabelledImage
from training.evaluation.correction_parts import Costs
from training.evaluation.corrections import choose, seen_on
from training.evaluation.worth import Rule, Worth, worth_of
from training.types import Detections

NAMES = ("a", "b")
FIXED = Rule(choosing=False)


def measured(answers: list[Detections], truth: list[LabelledImage], rule: Rule) -> Worth:
    worth = worth_of(seen_on(answers, truth, 2), NAMES, rule)
    assert worth is not None
    return worth


def scenes(images: int, right: int, wrong: int) -> tuple[list[Detections], list[LabelledImage]]:
    """Images with four objects, of which `right` are found, and `wrong` regions on nothing."""
    objects = [(50.0 * place, place % 2) for place in range(4)]
    hits: list[Region] = [(x, label, 0.9) for x, label in objects[:right]]
    misses: list[Region] = [(50.0 * place + 25, 0, 0.8) for place in range(wrong)]
    truth = [replace(image(objects), name=str(number), group=f"g{number}") for number in range(images)]
    return [detections([*hits, *misses]) for _ in range(images)], truth


def test_more_wrong_than_right_does_harm() -> None:
    worth = measured(*scenes(6, right=1, wrong=3), FIXED)
    assert worth.harms
    assert (worth.corrections, worth.by_hand, worth.spared) == (6 * (3 + 3), 6 * 4, -12.0)
    assert worth.interval == (-12.0, -12.0)
    assert (worth.images, worth.groups) == (6, 6)


def test_more_right_than_wrong_spares_work() -> None:
    worth = measured(*scenes(6, right=3, wrong=1), FIXED)
    assert not worth.harms
    assert worth.spared == 12.0


def test_nothing_proposed_does_no_harm() -> None:
    worth = measured(*scenes(3, right=0, wrong=0), FIXED)
    assert (worth.harms, worth.spared) == (False, 0.0)


def test_costs_and_thresholds_of_the_lead_count() -> None:
    answers, truth = scenes(6, right=3, wrong=1)
    assert measured(answers, truth, replace(FIXED, costs=Costs(delete=4))).harms
    # Wrong regions are all of class a and score 0.8, its right ones 0.9.
    assert not measured(answers, truth, replace(FIXED, costs=Costs(delete=4), fixed={"a": 0.85})).harms
    assert measured(answers, truth, replace(FIXED, fixed={"a": 0.95, "b": 0.95})).spared == 0


def test_thresholds_chosen_on_an_image_do_not_judge_it() -> None:
    # Scores say nothing: on the images they are chosen on thresholds never do harm, on others they do.
    rng = np.random.default_rng(3)
    answers, truth = [], []
    for number in range(12):
        objects = [(40.0 * place, place % 2) for place in range(4)]
        regions: list[Region] = [(x, label, float(rng.uniform(0.3, 0.9))) for x, label in objects[:2]]
        regions += [(40.0 * place + 20, place % 2, float(rng.uniform(0.3, 0.9))) for place in range(3)]
        answers.append(detections(regions))
        truth.append(replace(image(objects), name=str(number), group=f"g{number}"))
    chosen = choose(seen_on(answers, truth, 2), NAMES)
    assert 48 - chosen.expected.cost(Costs()) >= 0
    worth = measured(answers, truth, Rule())
    assert worth.spared < 48 - chosen.expected.cost(Costs())
    assert worth.interval[0] <= worth.spared <= worth.interval[1]


def test_images_of_one_slide_go_together() -> None:
    answers, truth = scenes(6, right=1, wrong=2)
    better, more = scenes(6, right=3, wrong=0)
    mixed = [replace(each, group="x") for each in truth] + [replace(each, group="y") for each in more]
    worth = measured(answers + better, mixed, FIXED)
    assert worth.groups == 2
    assert worth.interval == pytest.approx((-12.0, 36.0))
    alone = measured(answers, [replace(each, name=str(n), group="x") for n, each in enumerate(truth)], FIXED)
    assert alone.groups == 6


def test_without_images_nobody_can_tell() -> None:
    assert worth_of(seen_on([], [], 2), NAMES, FIXED) is None
    known = seen_on(*scenes(2, right=1, wrong=2), 2)
    assert worth_of(replace(known, places=(), groups=()), NAMES, FIXED) is None
