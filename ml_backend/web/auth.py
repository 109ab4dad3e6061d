"""Who may call what: basic auth for Label Studio's ML calls and for people, a shared secret for event webhooks."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Flask, Request, abort, request
from pydantic import SecretStr
from werkzeug.datastructures import Authorization
from werkzeug.wrappers import Response

from ml_backend.errors import Unauthorized
from ml_backend.settings import Settings
from ml_backend.web.refused_logins import RefusedLogins
from ml_backend.web.server.requests import CHALLENGE

OPEN_ENDPOINTS = frozenset({"media.image"})
"""Addresses that carry their own proof, so browsers can show them inside Label Studio."""

SECRET_ENDPOINTS = frozenset({"protocol.webhook"})
"""Where events come with the shared secret and START_TRAINING with basic auth."""

BROWSER_BLUEPRINTS = ("api", "dashboard")
"""Where a browser's remembered password could be abused by another site."""


def guard(app: Flask, settings: Settings) -> None:
    """Check every request before its view runs."""
    refused = app.extensions["paploop-refused-logins"] = RefusedLogins()

    @app.before_request
    def check() -> None:
        if request.endpoint is None or request.endpoint in OPEN_ENDPOINTS:
            return
        if not allowed(settings, request):
            refused.note(request.remote_addr or "", request.path, tried=request.authorization is not None)
            raise Unauthorized(_advice(settings))
        if request.blueprint in BROWSER_BLUEPRINTS and request.method not in ("GET", "HEAD", "OPTIONS"):
            refuse_other_sites(settings, request)


def allowed(settings: Settings, call: Request) -> bool:
    """Whether the credentials of a request allow what it asks for."""
    if settings.insecure_no_auth:
        return True
    return _known(settings, call.authorization, bearer=call.endpoint in SECRET_ENDPOINTS)


def large_body_gate(app: Flask, settings: Settings) -> Callable[[str, str], bool]:
    """Tells the web server which large bodies to accept: those sent with the password or the webhook secret.

    Returns:
        A function of the Authorization header and the caller's address.
    """
    refused: RefusedLogins = app.extensions["paploop-refused-logins"]

    def admits(header: str, address: str) -> bool:
        if settings.insecure_no_auth or _known(settings, Authorization.from_header(header), bearer=True):
            return True
        refused.note(address, "a large body", tried=bool(header))
        return False

    return admits


def _known(settings: Settings, given: Authorization | None, *, bearer: bool) -> bool:
    if given is None:
        return False
    if given.type == "basic":
        user = _same(given.username, settings.basic_auth_user)
        return _matches(given.password, settings.basic_auth_password) and user
    return given.type == "bearer" and bearer and _matches(given.token, settings.webhook_secret)


def challenge(response: Response) -> None:
    """Make a browser ask for user name and password."""
    name, value = CHALLENGE
    response.headers[name] = value


def refuse_other_sites(settings: Settings, call: Request) -> None:
    """Refuse changes that a page of another site makes with the password that the browser remembers.

    Raises:
        werkzeug.exceptions.Forbidden: the browser says that the request comes from elsewhere.
    """
    site = call.headers.get("Sec-Fetch-Site", "none")
    origin = call.headers.get("Origin")
    own = {call.host, urlsplit(settings.resolved_public_url).netloc}
    if site in ("none", "same-origin") and (origin is None or urlsplit(origin).netloc in own):
        return
    abort(
        403, "This change came from a page of another site and was refused. Open PapLoop's own dashboard and try again."
    )


def _matches(given: str | None, wanted: SecretStr) -> bool:
    """Constant-time comparison; an empty secret matches nothing."""
    secret = wanted.get_secret_value()
    return _same(given, secret) and bool(secret)


def _same(given: str | None, wanted: str) -> bool:
    return hmac.compare_digest((given or "").encode("utf-8", "replace"), wanted.encode())


def _advice(settings: Settings) -> str:
    if request.endpoint in SECRET_ENDPOINTS:
        return (
            "The webhook secret is wrong or missing. Run `paploop connect` again; it sets the webhook's "
            "header `Authorization: Bearer ...`."
        )
    if not settings.basic_auth_password.get_secret_value():
        return "PapLoop refuses every call because no password is set. Set PAPLOOP_BASIC_AUTH_PASSWORD and restart it."
    return (
        f"The user name or password is wrong or missing. Use basic auth as '{settings.basic_auth_user}' ; "
        "`paploop status` says where the password is."
    )
