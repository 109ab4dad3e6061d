"""`paploop ingest` says what it could not take, and its exit status too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fakes.label_studio import FakeLabelStudio
from tests.ml_backend.cli.conftest import Shell


@pytest.mark.slow
def test_damaged_files_and_labels_that_are_missing_are_said(
    shell: Shell, project: int, fake: FakeLabelStudio, tmp_path: Path
) -> None:
    store = shell.store()
    fake.add_project(store.projects.one(project).label_config, tasks=6)
    number = max(fake.state.projects)
    fake.state.projects[project] = {**fake.state.projects.pop(number), "id": project}
    for task in fake.state.tasks.values():
        task["project"] = project
    store.close()
    folder = tmp_path / "set" / "elsewhere" / "slide1"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(folder / "fine.png")
    (folder / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    (folder / "slide.svs").write_bytes(b"II*\0")
    words = ("ingest", str(tmp_path / "set"), "--project", str(project), "--seed-labels", "20")
    report = json.loads(shell.partly(*words, "--json"))
    assert list(report["unreadable"]) == ["elsewhere/slide1/damaged.png"]
    assert report["passed_over"] == {".svs": 1}
    assert report["labels_submitted"] < 20
    said = " ".join(report["problems"])
    assert "1 .svs" in said
    assert "first labels were set, because the folders" in said
    assert "elsewhere (2 images)" in said
