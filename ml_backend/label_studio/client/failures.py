"""Label Studio's failures -> PapLoop's errors: one sentence each, what to do next, no secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import httpx

from ml_backend.errors import AnswerLost, BadRequest, LabelStudioUnavailable, NotFound, PapLoopError, Unauthorized

_USER_INFO = re.compile(r"//[^/@\s\"']+@")
_TAGS = re.compile(r"<[^>]*>")
MAX_DETAIL = 300


def clean(text: str, scrub: Callable[[str], str]) -> str:
    """One short line without markup, user names in URLs or tokens."""
    text = " ".join(_TAGS.sub(" ", _USER_INFO.sub("//***@", scrub(text))).split()).rstrip(".")
    return text if len(text) <= MAX_DETAIL else text[: MAX_DETAIL - 1] + "…"


def parsed(response: httpx.Response) -> object:
    """The JSON of a response, or None if it has none."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def detail(body: object) -> str:
    """What Label Studio says went wrong, its validation errors first."""
    if not isinstance(body, dict):
        return ""
    errors = body.get("validation_errors")
    if errors:
        return "; ".join(_flat(errors, ""))
    return str(body.get("detail") or body.get("error") or "")


def _flat(errors: object, name: str) -> list[str]:
    if isinstance(errors, dict):
        return [
            line for key, value in errors.items() for line in _flat(value, "" if "non_field" in key else f"{key}: ")
        ]
    if isinstance(errors, list):
        return [line for value in errors for line in _flat(value, name)]
    return [f"{name}{errors}"]


def failure(base: str, what: str, response: httpx.Response, scrub: Callable[[str], str]) -> PapLoopError:
    """The error for an unsuccessful response.

    Args:
        base: Label Studio's address as shown to people.
        what: the call, e.g. `GET api/projects/`.
        response: the answer, its body read.
        scrub: takes tokens out of a text.
    """
    status, body = response.status_code, parsed(response)
    said = clean(detail(body), scrub)
    said = f": {said}" if said else ""
    if status >= 500 or status in (408, 425, 429):
        # A proxy that answers for a server still at work says one of these.
        kind = AnswerLost if status in (408, 502, 504) else LabelStudioUnavailable
        return kind(
            f"Label Studio at {base} returned {status} for {what}{said}. Check its log and try again when it "
            "is running."
        )
    if 300 <= status < 400:
        place = clean(response.headers.get("location", "elsewhere").split("?")[0], scrub)
        return BadRequest(
            f"{base} redirects {what} to {place}. Set PAPLOOP_LABEL_STUDIO_URL to Label Studio's final address.",
            code="label_studio.redirected",
        )
    if status in (401, 403):
        return _refused(base, what, status, said)
    if status == 404 and not isinstance(body, dict):
        return LabelStudioUnavailable(
            f"{base} returned 404 for {what}, and it does not look like Label Studio. Check "
            "PAPLOOP_LABEL_STUDIO_URL, including its path, or wait until Label Studio is running.",
            code="label_studio.wrong_address",
        )
    if status == 404:
        return NotFound(
            f"Label Studio at {base} does not have {what}{said}. Check the number; it may have been deleted.",
            code="label_studio.unknown",
        )
    return BadRequest(
        f"Label Studio at {base} refused {what} ({status}){said or ': it gave no reason'}; correct the request.",
        code="label_studio.refused",
        status=status,
    )


def _refused(base: str, what: str, status: int, said: str) -> PapLoopError:
    if "reserved network address" in said:
        return BadRequest(
            f"Label Studio refuses to call a private address{said}. Start Label Studio with "
            "USE_DEFAULT_BANNED_SUBNETS=false and USER_ADDITIONAL_BANNED_SUBNETS=169.254.0.0/16.",
            code="label_studio.private_address",
        )
    if "legacy token" in said:
        return Unauthorized(
            f"Label Studio at {base} does not accept legacy tokens. Set PAPLOOP_LABEL_STUDIO_TOKEN to a "
            "personal access token (Account & Settings), or enable legacy tokens under Organization > Access "
            "token settings.",
            code="label_studio.legacy_token",
        )
    return Unauthorized(
        f"Label Studio at {base} refused {what} ({status}){said}; check PAPLOOP_LABEL_STUDIO_TOKEN and the "
        "permissions of its user.",
        code="label_studio.forbidden",
        status=status,
    )


def unreachable(base: str, what: str, error: httpx.HTTPError, seconds: float) -> LabelStudioUnavailable:
    """The error for a call without a response."""
    never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    kind = LabelStudioUnavailable if never_sent else AnswerLost
    if isinstance(error, httpx.TimeoutException):
        return kind(
            f"Label Studio at {base} did not respond to {what} within {seconds:g} s. Try again, or check its load."
        )
    return kind(
        f"Label Studio at {base} cannot be reached ({type(error).__name__}) for {what}; check that it is "
        "running and that PAPLOOP_LABEL_STUDIO_URL is correct."
    )


def unreadable(base: str, what: str, response: httpx.Response) -> LabelStudioUnavailable:
    """The error for a success whose body is not what Label Studio sends."""
    kind = response.headers.get("content-type", "no content type").split(";")[0]
    return LabelStudioUnavailable(
        f"{base} did not return Label Studio's JSON for {what} ({kind}); check PAPLOOP_LABEL_STUDIO_URL and "
        "any proxy in between, then try again.",
        code="label_studio.not_json",
    )
