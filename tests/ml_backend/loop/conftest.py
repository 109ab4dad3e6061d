from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_backend.runs import request_run
from tests.fakes.world import Studio
from tests.ml_backend.loop.classes import make_loop


@pytest.fixture(scope="package")
def labelled(tmp_path_factory: pytest.TempPathFactory, cells: Path) -> Iterator[Studio]:
    """A project with 30 labels and a run that nobody has begun; a file of tests may give its own."""
    loop = make_loop(tmp_path_factory.mktemp("labelled") / "state", cells)
    request_run(loop.services.store, loop.project, kind="rank", reason="First order.", now=loop.services.clock())
    loop.settle()
    loop.label(30)
    loop.apply()
    request_run(loop.services.store, loop.project, kind="train", reason="By hand.", now=loop.services.clock())
    yield loop
    loop.store.close()


@pytest.fixture
def scene(labelled: Studio, tmp_path: Path) -> Iterator[Studio]:
    """`labelled` once more, to do anything with."""
    studio = labelled.copied(tmp_path / "state")
    yield studio
    studio.store.close()


@pytest.fixture(scope="module")
def undisturbed(labelled: Studio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The end of `labelled` without any kill."""
    studio = labelled.copied(tmp_path_factory.mktemp("undisturbed") / "state")
    assert studio.settle().state == "done"
    yield studio
    studio.store.close()
