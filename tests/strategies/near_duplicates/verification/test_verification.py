from itertools import combinations

import numpy as np
import pytest

from strategies.near_duplicates.verification.agreement import covers
from strategies.near_duplicates.verification.fit import apply, compose, flip, invert
from strategies.near_duplicates.verification.pairs import Rules, compare, compare_near
from strategies.near_duplicates.verification.picture import local_features, mirrored_features, take_picture
from strategies.near_duplicates.verification.relation import RELATIONS, relation
from strategies.near_duplicates.verification.summary import DIMENSION, summarise
from strategies.near_duplicates.verification.turns import best_turn, eight, thumbnail, turn_matrix
from strategies.near_duplicates.verification.vocabulary import draw_specimen, learn_words, words
from tests.strategies.near_duplicates.specimens import copies, jpeg, specimen

SEEDS = (11, 12, 13)
KINDS = sorted(copies(specimen(0)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_copy_is_found_and_its_relation_is_said(kind: str, seed: int) -> None:
    image = specimen(seed)
    original = take_picture(image)
    for copy in copies(image)[kind]:
        member = take_picture(copy)
        match = compare(member, original)
        assert match is not None
        assert match.similarity > 0.8
        assert relation(member, original, match) == kind
        assert kind in RELATIONS


def test_neighbouring_crops_overlap() -> None:
    image = specimen(5, 480)
    left, right = take_picture(image[:, :300].copy()), take_picture(image[:, 120:420].copy())
    match = compare(left, right)
    assert match is not None
    assert relation(left, right, match) == "overlap"
    assert match.agreement.cover_first == pytest.approx(0.6, abs=0.02)
    assert compare(left, right, Rules(overlap=0.8)) is None


@pytest.mark.slow
def test_different_specimens_are_not_matched() -> None:
    pictures = [take_picture(specimen(seed)) for seed in range(20, 32)]
    assert not [pair for pair in combinations(pictures, 2) if compare(*pair) is not None]


def test_empty_fields_are_not_matched() -> None:
    y, x = np.mgrid[:256, :256]
    shading = 210 + 20 * np.cos((x - 128) / 200) * np.cos((y - 128) / 200)
    rng = np.random.default_rng(0)
    fields = [
        jpeg(np.clip(shading[..., None] + rng.normal(size=(256, 256, 3)) * 2, 0, 255).astype(np.uint8), 85)
        for _ in range(5)
    ]
    fields.append(np.full((256, 256, 3), 240, np.uint8))
    pictures = [take_picture(field) for field in fields]
    assert not [pair for pair in combinations(pictures, 2) if compare(*pair) is not None]


def cut_out(radius: int, tint: int, seed: int) -> np.ndarray:
    y, x = np.mgrid[:130, :130]
    inside = (x - 65) ** 2 + (y - 65) ** 2 < radius**2
    shade = tint - 0.004 * ((x - 65) ** 2 + (y - 65) ** 2) + np.random.default_rng(seed).normal(size=x.shape)
    return np.where(inside, shade, 0)[..., None].clip(0, 255).astype(np.uint8).repeat(3, axis=2)


def test_round_cells_cut_out_on_black_are_not_copies_of_each_other() -> None:
    pictures = [take_picture(cut_out(radius, 150 + 10 * i, i)) for i, radius in enumerate((55, 57, 60, 62))]
    assert all(picture.ground is not None for picture in pictures)
    assert not [pair for pair in combinations(pictures, 2) if compare(*pair) is not None]


def test_a_one_pixel_image_is_no_problem() -> None:
    for shape in ((1, 1, 3), (1, 400, 3), (3, 2, 3)):
        picture = take_picture(np.zeros(shape, np.uint8))
        assert compare(picture, picture) is None
        assert summarise(picture).shape == (2, DIMENSION)


def test_a_guess_that_is_a_bit_off_is_refined() -> None:
    image = specimen(7)
    first, second = take_picture(image), take_picture(np.rot90(image).copy())
    exact = turn_matrix(1, first.grey.shape, second.grey.shape)
    off = exact + np.array([[0, 0, 3.0], [0, 0, -3.0]])
    match = compare_near(first, second, off)
    assert match is not None
    assert np.allclose(match.matrix[:, 2], exact[:, 2], atol=1.5)
    assert compare_near(first, take_picture(specimen(8)), off) is None


def test_turn_matrices_agree_with_numpy() -> None:
    image = specimen(3)[:200]
    picture = take_picture(image)
    for number in range(8):
        copy = np.rot90(image[:, ::-1] if number >= 4 else image, number % 4).copy()
        other = take_picture(copy)
        found = best_turn(picture, other)
        assert found is not None
        assert np.allclose(found, turn_matrix(number, picture.grey.shape, other.grey.shape))
        match = compare(picture, other)
        assert match is not None
        assert match.similarity > 0.95


def test_mirrored_features_are_those_of_the_mirrored_picture() -> None:
    picture = take_picture(specimen(9))
    points, descriptors = mirrored_features(picture)
    real_points, real = local_features(np.ascontiguousarray(picture.grey[:, ::-1]))
    near = np.abs(points[:, None] - real_points[None]).max(axis=2) < 1.0
    likeness = (descriptors.astype(float) @ real.T.astype(float)) / 512**2
    assert np.mean((likeness * near).max(axis=1) > 0.8) > 0.7


@pytest.mark.slow
def test_summaries_see_through_a_mirror_and_tell_specimens_apart() -> None:
    first, second = take_picture(specimen(1)), take_picture(specimen(2))
    mirrored = take_picture(specimen(1)[:, ::-1].copy())
    assert summarise(first)[1] @ summarise(mirrored)[0] > 0.6
    assert summarise(first)[0] @ summarise(second)[0] < 0.4


def test_maps_compose_and_invert() -> None:
    picture = take_picture(specimen(1))
    matrix = np.array([[0.9, -0.3, 12.0], [0.2, 1.1, -5.0]])
    points = np.random.default_rng(0).uniform(0, 200, size=(5, 2)).astype(np.float32)
    assert np.allclose(apply(invert(matrix), apply(matrix, points)), points, atol=1e-3)
    both = compose(flip(picture), matrix)
    assert np.allclose(apply(both, points), apply(matrix, apply(flip(picture), points)), atol=1e-3)
    half = np.array([[1.0, 0.0, 50.0], [0.0, 1.0, 0.0]])
    assert covers((100, 100), (100, 100), half) == pytest.approx((0.5, 0.5), abs=1e-3)


def test_the_eight_views_are_distinct_and_the_thumbnail_of_nothing_is_nothing() -> None:
    views = eight(thumbnail(take_picture(specimen(4))))
    assert len(np.unique(np.round(views, 5), axis=0)) == 8
    assert not thumbnail(take_picture(np.full((50, 50, 3), 9, np.uint8))).any()


@pytest.mark.slow
def test_words_travel_with_the_package_and_can_be_learned_anew() -> None:
    assert words().shape == (64, 128)
    assert np.allclose(np.linalg.norm(words(), axis=1).mean(), 0.8, atol=0.15)
    assert learn_words(np.random.default_rng(0), pictures=20).shape == (64, 128)
    assert draw_specimen(np.random.default_rng(0), 64).dtype == np.uint8
