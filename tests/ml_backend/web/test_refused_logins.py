"""Failed logins leave a line with the address, never what was tried, and never a full disk."""

import logging

import pytest

from ml_backend.web.refused_logins import LINES, PERIOD, RefusedLogins
from tests.ml_backend.web.conftest import WebWorld, basic, bearer


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "ml_backend.web.refused_logins"]


def test_a_failed_login_is_logged_without_what_was_tried(world: WebWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for headers in (basic(password="hunter2"), basic(user="hunter2"), bearer("hunter2"), {}):
        options = {"headers": headers, "environ_base": {"REMOTE_ADDR": "192.0.2.7"}}
        assert world.client.get("/api/projects", **options).status_code == 401
    said = lines(caplog)
    assert len(said) == 4
    assert all("192.0.2.7" in line and "/api/projects" in line for line in said)
    assert "no password" in said[3]
    assert "hunter2" not in caplog.text


def test_a_right_login_is_not_logged(world: WebWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert world.call("/api/projects").status_code == 200
    assert lines(caplog) == []


def test_a_flood_is_counted_instead_of_listed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    now = [0.0]
    refused = RefusedLogins(lambda: now[0])
    for _ in range(LINES + 500):
        refused.note("192.0.2.7", "/", tried=True)
    assert len(lines(caplog)) == LINES
    now[0] = PERIOD
    refused.note("192.0.2.8", "/", tried=False)
    assert "500 more refused logins" in lines(caplog)[-2]
    assert "192.0.2.8" in lines(caplog)[-1]
