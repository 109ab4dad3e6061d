"""Both kinds of Label Studio tokens: legacy tokens go into the header, personal ones are exchanged for short-lived
ones."""

from __future__ import annotations

import base64
import binascii
import json
import threading
from collections.abc import Callable


def _claims(token: str) -> dict[str, object]:
    """The unverified claims of a JWT, or nothing when the token is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


class Credentials:
    """Makes the `Authorization` header; never shows a token in its `repr`.

    Args:
        token: legacy token, personal access token (a JWT refresh token) or a JWT access token.
        exchange: asks Label Studio for an access token, given a refresh token.
    """

    def __init__(self, token: str, exchange: Callable[[str], str]) -> None:
        self._token = token.strip()
        self._exchange = exchange
        self._lock = threading.Lock()
        self._access = ""
        kind = _claims(self._token).get("token_type")
        self._personal = kind == "refresh"
        self._scheme = "Bearer" if kind in ("refresh", "access") else "Token"

    def __repr__(self) -> str:
        return f"Credentials({'personal access token' if self._personal else self._scheme.lower()})"

    @property
    def given(self) -> bool:
        """Whether there is a token at all."""
        return bool(self._token)

    @property
    def sendable(self) -> bool:
        """Whether the token can stand in a header: printable ASCII without blanks."""
        return self._token.isascii() and self._token.isprintable() and " " not in self._token

    def header(self) -> str:
        """The value of `Authorization`; exchanges a personal token on first use."""
        if not self._personal:
            return f"{self._scheme} {self._token}"
        with self._lock:
            if not self._access:
                self._access = self._exchange(self._token)
            return f"Bearer {self._access}"

    def renew(self, refused: str) -> bool:
        """Get a new access token after `refused` (a header) got a 401; returns whether a retry makes sense."""
        if not self._personal:
            return False
        with self._lock:
            if refused == f"Bearer {self._access}":
                self._access = self._exchange(self._token)
            return True

    def scrub(self, text: str) -> str:
        """`text` without any of the tokens."""
        for secret in (self._token, self._access):
            if len(secret) >= 8:
                text = text.replace(secret, "***")
        return text
