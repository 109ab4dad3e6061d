"""What people read when Label Studio misbehaves, both kinds of tokens, and that secrets stay secret."""

from __future__ import annotations

import logging
import threading

import httpx
import pytest

from ml_backend.errors import AnswerLost, BadRequest, LabelStudioUnavailable, NotFound, PapLoopError, Unauthorized
from ml_backend.label_studio.client import LabelStudio
from tests.fakes.label_studio import LEGACY, FakeLabelStudio, choice

SECRET = "c0ffee" * 6 + "beef"


def _one_sentence(error: PapLoopError) -> str:
    text = str(error)
    assert text.endswith((".", "…"))
    assert "\n" not in text
    assert "<" not in text
    assert len(text) < 700
    assert "; " in text or ". " in text, "says what to do next"
    return text


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, '{"detail": "boom"}', LabelStudioUnavailable),
        (502, "<html><h1>502 Bad Gateway</h1></html>", AnswerLost),
        (503, "", LabelStudioUnavailable),
        (504, "<html>" + "x" * 100_000 + "</html>", AnswerLost),
        (429, '{"detail": "throttled"}', LabelStudioUnavailable),
        (200, "<html><body>Login</body></html>", LabelStudioUnavailable),
        (200, '{"id": 1, "ti', LabelStudioUnavailable),
        (200, "", LabelStudioUnavailable),
        (200, "null", LabelStudioUnavailable),
        (200, "[1, 2]", LabelStudioUnavailable),
        (200, "\x00\x01", LabelStudioUnavailable),
        (200, "[" * 100_000, LabelStudioUnavailable),
        (404, "<h1>Not Found</h1>", LabelStudioUnavailable),
        (404, '{"detail": "No Project matches the given query."}', NotFound),
        (400, '{"detail": "Validation error", "validation_errors": {"title": ["too\\nshort"]}}', BadRequest),
        (400, '{"validation_errors": {"non_field_errors": [{"score": ["bad"]}, "worse"]}}', BadRequest),
        (400, "<html>nginx: request header too large</html>", BadRequest),
        (413, "<html>413 Request Entity Too Large</html>", BadRequest),
        (401, '{"detail": "Invalid token."}', Unauthorized),
        (403, "<html>Forbidden</html>", Unauthorized),
        (302, "", BadRequest),
    ],
)
def test_every_answer_becomes_one_sentence(
    fake: FakeLabelStudio, client: LabelStudio, status: int, body: str, kind: type[PapLoopError]
) -> None:
    fake.fail_next(5, status, body=body)
    with pytest.raises(PapLoopError) as caught:
        client.project(1)
    assert type(caught.value) is kind
    _one_sentence(caught.value)


@pytest.mark.usefixtures("fake")
def test_validation_errors_are_told(client: LabelStudio) -> None:
    with pytest.raises(BadRequest, match="title: Ensure this field has at least 3 characters"):
        client.create_project("ab", "<View/>")


def test_a_connection_refused_and_a_time_out(fake: FakeLabelStudio, client: LabelStudio) -> None:
    fake.down = True
    assert not client.alive()
    with pytest.raises(LabelStudioUnavailable, match=r"cannot be reached \(ConnectError\)"):
        client.whoami()
    fake.down = False
    fake.faults.time_out(1)
    with pytest.raises(LabelStudioUnavailable, match="did not respond to GET api/current-user/whoami within 60 s"):
        client.whoami()
    assert client.alive()
    assert client.whoami()["id"] == 1


def test_a_broken_connection_is_tried_again_for_reading_only() -> None:
    calls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request.method)
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.")

    client = LabelStudio("http://ls.test", LEGACY, transport=httpx.MockTransport(answer))
    with pytest.raises(LabelStudioUnavailable):
        client.whoami()
    with pytest.raises(LabelStudioUnavailable):
        client.create_annotation(1, choice("Cat"))
    assert calls == ["GET", "GET", "POST"]


@pytest.mark.parametrize(
    "url", ["", "label-studio:8080", "ftp://x", "http://", "http:///path", "http://x:99999", "http://[::1"]
)
def test_a_wrong_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(BadRequest, match="PAPLOOP_LABEL_STUDIO_URL"):
        LabelStudio(url, LEGACY)


def test_a_redirect_names_the_final_address() -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(301, headers={"location": f"https://ls.test/api/?token={SECRET}"})

    client = LabelStudio("http://ls.test", LEGACY, transport=httpx.MockTransport(answer))
    with pytest.raises(BadRequest, match=r"to https://ls\.test/api/\.") as caught:
        client.whoami()
    assert SECRET not in str(caught.value)


def test_no_token_and_a_wrong_one(fake: FakeLabelStudio) -> None:
    with pytest.raises(Unauthorized, match="No Label Studio token is set"):
        fake.client(" ").whoami()
    assert fake.calls == []
    with pytest.raises(Unauthorized, match="PAPLOOP_LABEL_STUDIO_TOKEN"):
        fake.client("wrong-token").whoami()


