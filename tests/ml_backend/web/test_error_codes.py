"""Programs go by the code of an error and by its data; people read the sentence."""

from __future__ import annotations

from typing import Any

import pytest

from ml_backend.errors import Busy, NotFound, Overloaded
from tests.ml_backend.web.conftest import Loop, WebWorld, basic


def test_a_code_is_that_of_the_class_unless_a_better_one_is_given() -> None:
    plain, exact = NotFound("Nothing here."), NotFound("No run 3.", code="run.unknown", run=3)
    assert (plain.code, plain.data) == ("not_found", {})
    assert (exact.code, exact.data, str(exact)) == ("run.unknown", {"run": 3}, "No run 3.")
    assert NotFound.code == "not_found"
    assert (Busy("Wait.").code, Overloaded("Wait.", 7).data) == ("busy", {"retry_after": 7})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/api/projects/99", None, 404, "project.unknown"),
        ("GET", "/api/projects/{p}/runs/99", None, 404, "run.unknown"),
        ("GET", "/api/projects/{p}/runs?limit=none", None, 400, "request.bad_limit"),
        ("POST", "/api/projects/{p}/rollback", b"{}", 400, "request.no_run"),
        ("POST", "/api/projects/{p}/rollback", b"[", 400, "request.not_json"),
        ("GET", "/nowhere", None, 404, "http.unknown_address"),
        ("DELETE", "/api/projects", None, 405, "http.wrong_method"),
    ],
)
def test_errors_carry_their_code(
    world: WebWorld, loop: Loop, method: str, path: str, body: bytes | None, status: int, code: str
) -> None:
    response = world.client.open(path.format(p=loop.project), method=method, data=body, headers=basic())
    said: dict[str, Any] = response.get_json()
    assert (response.status_code, said["code"]) == (status, code)
    assert said["error"].endswith((".", "`"))


def test_the_data_names_what_the_sentence_speaks_of(world: WebWorld, loop: Loop) -> None:
    response = world.client.get(f"/api/projects/{loop.project}/runs/99", headers=basic())
    assert response.get_json()["data"] == {"run": 99}
