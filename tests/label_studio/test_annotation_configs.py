"""Every labeling config we ship can be driven, and the README names it."""

from __future__ import annotations

from pathlib import Path

import pytest

import annotation_configs
from ml_backend.label_config import parse_label_config

FOLDER = Path(annotation_configs.__file__).parent
CONFIGS = sorted(FOLDER.glob("*.xml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_it_can_be_driven(path: Path) -> None:
    job = parse_label_config(path.read_text())
    assert (job.data_key, job.multiple) == ("image", False)
    assert job.from_name == "class" or job.finds_objects
    assert f"`{path.name}`" in (FOLDER / "README.md").read_text()


def test_there_are_some() -> None:
    assert len(CONFIGS) >= 3
