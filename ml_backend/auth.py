"""Who may call what: basic auth for Label Studio's ML calls and for people, a shared secret for event webhooks."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from flask import Flask, Request, abort, request
from pydantic import SecretStr
from werkzeug.wrappers import Response

from ml_backend.errors import Unauthorized
from ml_backend.settings import Settings

OPEN_ENDPOINTS = frozenset({"media.image"})
"""Addresses that carry their own proof, so browsers can show them inside Label Studio."""

SECRET_ENDPOINTS = frozenset({"protocol.webhook"})
"""Where events come with the shared secret and START_TRAINING with basic auth."""

BROWSER_BLUEPRINTS = ("api", "dashboard")
"""Where a browser's remembered password could be abused by another site."""


def guard(app: Flask, settings: Settings) -> None:
    """Check every request before its view runs."""

    @app.before_request
    def check() -> None:
        if request.endpoint is None or request.endpoint in OPEN_ENDPOINTS:
            return
        if not allowed(settings, request):
            raise Unauthorized(_advice(settings))
        if request.blueprint in BROWSER_BLUEPRINTS and request.method not in ("GET", "HEAD", "OPTIONS"):
            refuse_other_sites(settings, request)


def allowed(settings: Settings, call: Request) -> bool:
    """Whether the credentials of a request are good enough for what it asks."""
    if settings.insecure_no_auth:
        return True
    given = call.authorization
    if given is None:
        return False
    if given.type == "basic":
        user = _same(given.username, settings.basic_auth_user)
        return _matches(given.password, settings.basic_auth_password) and user
    if given.type == "bearer" and call.endpoint in SECRET_ENDPOINTS:
        return _matches(given.token, settings.webhook_secret)
    return False


def challenge(response: Response) -> None:
    """Make a browser ask for user name and password."""
    response.headers["WWW-Authenticate"] = 'Basic realm="PapLoop", charset="UTF-8"'


def refuse_other_sites(settings: Settings, call: Request) -> None:
    """Stop changes that a page of another site makes with the password the browser remembers.

    Raises:
        werkzeug.exceptions.Forbidden: the browser says that the request comes from elsewhere.
    """
    site = call.headers.get("Sec-Fetch-Site", "none")
    origin = call.headers.get("Origin")
    own = {call.host, urlsplit(settings.resolved_public_url).netloc}
    if site in ("none", "same-origin") and (origin is None or urlsplit(origin).netloc in own):
        return
    abort(403, "This change came from a page of another site; open PapLoop's own dashboard and try again.")


def _matches(given: str | None, wanted: SecretStr) -> bool:
    """Constant-time comparison; an empty secret matches nothing."""
    secret = wanted.get_secret_value()
    return _same(given, secret) and bool(secret)


def _same(given: str | None, wanted: str) -> bool:
    return hmac.compare_digest((given or "").encode("utf-8", "replace"), wanted.encode())


def _advice(settings: Settings) -> str:
    if request.endpoint in SECRET_ENDPOINTS:
        return (
            "The webhook secret is wrong or missing; run `paploop connect` again, which writes it into the webhook "
            "as the header `Authorization: Bearer ...`."
        )
    if not settings.basic_auth_password.get_secret_value():
        return "PapLoop has no password set and refuses every call; set PAPLOOP_BASIC_AUTH_PASSWORD and restart it."
    return (
        f"User name or password is wrong or missing; use basic auth as '{settings.basic_auth_user}' with the password "
        "that `paploop status` shows the place of."
    )
