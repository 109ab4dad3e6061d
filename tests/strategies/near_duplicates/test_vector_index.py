import subprocess
import sys
import threading

import faiss
import numpy as np
import pytest

from strategies.base import StrategyError
from strategies.near_duplicates.index import VectorIndex


def unit(seed: int, count: int, dimension: int = 24) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("queries", [1, 5, 60])
def test_within_equals_a_plain_product(queries: int) -> None:
    vectors, asked = unit(0, 500), unit(1, queries)
    index = VectorIndex(24)
    index.add(vectors[:200])
    index.add(vectors[200:])
    lims, distances, positions = index.within(asked, 0.7)
    plain = 1 - asked @ vectors.T
    for i in range(queries):
        got = positions[lims[i] : lims[i + 1]]
        assert set(got) == set(np.flatnonzero(plain[i] <= 0.7))
        assert np.all(np.diff(distances[lims[i] : lims[i + 1]]) >= 0)
        assert np.allclose(distances[lims[i] : lims[i + 1]], plain[i][got], atol=1e-5)


def test_nearest_equals_a_plain_product() -> None:
    vectors = unit(0, 300)
    index = VectorIndex(24)
    index.add(vectors)
    distances, positions = index.nearest(vectors[:40], 3)
    plain = 1 - vectors[:40] @ vectors.T
    assert positions.tolist() == np.argsort(plain, axis=1)[:, :3].tolist()
    assert np.allclose(distances, np.sort(plain, axis=1)[:, :3], atol=1e-5)


def test_an_empty_index_answers() -> None:
    index = VectorIndex(24)
    assert [a.tolist() for a in index.within(unit(0, 2), 0.5)] == [[0, 0, 0], [], []]
    assert index.nearest(unit(0, 2), 5)[1].shape == (2, 0)
    assert len(index) == 0


@pytest.mark.parametrize("rows", [np.ones((2, 24)), np.full((2, 24), np.nan), np.ones((2, 3)), np.ones(24)])
def test_odd_vectors_are_refused(rows: np.ndarray) -> None:
    with pytest.raises(StrategyError):
        VectorIndex(24).add(rows)


def test_odd_arguments_are_refused() -> None:
    index = VectorIndex(24)
    index.add(unit(0, 2))
    with pytest.raises(StrategyError, match="radius"):
        index.within(unit(0, 1), 3.0)
    with pytest.raises(StrategyError, match="neighbors"):
        index.nearest(unit(0, 1), 0)
    with pytest.raises(StrategyError, match="dimension"):
        VectorIndex(0)


IMPORTED = """
import cv2, faiss, numpy
cv2.setNumThreads(2)
before = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
faiss.omp_set_num_threads(before[0] + 1)
import strategies.near_duplicates.approximate, strategies.near_duplicates.candidates
import strategies.near_duplicates.verification.pairs
from strategies.near_duplicates.verification.picture import take_picture
assert (faiss.omp_get_max_threads() - 1, faiss.cvar.distance_compute_blas_threshold) == before
assert cv2.getNumThreads() == 2
take_picture(numpy.zeros((20, 20, 3), numpy.uint8))
assert cv2.getNumThreads() == 1
"""


def test_an_import_changes_no_setting_of_faiss_or_opencv() -> None:
    subprocess.run([sys.executable, "-c", IMPORTED], check=True)


def test_a_search_takes_one_core_on_whatever_thread_it_runs() -> None:
    index, counts = VectorIndex(24), []
    index.add(unit(0, 10))

    def search() -> None:
        faiss.omp_set_num_threads(3)
        index.nearest(unit(1, 2), 1)
        counts.append(faiss.omp_get_max_threads())

    thread = threading.Thread(target=search)
    thread.start()
    thread.join()
    assert counts == [1]
