"""The web server on real sockets: whole requests reach a thread, slow and hostile callers cost nobody else anything."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ml_backend.errors import Conflict
from ml_backend.web.server import connections, requests, server
from ml_backend.web.server.server import Server, listen
from tests.fakes.machine import eventually

PIECE = b"x" * 2**20
PIECES = 40
PATIENCE = 60.0


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Echoes the length of the body; /large is more than sockets and waitress's own limit hold."""
    size = len(environ["wsgi.input"].read())
    if environ["PATH_INFO"] == "/large":
        start_response("200 OK", [("Content-Length", str(PIECES * len(PIECE)))])
        return (PIECE for _ in range(PIECES))
    body = f"{environ['PATH_INFO']} {size}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def body_of(place: socket.socket) -> bytes:
    answer = http.client.HTTPResponse(place)
    answer.begin()
    return answer.read()


@dataclass
class Running:
    server: Server
    port: int
    places: list[socket.socket] = field(default_factory=list)

    def connect(self, data: bytes = b"") -> socket.socket:
        place = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        self.places.append(place)
        place.sendall(data)
        return place

    def ask(self, path: str = "/", **options: Any) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(options.pop("method", "GET"), path, **options)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def refusal(self, data: bytes) -> tuple[int, str]:
        """Status and sentence of an answer to raw bytes."""
        with self.connect(data) as place:
            answer = http.client.HTTPResponse(place)
            answer.begin()
            return answer.status, json.loads(answer.read())["error"]

    def only_connection(self) -> connections.Connection:
        eventually(lambda: len(self.server.active_channels) == 1, "one connection is open")
        (place,) = self.server.active_channels.values()
        return place


@pytest.fixture
def running() -> Iterator[Running]:
    """One thread, so that a request which held it would hold everybody."""
    listener = listen("127.0.0.1", 0)
    made = Server(application, listener, lambda header, address: header == "yes", threads=1, max_body=2**20)
    thread = threading.Thread(target=made.run)
    thread.start()
    found = Running(made, listener.getsockname()[1])
    yield found
    made.stop()
    thread.join(PATIENCE)
    for place in found.places:
        place.close()
    assert not thread.is_alive()


def test_unfinished_requests_hold_no_thread(running: Running) -> None:
    held = [running.connect(b"GET / HTTP/1.1\r\nX: ") for _ in range(4)]
    held += [running.connect(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx") for _ in range(4)]
    held += [running.connect() for _ in range(4)]
    assert running.ask() == (200, b"/ 0")
    for place in held[4:8]:
        place.sendall(b"12345678")
        assert body_of(place) == b"/ 9"


def test_an_answer_that_nobody_reads_holds_no_thread(running: Running) -> None:
    slow = running.connect(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    assert running.ask() == (200, b"/ 0")
    assert len(body_of(slow)) == PIECES * len(PIECE)


def test_requests_in_one_piece_are_answered_in_their_order(running: Running) -> None:
    place = running.connect(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(50)))
    got = b""
    while got.count(b"HTTP/1.1 200") < 50 or not got.endswith(b"/49 0"):
        got += place.recv(65536)
    assert [part.split()[-2] for part in got.split(b"HTTP/1.1 ")[1:]] == [b"/%d" % number for number in range(50)]


def test_a_large_body_needs_the_password_before_it_is_read(running: Running) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n%s\r\n"
    status, sentence = running.refusal(head % (requests.SMALL_BODY + 1, b""))
    assert status == 401
    assert "password" in sentence
    assert running.refusal(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")[0] == 401
    large = b"a" * (requests.SMALL_BODY + 1)
    assert running.ask(method="POST", body=large, headers={"Authorization": "yes"}) == (200, b"/ %d" % len(large))
    pieces = iter([b"ab", b"c" * 70_000])
    answer = running.ask(method="POST", body=pieces, headers={"Authorization": "yes"}, encode_chunked=True)
    assert answer == (200, b"/ 70002")


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"POST / HTTP/1.1\r\nAuthorization: yes\r\nContent-Length: 1048577\r\n\r\n", 413, "PAPLOOP_MAX_REQUEST_BYTES"),
        (b"GET /" + b"a" * 40_000, 431, "head"),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: 1\r\n" % n for n in range(300)) + b"\r\n", 431, "200 headers"),
        (b"garbage\r\n\r\n", 400, "cannot read this request"),
        (b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400, "cannot read this request"),
        (
            b"POST / HTTP/1.1\r\nAuthorization: yes\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 9000,
            400,
            "Content-Length",
        ),
    ],
)
def test_what_is_no_request_is_refused_in_words(running: Running, data: bytes, status: int, words: str) -> None:
    answered, sentence = running.refusal(data)
    assert answered == status
    assert words in sentence
    assert running.ask() == (200, b"/ 0")


