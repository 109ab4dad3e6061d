"""How much work one body may make, and what becomes of values that no database holds."""

import json

import pytest

from ml_backend.label_studio.numbers import MAX_ID
from ml_backend.web.bodies import MAX_CONTAINERS, MAX_VALUES, clean
from ml_backend.web.redaction import redact
from tests.ml_backend.web.conftest import WebWorld, bearer

HEAD = b'{"action":"PROJECT_UPDATED","project":{"id":3},"x":'


@pytest.mark.parametrize(
    ("piece", "times"),
    [(b"[],", MAX_CONTAINERS), (b"{},", MAX_CONTAINERS), (b"[", MAX_CONTAINERS), (b"0,", MAX_VALUES + 1)],
)
def test_a_body_of_too_many_parts_is_refused_before_it_is_parsed(world: WebWorld, piece: bytes, times: int) -> None:
    # Whatever was parsed first would be called malformed, since none of these bodies ends.
    answer = world.client.post("/webhook", data=HEAD + b"[" + piece * times, headers=bearer())
    assert answer.status_code == 400
    assert "Send smaller requests" in answer.json["error"]


def test_a_large_drawing_is_no_hard_work(world: WebWorld) -> None:
    outline = [[n % 100, 1.5] for n in range(20_000)]
    stroke = list(range(256)) * 400
    result = [{"id": "r", "value": {"points": outline}}, {"id": "s", "value": {"rle": stroke}}]
    body = {"action": "ANNOTATION_CREATED", "project": {"id": 3}, "annotation": {"id": 1, "result": result}}
    answer = world.client.post("/webhook", data=json.dumps(body).encode(), headers=bearer())
    assert (answer.status_code, answer.json["result"]) == (201, "ok")


def test_values_that_no_database_holds_are_left_out() -> None:
    text = '{"a": 1e999, "b": 99999999999999999999, "c\\u0000": [-1e400, 3], "d": 9223372036854775807}'
    body = clean(json.loads(text))
    assert body == {"a": None, "b": None, "c\ufffd": [None, 3], "d": MAX_ID}
    odd = [1, 2.5, True, 10**400, -(10**30), float("nan"), 1e300]
    assert clean({"a": list(odd), "b": odd[:3], "c": [], "d": [*odd[:3], "\0", None]}) == {
        "a": [1, 2.5, True, None, None, None, 1e300],
        "b": odd[:3],
        "c": [],
        "d": [*odd[:3], "\ufffd", None],
    }
    assert clean({"\ud800": {"\ud800": "\ud800"}}) == {"\ufffd": {"\ufffd": "\ufffd"}}


def test_a_number_of_thousands_of_digits_gets_a_sentence_of_its_own(world: WebWorld) -> None:
    answer = world.client.post("/webhook", data=HEAD + b"9" * 5000 + b"}", headers=bearer())
    assert answer.status_code == 400
    assert "digits" in answer.json["error"]
    assert "sys." not in answer.json["error"]


@pytest.mark.parametrize("seconds", [-1, 1e300, 10**40, True, "7", [1], float("nan")])
def test_fields_of_an_annotation_have_the_types_of_their_columns(seconds: object) -> None:
    odd = {"id": 5, "lead_time": seconds, "was_cancelled": 7, "ground_truth": "yes", "created_at": 3, "updated_at": {}}
    kept = redact({"action": "ANNOTATION_CREATED", "project": {"id": 3}, "annotation": odd})["annotation"]
    assert kept == {
        "id": 5,
        "lead_time": None,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "",
        "updated_at": "",
    }
