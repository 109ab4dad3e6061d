"""Form tokens: a browser sends its remembered password to any form, so a form must also prove where it came from."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from flask import Request, Response, abort

from ml_backend.settings import Settings

COOKIE = "paploop_form"
FIELD = "form_token"
_NONCE = re.compile(r"[0-9a-f]{32}\Z")


def nonce_of(call: Request) -> str:
    """The random number this browser was given, or a new one."""
    given = call.cookies.get(COOKIE, "")
    return given if _NONCE.match(given) else secrets.token_hex(16)


def token(settings: Settings, nonce: str) -> str:
    """What a form must send back, computable only by us."""
    key = settings.basic_auth_password.get_secret_value() + settings.media_secret.get_secret_value()
    return hmac.new(key.encode(), f"form {nonce}".encode(), hashlib.sha256).hexdigest()


def remember(response: Response, nonce: str, *, secure: bool) -> None:
    """Give the browser its random number."""
    response.set_cookie(COOKIE, nonce, httponly=True, samesite="Strict", secure=secure, path="/")


def check(settings: Settings, call: Request) -> None:
    """Let only forms of our own pages through.

    Raises:
        werkzeug.exceptions.Forbidden: the token is missing or wrong.
    """
    nonce = call.cookies.get(COOKIE, "")
    given = call.form.get(FIELD, "").encode("utf-8", "replace")
    if not _NONCE.match(nonce) or not hmac.compare_digest(given, token(settings, nonce).encode()):
        abort(403, "The form is too old or did not come from this dashboard; reload the page and try again.")
