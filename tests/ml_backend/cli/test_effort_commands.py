"""`paploop effort` and `paploop import-labels` as people and programs call them."""

from __future__ import annotations

import json
from pathlib import Path

from ml_backend.predictions.thresholds import METRIC
from ml_backend.state.records import EffortRow
from tests.fakes.label_studio import FakeLabelStudio
from tests.fakes.runs import open_run
from tests.ml_backend.cli.conftest import NOW, Shell

OBJECTS = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image">'
    '<Label value="Cell"/></RectangleLabels></View>'
)


def test_effort_of_a_project(shell: Shell, project: int) -> None:
    assert "No image with a pre-annotation" in shell("effort")
    store = shell.store()
    stamp = store.labels.all(project)[0].updated_at
    store.effort.save(project, [EffortRow(1, stamp, 4, "proposal", 0, 0, 1, 0, 0, 3.0)])
    store.close()
    answer = shell.json("effort", str(project))
    assert (answer["total"]["relabeled"], answer["runs"][0]["run"], answer["thresholds"]) == (1, 4, None)
    assert "0 of 1 proposed classes (0 %) were kept" in shell("effort")


def test_effort_shows_thresholds_where_objects_are_drawn(shell: Shell) -> None:
    store = shell.store()
    store.projects.upsert(9, "Boxes", OBJECTS, NOW)
    run = open_run(store, 9, now=NOW)
    chosen = {"classes": {"Cell": {"threshold": 0.4, "objects": 30, "basis": "own"}}, "why": "Fewest corrections."}
    store.runs.update(run.id, state="done", metrics={METRIC: chosen})
    store.projects.update(9, active_run_id=run.id)
    store.close()
    assert "Fewest corrections." in shell("effort", "9")
    assert shell.json("effort", "9")["thresholds"]["classes"][0]["shown_from"] == 0.4
    shell("strategy", "--project", "9", "--set", 'shown_from_class={"Cell": 0.7}')
    assert shell.json("effort", "9")["thresholds"]["classes"][0]["basis"] == "set"


def test_labels_of_a_table(shell: Shell, project: int, fake: FakeLabelStudio, tmp_path: Path) -> None:
    store = shell.store()
    config = store.projects.one(project).label_config
    fake.add_project(config, tasks=4)
    number = max(fake.state.projects)
    fake.state.projects[project] = {**fake.state.projects.pop(number), "id": project}
    for task in fake.state.tasks.values():
        task["project"] = project
    store.close()
    table = tmp_path / "labels.csv"
    table.write_text("file,label\nsuperficial/4.png,superficial\nnowhere.png,parabasal\n3.png,unknown\n")
    planned = json.loads(shell.partly("import-labels", str(project), str(table), "--dry-run", "--json"))
    assert (planned["added"], planned["unmatched_count"], planned["complete"]) == (1, 1, False)
    said = shell.partly("import-labels", str(project), str(table))
    assert "nowhere.png is not an image of the project" in said
    assert "no label 'unknown'" in said
    table.write_text("file,label\nsuperficial/4.png,superficial\n")
    again = shell.json("import-labels", str(project), str(table))
    assert (again["present"], again["complete"]) == (1, True)
    table.write_text("file,label\n" + "superficial/4.png,superficial\n" * 60 + ",superficial\n" * 4)
    message, code = shell.fails("import-labels", str(project), str(table))
    assert "4 of 64 labels cannot be used (4: a line names no file or no class" in message
    assert code == 1
    assert "4: a line" not in shell.partly("import-labels", str(project), str(table), "--allow-left-out")
    message, code = shell.fails("import-labels", str(project), str(tmp_path / "missing"))
    assert "no file or folder" in message
    assert code == 2