def test_an_idle_connection_is_kept_a_while_and_then_closed(running: Running) -> None:
    kept = running.connect(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert body_of(kept) == b"/ 0"
    place = running.only_connection()
    eventually(lambda: not place.busy, "the answer is sent")
    now = time.monotonic()
    assert place.overdue(now) <= 0
    assert place.overdue(now + connections.IDLE + 5) > 0


def test_single_bytes_do_not_extend_the_time_for_a_request(running: Running) -> None:
    slow = running.connect(b"POST / HTTP/1.1\r\nContent-Length: 60000\r\n\r\n")
    place = running.only_connection()
    eventually(lambda: place.request is not None, "the request has begun")
    now = time.monotonic()
    assert place.overdue(now) <= 0
    for step in range(1, 4):
        slow.sendall(b"a")
        place.overdue(now + step * connections.GRACE / 4)
    eventually(lambda: place.request is not None and place.request.body_bytes_received == 3, "three bytes have arrived")
    assert place.overdue(now + connections.GRACE + 1) > 0
    slow.sendall(b"a" * 50_000)
    eventually(
        lambda: place.request is not None and place.request.body_bytes_received == 50_003, "50,003 bytes have arrived"
    )
    assert place.overdue(now + connections.GRACE + 1) < 0, "a body that moves has time"


def test_an_answer_has_to_be_taken_at_a_rate(running: Running) -> None:
    slow = running.connect(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    place = running.only_connection()
    eventually(lambda: place.total_outbufs_len and not place.working, "the answer waits for its reader")
    now = time.monotonic()
    assert place.overdue(now) <= 0
    assert place.overdue(now + connections.GRACE + 1) > 0
    slow.close()


def test_who_is_late_is_closed(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "GRACE", -1.0)
    assert running.connect(b"GET / HTTP/1.1\r\nX: ").recv(8192) == b""


def test_when_there_are_too_many_the_slowest_makes_room(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 5)
    held = [running.connect(b"GET / HTTP/1.1\r\nX: ") for _ in range(30)]
    assert running.ask() == (200, b"/ 0")
    eventually(lambda: len(running.server.active_channels) <= 6, "the others were closed")
    assert held[0].recv(8192) == b""


def test_stopping_finishes_the_answer_under_way() -> None:
    entered, go = threading.Event(), threading.Event()

    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        entered.set()
        go.wait(PATIENCE)
        return application(environ, start_response)

    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    made = Server(slow, listener, lambda header, address: True, threads=1, max_body=2**20)
    thread = threading.Thread(target=made.run)
    thread.start()
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as place:
        place.sendall(b"GET /last HTTP/1.1\r\nHost: x\r\n\r\n")
        assert entered.wait(PATIENCE)
        made.stop()
        go.set()
        assert body_of(place) == b"/last 0"
    thread.join(PATIENCE)
    assert not thread.is_alive()
    listen("127.0.0.1", port).close()


def test_a_taken_port_is_said_in_words() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(Conflict, match="PAPLOOP_PORT"):
        listen("127.0.0.1", taken.getsockname()[1])
