"""`PAPLOOP_MAX_IMAGE_PIXELS` holds for every reader of images, whichever command starts it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from ml_backend.cli import build_app
from ml_backend.settings import load_settings
from training.data.images import ImageDecodeError, load_rgb
from training.data.pixel_limit import MAX_PIXELS, allow_pixels, pixels_allowed


@pytest.fixture(autouse=True)
def limit_of_this_process() -> Iterator[None]:
    yield
    allow_pixels(MAX_PIXELS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(12):
        path = tmp_path / "cells" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (20 * number, 0, 0)).save(path)
    return tmp_path / "cells"


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("allowed", [1199, 1200, 400_000_000])
def test_whoever_reads_the_settings_sets_it_for_all_readers(
    folder: Path, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    monkeypatch.setenv("PAPLOOP_MAX_IMAGE_PIXELS", str(allowed))
    load_settings.cache_clear()
    load_settings()
    assert pixels_allowed() == allowed
    if allowed < 1200:
        with pytest.raises(ImageDecodeError, match="more than the 1,199 allowed"):
            load_rgb(folder / "a" / "0.png")
    else:
        assert load_rgb(folder / "a" / "0.png").shape == (30, 40, 3)


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize(
    "words",
    [("fit", "FOLDER", "--out", "OUT"), ("duplicates", "FOLDER")],
)
def test_commands_without_a_project_heed_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PAPLOOP_MAX_IMAGE_PIXELS", "1199")
    load_settings.cache_clear()
    allow_pixels(MAX_PIXELS)
    places = {"FOLDER": str(folder), "OUT": str(tmp_path / "model")}
    result = CliRunner().invoke(build_app(), [places.get(word, word) for word in words])
    assert pixels_allowed() == 1199
    assert "1,199 allowed" in f"{result.output}{result.exception}"
