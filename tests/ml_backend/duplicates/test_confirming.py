from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml_backend.duplicates.confirming import PixelCheck
from ml_backend.errors import ImageError
from tests.strategies.near_duplicates.specimens import specimen


@pytest.fixture
def check(tmp_path: Path) -> PixelCheck:
    images = {
        1: specimen(1),
        2: np.rot90(specimen(1)).copy(),
        3: specimen(2),
        4: np.full((60, 60, 3), 200, np.uint8),
        5: np.full((60, 60, 3), 200, np.uint8),
        6: np.full((60, 60, 3), 90, np.uint8),
    }
    for number, image in images.items():
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    (tmp_path / "7.png").write_bytes(b"broken")
    return PixelCheck(_paths(tmp_path), 10**6)


def _paths(folder: Path) -> Callable[[int], Path]:
    def path_of(number: int) -> Path:
        if number == 8:
            raise ImageError("It cannot be fetched.")
        return folder / f"{number}.png"

    return path_of


@pytest.mark.parametrize(
    ("pair", "same"),
    [
        ((1, 2), True),
        ((1, 3), False),
        ((4, 5), True),
        ((4, 6), False),
        ((1, 7), False),
        ((7, 7), False),
        ((1, 8), False),
        ((1, 9), False),
    ],
)
def test_pixels_decide(check: PixelCheck, pair: tuple[int, int], same: bool) -> None:
    assert check.same(*pair) is same
    assert check.same(*pair[::-1]) is same
