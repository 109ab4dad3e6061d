"""Two URLs, one place: what counts as this machine."""

from __future__ import annotations

import pytest

from ml_backend.loopback import place, reachable


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]", "0.0.0.0", "user@localhost"])
def test_the_names_of_this_machine_are_one(host: str) -> None:
    assert place(f"http://{host}:9090/") == place("http://localhost:9090")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://localhost:9090", "http://localhost:9091"),
        ("http://localhost", "https://localhost"),
        ("http://localhost/a", "http://localhost/b"),
        ("http://localhost.example.org", "http://localhost"),
        ("http://[", "http://[]"),
        ("http://localhost:x", "http://localhost:y"),
    ],
)
def test_other_places_and_unreadable_ones_are_not(one: str, other: str) -> None:
    assert place(one) != place(other)
    assert place(one) == place(one)


def test_ports_are_filled_in_and_an_origin_has_no_path() -> None:
    assert place("https://a.test/x/") == place("https://a.test:443/x")
    assert place("http://a.test/x").origin == place("http://a.test:80/y").origin


@pytest.mark.parametrize(("listens", "at"), [("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("10.0.0.7", "10.0.0.7")])
def test_what_listens_everywhere_is_reached_here(listens: str, at: str) -> None:
    assert reachable(listens) == at
