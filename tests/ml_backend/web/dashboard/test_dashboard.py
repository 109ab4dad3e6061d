"""The page, its forms, and the curve."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from markupsafe import escape

from ml_backend.reports.validation_score import macro_f1_interval
from ml_backend.web.dashboard.curve import Point, label_ticks, learning_curve
from tests.fakes.runs import open_run
from tests.ml_backend.web.conftest import CONFIG, Loop, WebWorld, annotate, basic


class Balance(HTMLParser):
    """Fails on tags that are not closed, and collects addresses."""

    VOID = frozenset({"meta", "link", "img", "input", "br", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action")]
        assert not any(name == "style" or name.startswith("on") for name, _ in attrs), tag
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(text: str) -> Balance:
    page = Balance()
    page.feed(text)
    assert page.open == []
    return page


def token(text: str) -> str:
    found = re.search(r'name="form_token" value="([\w-]+)"', text)
    assert found is not None
    return found.group(1)


def form(world: WebWorld, action: str, project: int = 3, **fields: Any) -> Any:
    page = world.call(f"/dashboard/{project}")
    fields = {"form_token": token(page.text), **fields}
    return world.client.post(f"/dashboard/{project}/{action}", data=fields, headers=basic())


@pytest.mark.usefixtures("loop")
def test_the_root_leads_to_the_dashboard(world: WebWorld) -> None:
    assert world.call("/").headers["Location"] == "/dashboard/"
    assert world.call("/dashboard/").headers["Location"] == "/dashboard/3"


def test_a_page_says_what_its_numbers_count(world: WebWorld) -> None:
    world.store.projects.upsert(3, "One", CONFIG, 1.0)
    assert "<span>images labeled</span>" in world.call("/dashboard/3").text
    boxes = CONFIG.replace("Choices", "RectangleLabels").replace("Choice ", "Label ")
    world.store.projects.upsert(3, "One", boxes, 2.0)
    assert "<span>objects confirmed</span>" in world.call("/dashboard/3").text


def test_no_project_and_several(world: WebWorld) -> None:
    assert "paploop connect" in world.call("/dashboard/").text
    world.store.projects.upsert(3, "<b>One</b>", CONFIG, 1.0)
    world.store.projects.upsert(4, "Two", CONFIG, 1.0)
    page = world.call("/dashboard/").text
    read(page)
    assert "&lt;b&gt;One&lt;/b&gt;" in page
    assert "<b>One" not in page


@pytest.mark.usefixtures("loop")
def test_the_page_shows_what_a_lead_asks(world: WebWorld) -> None:
    annotate(world, 4, "Cat")
    answer = world.call("/dashboard/3")
    page = read(answer.text)
    for said in ("20 new labels", "First model: macro-F1 0.750", "reason 1", "cell3.png", "serving", "1 of 20"):
        assert said in answer.text, said
    assert "reason 0" not in answer.text, "a labeled task is not next"
    assert "<svg" in answer.text
    outside = [a for a in page.addresses if "//" in a]
    assert outside, "links to Label Studio"
    assert all(a.startswith("http://127.0.0.1:8080/projects/3/data") for a in outside)
    images = [a for a in page.addresses if a.startswith("/media/3/")]
    assert len(images) == 3


def test_the_page_of_a_fresh_project(world: WebWorld) -> None:
    world.store.projects.upsert(3, "Fresh", CONFIG, 1.0)
    text = world.call("/dashboard/3").text
    read(text)
    assert "No runs yet" in text
    assert "There is no order yet" in text


def test_the_page_of_a_project_that_cannot_be_driven(world: WebWorld) -> None:
    world.store.projects.upsert(3, "Odd", "<View/>", 1.0)
    assert 'class="banner problem"' in world.call("/dashboard/3").text


@pytest.mark.usefixtures("loop")
def test_an_open_and_a_failed_run_are_shown(world: WebWorld) -> None:
    failed = open_run(world.store, 3, reason="r")
    world.store.runs.update(failed.id, state="failed", error="The <disk> is full.", finished_at=2.0)
    running = open_run(world.store, 3, reason="s")
    world.store.runs.update(running.id, state="train", progress=0.4, message="Training: 4 of 10")
    text = world.call("/dashboard/3").text
    read(text)
    assert "The &lt;disk&gt; is full." in text
    assert '<progress max="100" value="40">' in text
    assert 'data-busy="1"' in text


def test_everything_from_outside_is_escaped(world: WebWorld) -> None:
    evil = '"><script>alert(1)</script>'
    world.store.projects.upsert(3, evil, CONFIG.replace("Cat", str(escape(evil))), 1.0)
    run = open_run(world.store, 3, reason=evil)
    world.store.runs.update(run.id, message=evil)
    text = world.call("/dashboard/3").text
    assert "<script>alert" not in text
    assert "script-src 'self'" in world.call("/dashboard/3").headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["style.css", "refresh.js", "icon.svg"])
def test_its_files_are_there_and_load_nothing_from_outside(world: WebWorld, name: str) -> None:
    answer = world.call(f"/dashboard/static/{name}")
    assert answer.status_code == 200
    assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.usefixtures("loop")
def test_the_settings_form_changes_the_strategy(world: WebWorld) -> None:
    fields = {"strategy": "margin", "window": "30", "retrain_labels": "5", "retrain_minutes": "2.5", "method": "head"}
    answer = form(world, "settings", **fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard/3?done=settings")
    settings = world.store.projects.settings(3)
    assert (settings.strategy, settings.window, settings.retrain_labels) == ("margin", 30, 5)
    assert (settings.retrain_minutes, settings.method, settings.auto_train) == (2.5, "head", False)
    assert "Saved." in world.call("/dashboard/3?done=settings").text
    form(world, "settings", auto_train="on")
    assert world.store.projects.settings(3).auto_train is True


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("fields", [{"window": "lots"}, {"window": "0"}, {"strategy": "magic"}, {"method": "<b>"}])
def test_a_bad_form_changes_nothing_and_says_why(world: WebWorld, fields: dict[str, str]) -> None:
    before = world.store.projects.settings(3)
    answer = form(world, "settings", **fields)
    assert answer.status_code == 400
    assert 'class="banner problem"' in answer.text
    assert world.store.projects.settings(3) == before


def test_the_buttons_do_what_they_say(world: WebWorld, loop: Loop) -> None:
    assert form(world, "train").status_code == 303
    opened = world.store.runs.open_of(3)
    assert opened is not None
    assert (opened.kind, opened.reason) == ("train", "Requested on the dashboard.")
    assert form(world, "reconcile").status_code == 303
    assert form(world, "rollback", run=str(loop.run)).status_code == 303
    going_back = world.store.runs.open_of(3)
    assert going_back is not None
    assert going_back.request.model_run == loop.run
    assert form(world, "rollback", run="x").status_code == 400
    assert form(world, "nonsense").status_code == 400


@pytest.mark.usefixtures("loop")
def test_forms_without_the_token_of_this_browser_are_refused(world: WebWorld) -> None:
    good = token(world.call("/dashboard/3").text)
    for fields in ({}, {"form_token": ""}, {"form_token": good[::-1]}, {"form_token": good[:-1]}, {"form_token": "ü"}):
        assert world.client.post("/dashboard/3/train", data=fields, headers=basic()).status_code == 403
    other = world.app.test_client()
    assert other.post("/dashboard/3/train", data={"form_token": good}, headers=basic()).status_code == 403
    assert world.store.runs.open_of(3) is None


@pytest.mark.usefixtures("loop")
def test_forms_from_other_sites_are_refused_even_with_a_token(world: WebWorld) -> None:
    good = token(world.call("/dashboard/3").text)
    headers = {**basic(), "Origin": "http://evil.example"}
    assert world.client.post("/dashboard/3/train", data={"form_token": good}, headers=headers).status_code == 403


@pytest.mark.usefixtures("loop")
def test_forms_of_the_page_itself_pass_as_browsers_send_them(world: WebWorld) -> None:
    page = world.call("/dashboard/3")
    # "no-referrer" makes browsers say "Origin: null" even here.
    assert page.headers["Referrer-Policy"] == "same-origin"
    headers = {**basic(), "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    sent = world.client.post("/dashboard/3/reconcile", data={"form_token": token(page.text)}, headers=headers)
    assert sent.status_code == 303


@pytest.mark.usefixtures("loop")
@pytest.mark.slow
def test_the_cookie_is_out_of_reach_of_scripts_and_sites(world: WebWorld) -> None:
    cookie = world.call("/dashboard/3").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


@pytest.mark.usefixtures("loop")
def test_a_browser_is_asked_for_its_password(world: WebWorld) -> None:
    answer = world.client.get("/dashboard/3")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert "ml demo" not in answer.text


def test_unknown_projects_get_a_page(world: WebWorld) -> None:
    answer = world.call("/dashboard/9")
    assert answer.status_code == 404
    read(answer.text)


def point(run: int, labels: int, value: float, **more: Any) -> Point:
    return Point(run, labels, value, more.get("low"), more.get("high"), more.get("decision", "promoted"), False)


def test_the_curve_has_a_mark_for_every_run() -> None:
    points = [point(2, 40, 0.5, low=0.4, high=0.6), point(1, 20, 0.3), point(3, 60, 0.4, decision="kept")]
    drawn = learning_curve(points)
    read(str(drawn))
    assert drawn.count("<circle") == 3
    assert drawn.count('class="whisker"') == 1
    assert drawn.count("<polyline") == 1
    assert "run 2: macro-F1 0.500 (0.400 to 0.600) with 40 labeled images, promoted" in drawn
    assert learning_curve([]) == ""
    assert "<polyline" not in learning_curve(points[:1])


@pytest.mark.parametrize("largest", [0, 1, 2, 5, 7, 20, 99, 100, 565, 10_000, 123_456])
def test_ticks_are_round_few_and_reach_far_enough(largest: int) -> None:
    ticks = label_ticks(largest)
    assert ticks[0] == 0
    assert ticks[-1] >= max(1, largest)
    assert 2 <= len(ticks) <= 7
    assert len({b - a for a, b in pairwise(ticks)}) == 1


def test_the_interval_is_that_of_the_confusion_matrix() -> None:
    low, high = macro_f1_interval(((60, 20), (20, 60)))
    assert low is not None
    assert high is not None
    assert low < 0.75 < high
    assert high - low < 0.15
    wide = macro_f1_interval(((6, 2), (2, 6)))
    assert wide[1] - wide[0] > high - low
    assert macro_f1_interval(((1, 0), (0, 0))) == (None, None)
    assert macro_f1_interval(((5, 0), (0, 5))) == (1.0, 1.0)
