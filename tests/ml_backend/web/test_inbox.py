"""The way of events into the database: nothing ends it, nothing is left behind."""

import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ml_backend.errors import Unavailable
from ml_backend.web.inbox import UNFINISHED, Inbox
from tests.fakes.machine import eventually
from tests.ml_backend.web.conftest import WebWorld, bearer, recorded


def inbox(world: WebWorld) -> Inbox:
    made: Inbox = world.app.extensions["paploop-inbox"]
    return made


@contextmanager
def no_room() -> Iterator[None]:
    """A disk that takes no byte more, as the kernel sees it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_an_event_that_the_disk_does_not_take_leaves_nothing_behind(world: WebWorld) -> None:
    with no_room(), pytest.raises(Unavailable, match="Free disk space"):
        inbox(world).add(3, {"action": "PROJECT_UPDATED", "project": {"id": 3}})
    assert list(inbox(world).folder.iterdir()) == []


def test_what_a_killed_process_left_half_written_is_cleared_at_the_next_start(world: WebWorld) -> None:
    old, new = inbox(world).folder / "1.part", inbox(world).folder / "2.part"
    for path in (old, new):
        path.touch()
    age = old.stat().st_mtime - 2 * UNFINISHED
    os.utime(old, (age, age))
    Inbox(world.services.store, world.services.files, world.services.clock).start()
    assert not old.exists()
    assert new.exists(), "another process may be writing it"


def waiting_file(folder: Path, name: str, project: Any) -> Path:
    path = folder / f"{name}.json"
    body = {"action": "PROJECT_UPDATED", "project": {"id": project}}
    path.write_text(json.dumps({"project_id": project, "received_at": 1.0, "body": body}))
    return path


@pytest.mark.parametrize("project", [2**70, "three", None, [1], {"id": 1}])
def test_one_event_that_cannot_be_stored_holds_up_no_other(world: WebWorld, project: Any) -> None:
    waiting_file(inbox(world).folder, "0001", project)
    waiting_file(inbox(world).folder, "0002", 3)
    inbox(world).drain()
    assert [event.project_id for event in world.store.events.all_open()] == [3]
    assert inbox(world).waiting() == 0
    assert inbox(world).set_aside() == 1
    assert "paploop_inbox_set_aside 1.0" in world.call("/metrics").text


def test_an_unexpected_error_does_not_end_the_thread(world: WebWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures = Inbox.drain, iter([True])

    def drain(self: Inbox) -> int:
        if next(failures, False):
            raise RuntimeError("a fault of PapLoop")
        return real(self)

    monkeypatch.setattr(Inbox, "drain", drain)
    monkeypatch.setattr("ml_backend.web.inbox.RETRY", 0.01)
    body = recorded("webhook_project_updated")["request"]["body"]
    for _ in range(2):
        assert world.client.post("/webhook", json=body, headers=bearer()).status_code == 201
    eventually(lambda: not inbox(world).waiting(), "the thread goes on")
    assert len(world.store.events.all_open()) == 2
