"""`paploop events`, and a status that one spoilt project does not take from the others."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from tests.ml_backend.cli.conftest import CLASSES, NOW, Shell

BODY = {
    "annotation": {
        "id": 50,
        "task": 3,
        "result": [{"from_name": "class", "to_name": "image", "type": "choices", "value": {"choices": [CLASSES[0]]}}],
        "updated_at": "2026-11-21T09:31:37.197599Z",
    }
}


def set_aside(shell: Shell, project: int) -> int:
    store = shell.store()
    number = store.events.add(project, "ANNOTATION_CREATED", BODY, NOW)
    store.events.close(number, NOW, "The database failed.", set_aside=True)
    store.close()
    return number


def test_what_was_set_aside_is_listed_applied_and_discarded(shell: Shell, project: int) -> None:
    assert "No webhooks are set aside" in shell("events")
    first, second = set_aside(shell, project), set_aside(shell, project)
    assert "The database failed." in shell("events", str(project))
    assert [(event["id"], event["body"]) for event in shell.json("events")] == [(first, BODY), (second, BODY)]
    assert shell.json("status")[0]["set_aside_events"] == 2
    assert shell.json("events", "--apply", str(first))["set_aside"] is False
    assert shell.json("status")[0]["labels"][CLASSES[0]] == 2
    assert "was discarded" in shell("events", "--discard", str(second))
    assert shell.json("events") == []
    assert shell.fails("events", "--apply", str(first)) == (
        f"Webhook {first} is not set aside. `paploop events` lists those that are.",
        2,
    )
    assert "no webhook 999" in shell.fails("events", "--discard", "999")[0]
    assert "not both" in shell.fails("events", "--discard", "1", "--apply", "1")[0]


@pytest.mark.usefixtures("project")
def test_a_spoilt_project_takes_no_status_from_the_others(shell: Shell) -> None:
    store = shell.store()
    store.projects.upsert(8, "Spoilt", "<View/>", NOW)
    with store.database.write() as connection:
        connection.execute(text("""UPDATE projects SET settings = '{"window": 0}' WHERE id = 8"""))
    store.close()
    good, bad = shell.json("status")
    assert good["items"] == {"ready": 4}
    assert (bad["project"], bad["title"]) == (8, "Spoilt")
    assert "window" in bad["problem"]
    assert "window" in shell("status")
