import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_backend.errors import BadRequest, Damaged, NotFound, Unavailable
from ml_backend.state.vectors import Vectors
from tests.fakes.machine import fill_the_disk


def block(first: int, count: int, dimension: int = 4) -> np.ndarray:
    return np.repeat(np.arange(first, first + count, dtype=np.float32)[:, None], dimension, axis=1)


def test_rows_keep_their_numbers(tmp_path: Path) -> None:
    vectors = Vectors(tmp_path / "e", 4)
    assert vectors.append(block(0, 3)) == 0
    assert vectors.append(block(3, 0)) == 3
    assert vectors.append(block(3, 2).astype(np.float64)) == 3
    again = Vectors(tmp_path / "e", 4)
    assert len(again) == 5
    np.testing.assert_array_equal(again.matrix(), block(0, 5))
    np.testing.assert_array_equal(again.rows([4, 0, 4])[:, 0], [4, 0, 4])
    assert again.rows([]).shape == (0, 4)
    np.testing.assert_array_equal(np.fromfile(again.path, "<f4").reshape(-1, 4), block(0, 5))


def test_an_empty_folder_has_an_empty_matrix(tmp_path: Path) -> None:
    vectors = Vectors(tmp_path, 3)
    assert vectors.matrix().shape == (0, 3)
    with pytest.raises(NotFound, match="Embedding 0 is not in"):
        vectors.rows([0])


def test_the_map_is_read_only_and_of_its_moment(tmp_path: Path) -> None:
    vectors = Vectors(tmp_path, 4)
    vectors.append(block(0, 2))
    before = vectors.matrix()
    vectors.append(block(2, 2))
    assert before.shape == (2, 4)
    with pytest.raises(ValueError, match="read-only"):
        before[0, 0] = 1.0
    vectors.rows([0])[0, 0] = 9.0
    assert vectors.matrix()[0, 0] == 0.0


@pytest.mark.parametrize(
    "bad", [np.ones((2, 3)), np.ones(4), np.array([[0, 1, 2, np.nan]]), np.array([[0, 1, 2, np.inf]])]
)
def test_bad_embeddings_are_refused_whole(tmp_path: Path, bad: np.ndarray) -> None:
    vectors = Vectors(tmp_path, 4)
    with pytest.raises(BadRequest):
        vectors.append(bad)
    assert len(vectors) == 0


def test_rows_outside(tmp_path: Path) -> None:
    vectors = Vectors(tmp_path, 4)
    vectors.append(block(0, 2))
    for row in (-1, 2):
        with pytest.raises(NotFound, match=f"Embedding {row} is not in"):
            vectors.rows([0, row])


def test_another_dimension_is_a_conflict(tmp_path: Path) -> None:
    Vectors(tmp_path, 4).append(block(0, 1))
    with pytest.raises(Damaged, match="length 4, not 5"):
        Vectors(tmp_path, 5)
    with pytest.raises(BadRequest):
        Vectors(tmp_path, 0)


def test_existing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="No image has been embedded"):
        Vectors.existing(tmp_path)
    Vectors(tmp_path, 4).append(block(0, 2))
    assert Vectors.existing(tmp_path).matrix().shape == (2, 4)
    (tmp_path / "rows.json").write_text("[]")
    with pytest.raises(Damaged):
        Vectors.existing(tmp_path)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tail=st.binary(min_size=1, max_size=70), before=st.integers(0, 3))
def test_a_torn_tail_is_cut(tmp_path: Path, tail: bytes, before: int) -> None:
    folder = tmp_path / os.urandom(6).hex()
    vectors = Vectors(folder, 4)
    vectors.append(block(0, before))
    with vectors.path.open("ab") as file:
        file.write(tail)
    assert len(vectors) == before
    np.testing.assert_array_equal(vectors.matrix(), block(0, before))
    assert vectors.append(block(before, 2)) == before
    np.testing.assert_array_equal(vectors.matrix(), block(0, before + 2))
    assert vectors.path.stat().st_size == (before + 2) * 16


def test_a_full_disk_leaves_the_old_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = Vectors(tmp_path, 4)
    vectors.append(block(0, 2))

    fill_the_disk(monkeypatch)
    with pytest.raises(Unavailable, match=r"vectors\.f32 because the disk is full\. Free some space"):
        vectors.append(block(2, 2))
    monkeypatch.undo()
    assert vectors.append(block(2, 1)) == 2
    np.testing.assert_array_equal(vectors.matrix(), block(0, 3))


def test_missing_data_is_noticed(tmp_path: Path) -> None:
    vectors = Vectors(tmp_path, 4)
    vectors.append(block(0, 2))
    os.truncate(vectors.path, 20)
    with pytest.raises(Damaged, match="should contain 2 embeddings but is shorter"):
        vectors.matrix()
    with pytest.raises(Damaged, match="shorter"):
        vectors.append(block(2, 1))
    vectors.path.with_name("rows.json").write_text("{")
    with pytest.raises(Damaged, match=r"rows\.json cannot be read"):
        len(vectors)


def test_threads_append_whole_blocks(tmp_path: Path) -> None:
    Vectors(tmp_path, 4)

    def add(n: int) -> tuple[int, int]:
        return n, Vectors(tmp_path, 4).append(np.full((n, 4), n, np.float32))

    with ThreadPoolExecutor(6) as pool:
        placed = list(pool.map(add, range(1, 13)))
    matrix = Vectors(tmp_path, 4).matrix()
    assert len(matrix) == sum(range(1, 13))
    for n, first in placed:
        assert (matrix[first : first + n] == n).all()


def test_killed_in_the_middle_of_appending(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, numpy as np; from ml_backend.state.vectors import Vectors\n"
        "v = Vectors(pathlib.Path(sys.argv[1]), 256); print('ready', flush=True)\n"
        "while True:\n"
        "    n = len(v); first = v.append(np.repeat(np.arange(n, n + 37, dtype='f4')[:, None], 256, axis=1))\n"
    )
    for attempt in range(3):
        process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05 * (attempt + 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        vectors = Vectors(tmp_path, 256)
        count = len(vectors)
        assert count % 37 == 0
        np.testing.assert_array_equal(vectors.matrix()[:, 255], np.arange(count))
        assert vectors.append(block(count, 37, 256)) == count
    assert json.loads((tmp_path / "rows.json").read_text())["rows"] == count + 37
