"""To which runs one can roll back: one rule, whether a lead asks the dashboard or the command line."""

from __future__ import annotations

import pytest

from ml_backend.errors import Conflict
from ml_backend.runs import request_run, rollback
from ml_backend.web.dashboard.page import run_line
from tests.ml_backend.loop.classes import Loop


@pytest.mark.parametrize(
    ("decision", "state", "has_model", "said"),
    [
        ("promoted", "done", True, ""),
        ("promoted", "failed", True, ""),
        ("kept", "done", True, "has no promoted model"),
        ("promoted", "publish", True, "is still publishing"),
        ("promoted", "done", False, "is missing"),
    ],
)
def test_the_button_and_the_command_allow_the_same(
    scene: Loop, decision: str, state: str, has_model: bool, said: str
) -> None:
    run_id = request_run(
        scene.services.store, scene.project, kind="train", reason="Test.", now=scene.services.clock()
    ).id
    scene.store.runs.update(run_id, decision=decision, state=state)
    if has_model:
        model = scene.services.files.run_dir(run_id) / "checkpoint" / "model.json"
        model.parent.mkdir(parents=True)
        model.write_text("{}")
    assert run_line(scene.services.files, scene.store.runs.one(run_id), None, 0.0).can_go_back is (said == "")
    if said:
        with pytest.raises(Conflict, match=said):
            rollback(scene.services.store, scene.services.files, scene.project, run_id, now=scene.services.clock())
    else:
        assert (
            rollback(
                scene.services.store, scene.services.files, scene.project, run_id, now=scene.services.clock()
            ).request.model_run
            == run_id
        )
