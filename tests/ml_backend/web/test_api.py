"""The JSON API: what it says, what it changes, and what it refuses in a sentence."""

from typing import Any

import pytest

from tests.ml_backend.web.conftest import Loop, WebWorld, annotate


def test_projects_and_their_state(world: WebWorld, loop: Loop) -> None:
    assert world.call("/api/projects").json == {
        "projects": [{"id": 3, "title": "ml demo", "active_run": loop.run, "version": loop.version}]
    }
    annotate(world, 1, "Cat")
    annotate(world, 2, "Dog")
    annotate(world, 3, "Dog")
    state = world.call("/api/projects/3").json
    assert state["labels"] == {"Cat": 1, "Dog": 2}
    assert state["unlabelled"] == 2
    assert state["items"] == {"ready": 5}
    assert (state["active_run"], state["version"], state["strategy"]) == (loop.run, loop.version, "entropy")
    assert "0.750" in state["active_why"]
    assert state["changed"] == 3
    assert "20" in state["waits_for"]


def test_a_project_whose_config_cannot_be_driven_says_so(world: WebWorld) -> None:
    world.store.projects.upsert(3, "x", "<View/>", 1.0)
    state = world.call("/api/projects/3").json
    assert state["problem"].endswith(".")
    assert state["active_run"] is None


@pytest.mark.usefixtures("loop")
def test_settings_are_changed_all_or_none(world: WebWorld) -> None:
    changed = world.call("/api/projects/3/settings", {"strategy": "margin", "window": 50}, method="PATCH")
    assert (changed.json["strategy"], changed.json["window"]) == ("margin", 50)
    assert world.call("/api/projects/3/settings").json == changed.json
    bad = world.call("/api/projects/3/settings", {"strategy": "uniform", "window": 0}, method="PATCH")
    assert bad.status_code == 400
    assert world.store.projects.settings(3).strategy == "margin"


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize(
    "body",
    [
        {"strategy": "magic"},
        {"strategy": 7},
        {"strategy": ["margin"]},
        {"window": "many"},
        {"colour": "red"},
        {"strategy": "margin", "strategy_params": {"no_such": 1}},
        {"strategy_params": 3},
        {"retrain_minutes": -1},
    ],
)
def test_bad_settings_are_refused_in_a_sentence(world: WebWorld, body: dict[str, Any]) -> None:
    before = world.store.projects.settings(3)
    answer = world.call("/api/projects/3/settings", body, method="PATCH")
    assert answer.status_code == 400
    assert answer.json["error"].endswith((".", ";"))
    assert world.store.projects.settings(3) == before


@pytest.mark.usefixtures("loop")
def test_a_new_strategy_drops_the_parameters_of_the_old_one(world: WebWorld) -> None:
    settings = world.store.projects.settings(3).changed(strategy_params={"left": "over"})
    world.store.projects.save_settings(3, settings)
    assert world.call("/api/projects/3/settings", {"strategy": "margin"}, method="PATCH").json["strategy_params"] == {}


def test_strategies_are_described(world: WebWorld) -> None:
    rows = world.call("/api/strategies").json["strategies"]
    assert {"uniform", "entropy", "margin", "core_set"} <= {row["name"] for row in rows}
    assert all(row["summary"] and row["family"] for row in rows)


def test_runs_are_listed_with_their_scores(world: WebWorld, loop: Loop) -> None:
    (run,) = world.call("/api/projects/3/runs").json["runs"]
    assert (run["id"], run["decision"], run["labels"], run["macro_f1"]) == (loop.run, "promoted", 40, 0.75)
    low, high = run["macro_f1_interval"]
    assert 0 < low < 0.75 < high < 1
    detail = world.call(f"/api/projects/3/runs/{loop.run}").json
    assert detail["request"]["classes"] == ["Cat", "Dog"]
    assert detail["metrics"]["judgement"]["candidate"]["macro_f1"] == 0.75


@pytest.mark.usefixtures("loop")
def test_asking_twice_opens_one_run(world: WebWorld) -> None:
    first = world.call("/api/projects/3/train", method="POST")
    second = world.call("/api/projects/3/train", {"reason": "again"})
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json["id"] == second.json["id"]
    assert first.json["reason"] == "Requested through the API."
    assert [run.state for run in world.store.runs.latest(3)] == ["prepare", "done"]


@pytest.mark.usefixtures("loop")
def test_rank_opens_a_run_of_its_kind(world: WebWorld) -> None:
    assert world.call("/api/projects/3/rank", {"reason": "New images."}).json["kind"] == "rank"
    assert world.store.runs.latest(3)[0].reason == "New images."


