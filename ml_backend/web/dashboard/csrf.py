"""Form tokens: a browser sends its remembered password to any form, so a form must also prove where it came from."""

from __future__ import annotations

import hashlib
import re
import secrets

from flask import Request, Response, abort
from itsdangerous import Signer

from ml_backend.settings import Settings

COOKIE = "paploop_form"
FIELD = "form_token"
_NONCE = re.compile(r"[0-9a-f]{32}\Z")


def nonce_of(call: Request) -> str:
    """The random number this browser was given, or a new one."""
    given = call.cookies.get(COOKIE, "")
    return given if _NONCE.match(given) else secrets.token_hex(16)


def token(settings: Settings, nonce: str) -> str:
    """What a form must send back: the signature of the browser's number, which only PapLoop can compute."""
    return _signer(settings).get_signature(nonce).decode()


def _signer(settings: Settings) -> Signer:
    key = settings.basic_auth_password.get_secret_value() + settings.media_secret.get_secret_value()
    return Signer(key, salt="paploop.form", digest_method=hashlib.sha256)


def remember(response: Response, nonce: str, *, secure: bool) -> None:
    """Give the browser its random number."""
    response.set_cookie(COOKIE, nonce, httponly=True, samesite="Strict", secure=secure, path="/")


def check(settings: Settings, call: Request) -> None:
    """Let only forms of our own pages through.

    Raises:
        werkzeug.exceptions.Forbidden: the token is missing or wrong.
    """
    nonce = call.cookies.get(COOKIE, "")
    if not _NONCE.match(nonce) or not _signer(settings).verify_signature(nonce, call.form.get(FIELD, "")):
        abort(403, "The form is too old or is not from this dashboard. Reload the page and try again.")
