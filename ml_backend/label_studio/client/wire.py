"""One HTTP exchange with Label Studio: address, credentials, time-outs, retries, and failures as PapLoop's errors."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypedDict, Unpack
from urllib.parse import urlsplit

import httpx

from ml_backend.errors import BadRequest, LabelStudioUnavailable, Unauthorized
from ml_backend.label_studio.client.credentials import Credentials
from ml_backend.label_studio.client.failures import failure, parsed, unreachable, unreadable

Json = dict[str, Any]
"""An object that Label Studio answers; fields are checked where they are used, as versions add and drop some."""


class _NoQueries(logging.Filter):
    """Keeps signed queries and user names of URLs out of httpx's log lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                str(arg.copy_with(query=None, username=None, password=None)) if isinstance(arg, httpx.URL) else arg
                for arg in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_NoQueries())


def _checked_base(url: str) -> httpx.URL:
    """The address with a slash at its end and nothing secret in it."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        base = httpx.URL(url.strip())
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise BadRequest(
            f"Label Studio's address {url.rpartition('@')[2].partition('?')[0]!r} is not an http or https URL. "
            "Correct PAPLOOP_LABEL_STUDIO_URL.",
            code="label_studio.bad_url",
        )
    path = base.path.rstrip("/") + "/"
    return base.copy_with(path=path, query=None, fragment=None, username=None, password=None)


class Carried(TypedDict, total=False):
    """What a call carries.

    Attributes:
        params: the query.
        json: the body.
        seconds: that it may take, where that is longer than the time-out of all calls.
    """

    params: Mapping[str, str | int]
    json: object
    seconds: float


class Wire:
    """The part of `LabelStudio` through which all others send requests."""

    def __init__(
        self, url: str, token: str, *, transport: httpx.BaseTransport | None = None, timeout: float = 60.0
    ) -> None:
        self.base = _checked_base(url)
        self.timeout = timeout
        # Label Studio sets session cookies; sent back, they would switch it to session rules (CSRF).
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self._http = httpx.Client(
            transport=transport,
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
            cookies=no_cookies,
            headers={"User-Agent": "PapLoop", "Accept": "application/json"},
        )
        self._credentials = Credentials(token, self._exchange)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.base)!r})"

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _exchange(self, refresh: str) -> str:
        url = self.base.join("api/token/refresh/")
        what = "POST api/token/refresh/"
        try:
            response = self._http.post(url, json={"refresh": refresh})
        except httpx.HTTPError as error:
            raise unreachable(str(self.base), what, error, self.timeout) from None
        if response.status_code in (400, 401, 403):
            raise Unauthorized(
                f"Label Studio at {self.base} no longer accepts the personal access token. Create a new one "
                "(Account & Settings) and set PAPLOOP_LABEL_STUDIO_TOKEN.",
                code="label_studio.bad_token",
            )
        if not response.is_success:
            raise failure(str(self.base), what, response, lambda text: text.replace(refresh, "***"))
        body = parsed(response)
        access = body.get("access") if isinstance(body, dict) else None
        if not isinstance(access, str) or not access:
            raise unreadable(str(self.base), what, response)
        return access

    def _authorization(self) -> str:
        if not self._credentials.given:
            raise Unauthorized(
                "No Label Studio token is set. Set PAPLOOP_LABEL_STUDIO_TOKEN to a legacy token or a personal "
                "access token.",
                code="label_studio.no_token",
            )
        if not self._credentials.sendable:
            raise Unauthorized(
                "The Label Studio token contains invalid characters. Copy it again into PAPLOOP_LABEL_STUDIO_TOKEN.",
                code="label_studio.bad_token",
            )
        return self._credentials.header()

    def _send(self, request: httpx.Request, what: str, *, stream: bool = False, seconds: float) -> httpx.Response:
        """Send once with credentials, a second time after a refresh or (GET only) a connection that broke."""
        attempts = 2
        while True:
            attempts -= 1
            header = self._authorization()
            request.headers["Authorization"] = header
            try:
                response = self._http.send(request, stream=stream, follow_redirects=False)
            except (httpx.RemoteProtocolError, httpx.ReadError) as error:
                # A kept-alive connection that the server closed meanwhile.
                if attempts and request.method == "GET":
                    continue
                raise unreachable(str(self.base), what, error, seconds) from None
            except httpx.HTTPError as error:
                raise unreachable(str(self.base), what, error, seconds) from None
            if response.status_code == 401 and attempts and self._credentials.renew(header):
                response.close()
                continue
            return response

    def _request(self, method: str, path: str, **carried: Unpack[Carried]) -> object:
        """One call; returns the parsed JSON, or None where the body is empty."""
        what = f"{method} {path}"
        limit = max(carried.get("seconds", 0.0), self.timeout)
        request = self._http.build_request(
            method,
            self.base.join(path),
            params=carried.get("params"),
            json=carried.get("json"),
            timeout=httpx.Timeout(limit, connect=min(self.timeout, 10.0)),
        )
        response = self._send(request, what, seconds=limit)
        if not response.is_success:
            raise failure(str(self.base), what, response, self._credentials.scrub)
        if not response.content:
            return None
        body = parsed(response)
        if body is None:
            raise unreadable(str(self.base), what, response)
        return body

    def _object(self, method: str, path: str, **carried: Unpack[Carried]) -> Json:
        body = self._request(method, path, **carried)
        if not isinstance(body, dict):
            raise self._odd(method, path, "an object")
        return body

    def _objects(self, method: str, path: str, **carried: Unpack[Carried]) -> list[Json]:
        body = self._request(method, path, **carried)
        if not isinstance(body, list) or not all(isinstance(entry, dict) for entry in body):
            raise self._odd(method, path, "a list of objects")
        return body

    def _odd(self, method: str, path: str, wanted: str) -> LabelStudioUnavailable:
        return LabelStudioUnavailable(
            f"Label Studio at {self.base} did not return {wanted} for {method} {path}. Check its version "
            "(tested with 1.23) and any proxy in between.",
            code="label_studio.not_json",
        )
