"""Everything that goes wrong between PapLoop and Label Studio, on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

HTML_502 = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass
class _Failure:
    left: int
    status: int
    body: str
    match: str
    kind: str


@dataclass
class Faults:
    """Attributes:
    down: no connection is made at all.
    drop_webhooks: events are not delivered (nor recorded as delivered).
    on_call: called before each request is handled with its method and path; may change the fake's state.
    """

    down: bool = False
    drop_webhooks: bool = False
    on_call: Callable[[str, str], None] | None = None
    _planned: list[_Failure] = field(default_factory=list)

    def fail_next(self, n: int = 1, status: int = 502, *, body: str = HTML_502, match: str = "") -> None:
        """The next n calls whose path contains `match` answer this and do nothing."""
        self._planned.append(_Failure(n, status, body, match, "refuse"))

    def lose_answer(self, n: int = 1, *, match: str = "") -> None:
        """The next n calls are done, but their answer never arrives (time-out)."""
        self._planned.append(_Failure(n, 0, "", match, "lose"))

    def time_out(self, n: int = 1, *, match: str = "") -> None:
        """The next n calls time out and do nothing."""
        self._planned.append(_Failure(n, 0, "", match, "time out"))

    def take(self, path: str) -> _Failure | None:
        for failure in self._planned:
            if failure.left > 0 and failure.match in path:
                failure.left -= 1
                return failure
        return None


class FaultyTransport(httpx.BaseTransport):
    """`httpx.WSGITransport` with the faults of a network before it."""

    def __init__(self, inner: httpx.BaseTransport, faults: Faults, calls: list[tuple[str, str]]) -> None:
        self._inner = inner
        self._faults = faults
        self._calls = calls

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self._calls.append((request.method, path))
        if self._faults.down:
            raise httpx.ConnectError("connection refused", request=request)
        failure = self._faults.take(path)
        if failure is not None and failure.kind == "time out":
            raise httpx.ReadTimeout("timed out", request=request)
        if failure is not None and failure.kind == "refuse":
            kind = "text/html" if failure.body.lstrip().startswith("<") else "application/json"
            return httpx.Response(failure.status, headers={"content-type": kind}, text=failure.body, request=request)
        if self._faults.on_call is not None:
            self._faults.on_call(request.method, path)
        response = self._inner.handle_request(request)
        if failure is not None:
            response.close()
            raise httpx.ReadTimeout("timed out", request=request)
        return response
