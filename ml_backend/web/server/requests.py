"""One HTTP request as its bytes arrive: too large or unauthenticated ones are refused before they are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser
from waitress.utilities import Error

Admits = Callable[[str, str], bool]
"""Whether the sender of an Authorization header, at an address, may send more than `SMALL_BODY` bytes."""

MAX_HEAD: Final = 32 * 2**10
"""Longest head, bytes."""

MAX_HEADERS: Final = 200
"""Most header lines; browsers and proxies send some thirty."""

SMALL_BODY: Final = 64 * 2**10
"""What anybody may send, bytes; more is kept on disk only for a caller who names the password."""

CHALLENGE: Final = ("WWW-Authenticate", 'Basic realm="PapLoop", charset="UTF-8"')
"""The header that makes a browser ask for user name and password."""

MAX_FRAMING: Final = 4096
"""Longest line between the chunks of a chunked body, bytes."""


class Refusal(Error):
    """A response of the server itself, as JSON like those of the application."""

    def __init__(self, status: str, sentence: str, *headers: tuple[str, str]) -> None:
        super().__init__(sentence)
        code, _, self.reason = status.partition(" ")
        self.code = int(code)
        self.headers = headers

    def to_response(self, _ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        """Status line, headers and body."""
        code = "http.too_large" if self.code == 413 else "http.refused"
        body = json.dumps({"error": self.body, "code": code, "data": {}}).encode()
        return f"{self.code} {self.reason}", [("Content-Type", "application/json"), *self.headers], body


class ArrivingRequest(HTTPRequestParser):
    """A request that is still arriving.

    Attributes:
        admits: asked once the head is there.
        address: of the caller.
    """

    error: Error | None
    completed: bool

    def __init__(self, adjustments: Adjustments, admits: Admits, address: str) -> None:
        super().__init__(adjustments)
        self.admits = admits
        self.address = address
        self._looked_at = False

    def received(self, data: bytes) -> int:
        """Take some bytes; returns how many belonged to this request."""
        taken = int(super().received(data))
        if self.error is None:
            self.error = self._objection()
            self.completed = self.completed or self.error is not None
        elif not isinstance(self.error, Refusal):
            self.error = self._in_words(self.error)
        if self.error is not None:
            # A caller told to go on would send the body that is refused here.
            self.expect_continue = False
        return taken

    def _objection(self) -> Refusal | None:
        if not self.headers_finished or self.empty:
            return None
        if len(getattr(self.body_rcv, "control_line", b"")) > MAX_FRAMING or (
            len(getattr(self.body_rcv, "trailer", b"")) > MAX_FRAMING
        ):
            return Refusal("400 Bad Request", "The chunked body is malformed; send it again with a Content-Length.")
        if self._looked_at:
            return None
        self._looked_at = True
        if len(self.headers) > MAX_HEADERS:
            return Refusal("431 Request Header Fields Too Large", f"Send at most {MAX_HEADERS} headers.")
        large = self.chunked or self.content_length > SMALL_BODY
        if large and not self.admits(self.headers.get("AUTHORIZATION", ""), self.address):
            return Refusal(
                "401 Unauthorized",
                f"A body of more than {SMALL_BODY} bytes, or one of unknown length, needs PapLoop's password "
                "or webhook secret in its headers. `paploop status` says where they are.",
                CHALLENGE,
            )
        return None

    def _in_words(self, error: Error) -> Refusal:
        if error.code == 413:
            return Refusal(f"413 {error.reason}", too_large(self.adj.max_request_body_size - 1))
        if error.code == 431:
            return Refusal(f"431 {error.reason}", f"The request head is larger than {MAX_HEAD} bytes. Shorten it.")
        return Refusal(f"{error.code} {error.reason}", f"PapLoop cannot read this request ({error.body}).")


def too_large(most: int) -> str:
    """The sentence for a body that is larger than the setting allows."""
    return f"The request is larger than {most} bytes. Send smaller requests or raise PAPLOOP_MAX_REQUEST_BYTES."
