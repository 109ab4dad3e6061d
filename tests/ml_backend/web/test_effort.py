"""Effort on the page of a project and in the API."""

from __future__ import annotations

import pytest

from ml_backend.effort.report import report_of
from ml_backend.predictions.thresholds import METRIC, limits_of
from ml_backend.state.records import EffortRow
from ml_backend.web.dashboard.effort import bar, panel_of
from tests.fakes.runs import open_run
from tests.ml_backend.web.conftest import WebWorld, annotate

OBJECTS = (
    '<View><Image name="img" value="$image"/><RectangleLabels name="box" toName="img">'
    '<Label value="Cell"/><Label value="Nucleus"/></RectangleLabels></View>'
)


def row(number: int, start: str = "proposal", **fields: int | float) -> EffortRow:
    counts = {"accepted": 0, "moved": 0, "relabeled": 0, "added": 0, "deleted": 0} | fields
    seconds = counts.pop("seconds", None)
    whole = {name: int(value) for name, value in counts.items()}
    return EffortRow(number, "", 1 if start == "proposal" else None, start, **whole, seconds=seconds)


@pytest.mark.usefixtures("loop")
def test_before_anything_was_done(world: WebWorld) -> None:
    answer = world.call("/api/projects/3/effort")
    assert answer.status_code == 200
    assert answer.json["summary"] == "No image with a pre-annotation is finished yet."
    assert answer.json["thresholds"] is None
    assert "No image with a pre-annotation" in world.call("/dashboard/3").text
    assert world.call("/api/projects/99/effort").status_code == 404


@pytest.mark.usefixtures("loop")
def test_classes_on_the_page(world: WebWorld) -> None:
    for task in (1, 2):
        annotate(world, task, "Cat")
    world.store.effort.save(3, [row(101, accepted=1, seconds=2.0), row(102, relabeled=1, seconds=4.0)])
    page = world.call("/dashboard/3").text
    assert "1 of 2 proposed classes (50 %) were kept" in page
    assert "not enough evidence yet" in page
    assert 'aria-label="1 accepted, 0 moved, 1 relabeled, 0 deleted"' in page
    assert "Objects are shown from" not in page
    total = world.call("/api/projects/3/effort").json["total"]
    assert (total["accepted"], total["relabeled"], total["seconds"]) == (1, 1, 3.0)


def test_thresholds_on_the_page(world: WebWorld) -> None:
    world.store.projects.upsert(4, "Boxes", OBJECTS, world.now)
    run = open_run(world.store, 4, now=world.now)
    choice = {"Cell": {"threshold": 0.31, "objects": 40, "basis": "own"}}
    world.store.runs.update(run.id, state="done", metrics={METRIC: {"classes": choice, "why": "It is <best>."}})
    world.store.projects.update(4, active_run_id=run.id)
    world.call("/api/projects/4/settings", {"shown_from_class": {"Nucleus": 0.8}}, method="PATCH")
    page = world.call("/dashboard/4").text
    assert "<strong>0.31</strong> Cell" in page
    assert "<strong>0.80</strong> Nucleus" in page
    assert "It is &lt;best&gt;. Set by hand: Nucleus." in page
    told = world.call("/api/projects/4/effort").json["thresholds"]
    assert [(each["name"], each["shown_from"], each["basis"]) for each in told["classes"]] == [
        ("Cell", 0.31, "own"),
        ("Nucleus", 0.8, "set"),
    ]
    assert limits_of(world.services.store, 4).run == run.id


def test_time_saved_stands_beside_each_run() -> None:
    rows = [row(n, "nothing", added=1, seconds=6.0) for n in range(10)]
    rows += [row(n, accepted=1, seconds=2.0) for n in range(10, 30)]
    panel = panel_of(report_of(1, "classification", tuple(rows)), None)
    assert [line.name for line in panel.lines] == ["all", "run 1"]
    assert panel.lines[1].saved == "80 s (80 s to 80 s)"
    assert panel.by_hand == "Without proposals: 10 images, 6.0 s an image (median)."


def test_the_bar_shows_shares() -> None:
    drawn = str(bar([3, 0, 1, 0]))
    assert 'class="share-accepted" x="0.00" width="75.00"' in drawn
    assert 'class="share-relabeled" x="75.00" width="25.00"' in drawn
    assert "share-moved" not in drawn
    assert "share-" not in str(bar([0, 0, 0, 0]))
