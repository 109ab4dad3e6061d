"""The short form of `make soak`: two annotators, every fault once, and nothing is lost or made up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import RealStack
from tests.soak.faults import (
    JOB_KILLED,
    POISON_EVENTS,
    REPEATED_EVENTS,
    Fault,
    clock_jump,
    disk_full,
    killed,
    paused,
    pids_of_paploop,
)
from tests.soak.limits import FileLimit
from tests.soak.scene import Scene
from tests.soak.session import Plan, Session

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2400)]

FAULTS: tuple[Fault, ...] = (
    killed("web"),
    JOB_KILLED,
    REPEATED_EVENTS,
    killed("redis"),
    POISON_EVENTS,
    killed("worker"),
    disk_full(4),
    clock_jump(4),
    paused(8, (REPEATED_EVENTS,)),
    killed("label-studio"),
)


@pytest.fixture
def scene(real_stack: RealStack, clock_file: Path) -> Iterator[Scene]:
    limit = FileLimit(lambda: ())
    scene = Scene(real_stack.settings, real_stack.stack, real_stack.services, clock_file, limit)
    limit.pids = lambda: pids_of_paploop(scene)
    yield scene
    clock_file.unlink(missing_ok=True)
    limit.free()


def test_nothing_is_lost_whatever_goes_wrong(scene: Scene, tmp_path: Path) -> None:
    plan = Plan(FAULTS, minutes=1.5, cells=240, retrain_labels=12, think=0.7, seed=0, polls=False)
    report = Session(scene, tmp_path / "cells", plan).run()
    print(report.as_markdown())
    assert report.problems == []
    assert report.labels_kept == report.labels_acknowledged > 0
    assert report.done["submitted"] > 0
    assert {fault.name for fault in report.faults} == {fault.name for fault in FAULTS}
