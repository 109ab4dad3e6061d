"""Which hosts the image resolver asks, where redirects may lead, and who gets the token."""

from __future__ import annotations

import httpx
import pytest

from ml_backend.errors import ImageError
from ml_backend.images.resolver import ImageResolver
from ml_backend.settings import Settings
from tests.ml_backend.images.internet import PUBLIC, Internet, png


def test_a_signed_address_on_a_strange_host_is_refused_without_its_signature(internet: Internet) -> None:
    internet.fake.add_project(tasks=1)
    internet.fake.state.files["s3://bucket/a.png"] = (b"https://evil.test/a.png?X-Amz-Signature=ab12", "redirect")
    with pytest.raises(ImageError, match=r"may not be fetched from evil\.test") as caught:
        internet.resolver().local_path("s3://bucket/a.png", task_id=1)
    assert "ab12" not in str(caught.value)
    assert internet.requests == []


def test_a_web_host_is_asked_only_if_listed_and_without_token(internet: Internet) -> None:
    internet.names |= {"img.test": [PUBLIC], "port.test": [PUBLIC]}
    internet.pages |= {"https://img.test/a.png": png(), "http://port.test:8000/b.png": png()}
    resolver = internet.resolver(fetch_hosts=["IMG.test", "port.test:8000"])
    assert resolver.local_path("https://img.test/a.png").exists()
    assert resolver.local_path("http://port.test:8000/b.png").exists()
    for request in internet.requests:
        assert request.url.host == PUBLIC
        assert "authorization" not in request.headers
    assert internet.requests[0].extensions["sni_hostname"] == "img.test"
    for value in (
        "https://other.test/a.png",
        "http://img.test:8000/a.png",
        "http://port.test/b.png",
        "http://img.test.evil.test/a.png",
        "http://img.test@evil.test/a.png",
        "http://127.0.0.1/a.png",
        "http://2130706433/a.png",
        "http://[::1]/a.png",
        "http://localhost/a.png",
        "http://label-studio.test:8081/data/upload/1/a.png",
        "https://label-studio.test/data/upload/1/a.png",
    ):
        with pytest.raises(ImageError, match="PAPLOOP_FETCH_HOSTS"):
            resolver.local_path(value)
    assert len(internet.requests) == 2


@pytest.mark.parametrize(
    ("entry", "address", "allowed"),
    [
        ("img.test", "10.0.0.5", True),
        ("img.test", "127.0.0.1", True),
        ("img.test", "169.254.169.254", False),
        ("img.test", "fe80::1%eth0", False),
        ("img.test", "::ffff:169.254.169.254", False),
        ("img.test", "0.0.0.0", False),
        ("*.test", PUBLIC, True),
        ("*.test", "10.0.0.5", False),
        ("*.test", "::1", False),
        ("*.test", "::ffff:10.0.0.1", False),
        ("*.test", "100.64.0.1", False),
        ("*.mg.test", PUBLIC, False),
    ],
)
def test_where_a_name_may_lead(internet: Internet, entry: str, address: str, allowed: bool) -> None:
    internet.names["img.test"] = [address]
    internet.pages["http://img.test/a.png"] = png()
    resolver = internet.resolver(fetch_hosts=[entry])
    if allowed:
        assert resolver.local_path("http://img.test/a.png").exists()
    else:
        with pytest.raises(ImageError, match="PAPLOOP_FETCH_HOSTS"):
            resolver.local_path("http://img.test/a.png")
        assert internet.requests == []


def test_an_address_listed_by_itself_is_allowed(internet: Internet) -> None:
    internet.pages |= {"http://169.254.1.2/a.png": png(), "http://[fd00::1]:8000/b.png": png()}
    resolver = internet.resolver(fetch_hosts=["169.254.1.2", "[fd00::1]:8000"])
    assert resolver.local_path("http://169.254.1.2/a.png").exists()
    assert resolver.local_path("http://[fd00::1]:8000/b.png").exists()


def test_every_redirect_is_checked(internet: Internet) -> None:
    internet.names |= {"img.test": [PUBLIC], "cdn.test": [PUBLIC]}
    to = lambda place: httpx.Response(302, headers={"location": place})  # noqa: E731
    internet.pages |= {
        "http://img.test/good": to("https://cdn.test/1"),
        "https://cdn.test/1": to("/2"),
        "https://cdn.test/2": png(),
        "http://img.test/bad": to("http://169.254.169.254/latest/meta-data"),
        "http://img.test/file": to("file:///etc/passwd"),
        "http://img.test/loop": to("http://img.test/loop"),
        "http://img.test/ls": to("http://label-studio.test/data/upload/1/a.png"),
    }
    resolver = internet.resolver(fetch_hosts=["img.test", "cdn.test"])
    assert resolver.local_path("http://img.test/good").read_bytes() == png()
    with pytest.raises(ImageError, match=r"may not be fetched from 169\.254"):
        resolver.local_path("http://img.test/bad")
    with pytest.raises(ImageError, match="over http and https only"):
        resolver.local_path("http://img.test/file")
    with pytest.raises(ImageError, match="redirects more than 5 times"):
        resolver.local_path("http://img.test/loop")
    internet.fake.state.files["/data/upload/1/a.png"] = (png(), "image/png")
    assert resolver.local_path("http://img.test/ls").exists()


def test_the_next_address_of_a_host_is_tried(internet: Internet) -> None:
    internet.names["img.test"] = ["2001:db8::1", PUBLIC]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host != PUBLIC:
            raise httpx.ConnectError("unreachable")
        return httpx.Response(200, content=png())

    resolver = ImageResolver(
        Settings(fetch_hosts=["img.test"]),
        internet.fake.client(),
        internet.tmp_path,
        transport=httpx.MockTransport(answer),
        resolve=internet._resolve,
    )
    assert resolver.local_path("http://img.test/a.png").exists()


def test_an_unknown_host(internet: Internet) -> None:
    with pytest.raises(ImageError, match=r"The host gone\.test is unknown"):
        internet.resolver(fetch_hosts=["gone.test"]).local_path("http://gone.test/a.png")


@pytest.mark.parametrize("value", ["/api/projects/1/next", "/data/../api/projects/1/next", "/logout", "//api/x", "/"])
def test_a_task_cannot_make_us_call_label_studios_api(internet: Internet, value: str) -> None:
    with pytest.raises(ImageError, match="not a path where Label Studio keeps files"):
        internet.resolver().local_path(value)
    internet.fake.state.files["/data/upload/1/a.png"] = (b"/api/projects/1/next", "redirect")
    with pytest.raises(ImageError, match="not a path where Label Studio keeps files"):
        internet.resolver().local_path("/data/upload/1/a.png")
    assert [path for _, path in internet.fake.calls] == ["/data/upload/1/a.png"]