@pytest.mark.parametrize("token", ["abc\ndef", "abc def", "tökén", "abc\x00"])
def test_a_token_that_cannot_be_one(fake: FakeLabelStudio, token: str) -> None:
    with pytest.raises(Unauthorized, match="Copy it again") as caught:
        fake.client(token).whoami()
    assert token not in str(caught.value)
    assert fake.calls == []


def test_a_legacy_token_where_they_are_off_is_explained(fake: FakeLabelStudio, client: LabelStudio) -> None:
    fake.legacy_allowed = False
    with pytest.raises(Unauthorized, match="to a personal access token"):
        client.whoami()


def test_a_personal_token_is_exchanged_and_renewed(fake: FakeLabelStudio) -> None:
    client = fake.client(fake.personal_token)
    project = fake.add_project(tasks=2)
    assert client.whoami()["id"] == 1
    assert client.task_ids(project) == {1, 2}
    assert fake.refreshes == 1
    fake.expire_access()
    assert client.create_annotation(1, choice("Cat"))["id"] == 1
    assert fake.refreshes == 2
    assert len(fake.state.annotations) == 1


def test_many_threads_renew_once(fake: FakeLabelStudio) -> None:
    client = fake.client(fake.personal_token)
    client.whoami()
    fake.expire_access()
    together = threading.Barrier(8)
    failed: list[Exception] = []

    def ask() -> None:
        together.wait()
        try:
            client.whoami()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert fake.refreshes == 2


def test_a_revoked_personal_token_is_explained(fake: FakeLabelStudio) -> None:
    client = fake.client(fake.personal_token)
    client.whoami()
    revoked, fake.personal_token = fake.personal_token, "another"
    fake.expire_access()
    with pytest.raises(Unauthorized, match="Create a new one") as caught:
        client.whoami()
    assert revoked not in str(caught.value)


@pytest.mark.parametrize(("status", "body"), [(502, "<html/>"), (200, "<html/>"), (200, '{"access": 5}'), (200, "{}")])
def test_a_renewal_that_fails_is_no_bad_token(fake: FakeLabelStudio, status: int, body: str) -> None:
    fake.fail_next(1, status, body=body, match="token/refresh")
    client = fake.client(fake.personal_token)
    with pytest.raises(LabelStudioUnavailable):
        client.whoami()
    assert client.whoami()["id"] == 1


@pytest.mark.parametrize("prefix", ["/label-studio", "/a/b/"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_label_studio_under_a_path(prefix: str, slash: str) -> None:
    fake = FakeLabelStudio(prefix=prefix)
    client = LabelStudio(fake.url + slash, fake.personal_token, transport=fake.transport())
    project = fake.add_project(tasks=3)
    assert client.task_ids(project) == {1, 2, 3}
    wrong = LabelStudio("http://label-studio.test/", LEGACY, transport=fake.transport())
    with pytest.raises(LabelStudioUnavailable, match="does not look like Label Studio"):
        wrong.whoami()


def test_no_secret_in_messages_reprs_or_logs(fake: FakeLabelStudio, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fake.users[SECRET] = 1
    client = LabelStudio(f"http://me:{SECRET}@label-studio.test?key={SECRET}", SECRET, transport=fake.transport())
    texts = [repr(client), repr(client.__dict__), str(client._credentials)]
    for body in (f'{{"detail": "bad {SECRET} at http://u:{SECRET}@ml:9090"}}', f"<p>{SECRET}</p>"):
        for status in (400, 401, 404, 500):
            fake.fail_next(1, status, body=body)
            with pytest.raises(PapLoopError) as caught:
                client.whoami()
            texts.append(str(caught.value))
    client.whoami()
    fake.fail_next(1, 500, body='{"detail": "for http://admin:hunter22@ml:9090"}')
    with pytest.raises(PapLoopError) as caught:
        client.whoami()
    texts.append(str(caught.value))
    everything = "\n".join([*texts, caplog.text])
    assert SECRET not in everything
    assert "hunter22" not in everything


def test_signed_queries_do_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as http:
        http.get("http://u:pw@bucket.test/a.png?X-Amz-Signature=abcdef")
    assert "bucket.test/a.png" in caplog.text
    assert "abcdef" not in caplog.text
    assert "pw@" not in caplog.text


def test_session_cookies_are_not_sent_back() -> None:
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("cookie"))
        return httpx.Response(200, json={}, headers={"set-cookie": "sessionid=abc; Path=/"})

    client = LabelStudio("http://ls.test", LEGACY, transport=httpx.MockTransport(answer))
    client.whoami()
    client.whoami()
    assert seen == [None, None]
