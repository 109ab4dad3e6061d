"""A whole loop: what is pushed, what an annotator makes of it in the editor, and what is said about it afterwards."""

from __future__ import annotations

from typing import Any

from ml_backend.effort.report import effort_report
from ml_backend.runs import request_run
from tests.fakes.label_studio import choice
from tests.ml_backend.loop.classes import Loop


def as_the_editor_does(prediction: dict[str, Any], label: str) -> list[dict[str, Any]]:
    """The result of a prediction that was taken over, corrected where it is wrong."""
    (region,) = prediction["result"]
    shown = region["value"]["choices"]
    origin = "prediction" if shown == [label] else "prediction-changed"
    return [{**region, "value": {"choices": [label]}, "origin": origin}]


def test_effort_of_a_first_model(loop: Loop) -> None:
    request_run(loop.services.store, loop.project, kind="rank", reason="First order.", now=loop.services.clock())
    loop.settle()
    client = loop.services.label_studio
    for _ in range(24):
        task = client.next_task(loop.project)
        assert task is not None
        client.create_annotation(task["id"], choice(loop.truth[task["id"]], "class", "image"), 6.0)
    loop.apply()
    request_run(loop.services.store, loop.project, kind="train", reason="By hand.", now=loop.services.clock())
    run = loop.settle()
    assert run.decision == "promoted", run
    right = 0
    for number in range(12):
        task = client.next_task(loop.project)
        assert task is not None
        (prediction,) = task["predictions"]
        truth = loop.truth[task["id"]]
        result = as_the_editor_does(prediction, truth)
        right += result[0]["origin"] == "prediction"
        client.create_annotation(task["id"], result, 2.0 if number else 9000.0, parent_prediction=int(prediction["id"]))
    loop.settle()
    report = effort_report(loop.services.store, loop.project)
    assert (report.total.images, report.total.accepted, report.total.relabeled) == (12, right, 12 - right)
    assert [part.run for part in report.runs] == [run.id]
    assert (report.by_hand.images, report.by_hand.seconds) == (24, 6.0)
    assert report.total.seconds == 2.0
    assert report.cut_off == 1
    assert report.total.saved is not None
    assert 30 < report.total.saved.seconds < 60