def test_roll_back_asks_for_the_model_of_an_earlier_run(world: WebWorld, loop: Loop) -> None:
    answer = world.call("/api/projects/3/rollback", {"run": loop.run})
    assert answer.status_code == 202
    assert world.store.runs.one(answer.json["id"]).request.model_run == loop.run


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize(("run", "status"), [(999, 404), ("1", 400), (None, 400), (True, 400), (-1, 400)])
def test_roll_back_to_nothing_is_refused(world: WebWorld, run: Any, status: int) -> None:
    assert world.call("/api/projects/3/rollback", {"run": run}).status_code == status
    assert world.store.runs.open_of(3) is None


@pytest.mark.usefixtures("loop")
def test_reconcile_is_left_to_the_worker(world: WebWorld) -> None:
    world.store.projects.update(3, reconciled_at=5.0)
    assert world.call("/api/projects/3/reconcile", method="POST").status_code == 202
    assert world.store.projects.one(3).reconciled_at == 0.0


def test_rankings_and_the_next_items_with_their_why(world: WebWorld, loop: Loop) -> None:
    (ranking,) = world.call("/api/projects/3/rankings").json["rankings"]
    assert (ranking["strategy"], ranking["state"], ranking["model_run"]) == ("entropy", "active", loop.run)
    items = world.call(f"/api/projects/3/rankings/{ranking['id']}?limit=3").json["items"]
    assert [(item["task"], item["why"]) for item in items] == [(4, "reason 0"), (3, "reason 1"), (2, "reason 2")]
    assert items[0]["image"].startswith("http://127.0.0.1:9090/media/3/")
    annotate(world, 4, "Cat")
    annotate(world, 3, "Cat")
    following = world.call("/api/projects/3/next?limit=1").json["items"]
    assert [item["task"] for item in following] == [2]
    assert len(world.call("/api/projects/3/next").json["items"]) == 2


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("limit", ["0", "-1", "x", "1001", "99999999999999999999", "", "1.5"])
def test_limits_are_checked(world: WebWorld, limit: str) -> None:
    assert world.call(f"/api/projects/3/next?limit={limit}").status_code == 400


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize(
    "path",
    [
        "/api/projects/9",
        "/api/projects/9/settings",
        "/api/projects/9/runs",
        "/api/projects/9/runs/1",
        "/api/projects/9/next",
        "/api/projects/9/rankings",
        "/api/projects/9/rankings/1",
        "/api/projects/3/runs/77",
        "/api/projects/3/rankings/77",
        "/api/projects/0",
        f"/api/projects/{2**63}",
        f"/api/projects/3/runs/{10**40}",
        f"/media/3/{10**40}/00/a.png",
    ],
)
def test_what_is_not_there_is_404_in_a_sentence(world: WebWorld, path: str) -> None:
    answer = world.call(path)
    assert answer.status_code == 404
    assert answer.json["error"].endswith(".")


def test_one_project_cannot_reach_into_another(world: WebWorld, loop: Loop) -> None:
    world.store.projects.upsert(4, "other", "", 1.0)
    ranking = world.store.rankings.all(3)[0].id
    assert world.call(f"/api/projects/4/runs/{loop.run}").status_code == 404
    assert world.call(f"/api/projects/4/rankings/{ranking}").status_code == 404
    assert world.call("/api/projects/4/rollback", {"run": loop.run}).status_code == 404


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:8080"},
        {"Origin": "null"},
    ],
)
def test_pages_of_other_sites_cannot_change_anything(world: WebWorld, headers: dict[str, str]) -> None:
    answer = world.call("/api/projects/3/train", method="POST", headers=headers)
    assert answer.status_code == 403
    assert world.store.runs.open_of(3) is None
    assert world.call("/api/projects/3", headers=headers).status_code == 200


def test_metrics_speak_prometheus(world: WebWorld, loop: Loop) -> None:
    world.call("/health")
    page = world.call("/metrics")
    assert page.content_type.startswith("text/plain")
    assert 'paploop_requests_total{endpoint="protocol.health",method="GET",status="200"} 1.0' in page.text
    assert 'paploop_items{project="3",state="ready"} 5.0' in page.text
    assert f'paploop_active_run{{project="3"}} {loop.run}.0' in page.text
    assert "paploop_database_up 1.0" in page.text


@pytest.mark.usefixtures("loop")
def test_an_unexpected_error_is_a_sentence_with_a_mark_in_the_log(
    world: WebWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(type(world.store.projects), "all", broken)
    answer = world.call("/api/projects")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    mark = answer.json["error"].split("Look for ")[1].split(" ")[0]
    assert mark in caplog.text
