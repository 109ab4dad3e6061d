"""Single cells on even ground: outlines fit one another, so only detail in its own place may prove a copy."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ml_backend.operations.demo.cells import numbered_cell
from strategies.near_duplicates.verification.agreement import agreement, evidence
from strategies.near_duplicates.verification.evidence import Evidence, count_places, log_chance
from strategies.near_duplicates.verification.pairs import (
    FOUND_BY_CHANCE,
    Match,
    Rules,
    accepted,
    compare,
    measure,
)
from strategies.near_duplicates.verification.picture import take_picture
from strategies.near_duplicates.verification.turns import best_turn
from tests.strategies.near_duplicates.specimens import jpeg, turned

UNLIKE = ((262, 287), (9277, 4637), (8617, 607), (5902, 607), (8147, 2877), (9167, 1942), (502, 287), (8297, 4272))
"""Numbers of generated cells that agreed under a turn of the frame, of 113 such pairs among 10,000: the hardest."""


def cell(number: int) -> np.ndarray:
    return np.asarray(numbered_cell(number))


@pytest.mark.parametrize("pair", UNLIKE)
def test_cells_whose_outlines_fit_are_not_copies(pair: tuple[int, int]) -> None:
    first, second = (take_picture(cell(number)) for number in pair)
    turn = best_turn(first, second)
    assert turn is not None
    # what made them copies before: most of the textured pixels agree
    assert accepted(Match(turn, 0, agreement(first, second, turn)), Rules())
    assert log_chance(evidence(first, second, turn), FOUND_BY_CHANCE) > -2.5
    assert compare(first, second) is None
    assert measure(first, second) is None


@pytest.mark.slow
def test_a_copy_of_a_single_cell_is_still_found() -> None:
    for number in (262, 287, 607):
        image = cell(number)
        stained = np.clip(image * np.array([0.85, 0.97, 1.05]) + np.array([18, 2, -12]), 0, 255).astype(np.uint8)
        copies = {
            "compressed": jpeg(image, 70),
            "half size": cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
            "mirrored": image[:, ::-1].copy(),
            "quarter turn": np.rot90(image).copy(),
            "stained": stained,
            "turned": turned(image, 20.0),
            "cropped": image[10:130, 14:134].copy(),
        }
        original = take_picture(image)
        for name, copy in copies.items():
            assert compare(take_picture(copy), original) is not None, (number, name)


def test_a_turn_that_fits_by_its_outline_alone_does_not_hide_the_true_one() -> None:
    image = cell(262)
    match = compare(take_picture(turned(image, 20.0)), take_picture(image))
    assert match is not None
    assert match.inliers > 0
    assert abs(np.degrees(np.arctan2(match.matrix[1, 0], match.matrix[0, 0]))) == pytest.approx(20, abs=1.5)


def test_the_chance_of_a_count_is_a_binomial_tail() -> None:
    assert Evidence(10, 10).log_chance(0.25) == pytest.approx(10 * np.log10(0.25))
    assert Evidence(10, 0).log_chance(0.25) == pytest.approx(0.0, abs=1e-9)
    assert Evidence(0, 0).log_chance(0.25) == 0.0
    assert Evidence(2, 1).log_chance(0.25) == pytest.approx(np.log10(1 - 0.75**2))
    assert Evidence(5000, 4000).log_chance(0.25) < -1000
    assert log_chance([Evidence(3, 3), Evidence(2, 0)], 0.25) == pytest.approx(3 * np.log10(0.25) + np.log10(2))


def test_windows_say_nothing_about_a_straight_edge_and_everything_about_grain() -> None:
    rng = np.random.default_rng(3)
    edge = np.zeros((120, 120), np.float32)
    edge[:, 60:] = 100
    grain = cv2.GaussianBlur(rng.normal(size=(120, 120)).astype(np.float32), (0, 0), 1.5) * 100
    other = cv2.GaussianBlur(rng.normal(size=(120, 120)).astype(np.float32), (0, 0), 1.5) * 100
    everywhere = np.ones((120, 120), bool)
    assert all(count.windows == 0 for count in count_places(edge, edge, everywhere))
    same, unlike = count_places(grain, grain * 0.5 + 7, everywhere)[0], count_places(grain, other, everywhere)[0]
    assert same.windows == same.found > 30
    assert unlike.found < 0.5 * unlike.windows
    # a smaller part in common leaves fewer windows, none leaves none
    part = everywhere.copy()
    part[:, 60:] = False
    assert 0 < count_places(grain, grain, part)[0].windows < same.windows
    assert count_places(grain, grain, ~everywhere)[0] == Evidence(0, 0)
    assert count_places(grain[:8], grain[:8], everywhere[:8])[0] == Evidence(0, 0)
