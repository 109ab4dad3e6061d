"""JSON bodies of requests: parsed whatever the content type says, never trusted, never a stack overflow."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from flask import Request

from ml_backend.errors import BadRequest
from ml_backend.label_studio.numbers import MAX_ID

MAX_DEPTH = 60
"""Deeper nesting than any labeling result has."""

MAX_CONTAINERS = 1_000_000
"""Most objects and lists in one body; ten thousand outlines of a hundred points are as many."""

MAX_VALUES = 5_000_000
"""Most values in one body; a brush stroke has one for each byte of its code."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def json_object(call: Request, *, empty_ok: bool = False) -> dict[str, object]:
    """The body of a request as a JSON object.

    Args:
        call: the request; its content type is not looked at, since proxies and scripts set odd ones.
        empty_ok: take an empty body as `{}`.

    Raises:
        BadRequest: the body is not JSON, not an object, nested too deeply, or more work than a message can be.
    """
    data = call.get_data(cache=False)
    refuse_hard_work(data)
    if not data.strip():
        if empty_ok:
            return {}
        raise BadRequest("The request has no body; send a JSON object.", code="request.empty")
    try:
        body = json.loads(data, parse_constant=lambda _: None)
    except RecursionError as error:
        raise BadRequest(
            "The JSON body is nested too deeply for a labeling message. Send a flatter one.", code="request.too_deep"
        ) from error
    except json.JSONDecodeError as error:
        raise BadRequest(
            f"The body is not valid JSON ({error}); send a JSON object in UTF-8.", code="request.not_json"
        ) from error
    except UnicodeDecodeError as error:
        raise BadRequest("The body is not UTF-8 text. Send a JSON object in UTF-8.", code="request.not_json") from error
    except ValueError as error:
        raise BadRequest(
            "A number in the JSON body has thousands of digits. Send a shorter one.",
            code="request.not_json",
        ) from error
    if not isinstance(body, dict):
        raise BadRequest(
            f"The body is a JSON {_kind(body)}. Send a JSON object: {{...}}.",
            code="request.not_an_object",
        )
    return clean(body)


def refuse_hard_work(data: bytes) -> None:
    """Check a body before it is parsed, because parsing blocks every other request of the process.

    Raises:
        BadRequest: it holds more lists, objects or values than any labeling message.
    """
    if data.count(b"[") + data.count(b"{") > MAX_CONTAINERS or data.count(b",") > MAX_VALUES:
        raise BadRequest(
            f"The JSON body contains more than {MAX_CONTAINERS} lists and objects, or more than {MAX_VALUES} "
            "values. Send smaller requests.",
            code="request.too_large",
        )


def clean(body: dict[str, object]) -> dict[str, object]:
    """Make every value storable in place: numbers that a database holds, no NUL or lone surrogate, bounded depth.

    Raises:
        BadRequest: nesting is deeper than `MAX_DEPTH`.
    """
    level: list[Any] = [body]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                _clean_names(node)
            elif _are_storable(node):
                continue
            entries = list(node.items()) if isinstance(node, dict) else enumerate(node)
            for key, value in entries:
                if isinstance(value, dict | list):
                    below.append(value)
                elif isinstance(value, int | float) and not _is_storable(value):
                    node[key] = None
                elif isinstance(value, str) and not value.isprintable():
                    node[key] = _UNSTORABLE.sub("\ufffd", value)
        if not below:
            return body
        level = below
    raise BadRequest(
        f"The JSON body is nested more than {MAX_DEPTH} levels deep; send a flatter one.", code="request.too_deep"
    )


def _is_storable(number: float) -> bool:
    return math.isfinite(number) if isinstance(number, float) else -MAX_ID <= number <= MAX_ID


def _are_storable(values: list[Any]) -> bool:
    """Whether a list holds nothing but numbers that can be stored: the code of a brush stroke has millions."""
    if not values or not set(map(type, values)) <= {int, float, bool}:
        return not values
    try:
        return all(map(math.isfinite, values)) and min(values) >= -MAX_ID and max(values) <= MAX_ID
    except OverflowError:
        return False


def _clean_names(node: dict[str, object]) -> None:
    for name in [name for name in node if not name.isprintable() and _UNSTORABLE.search(name)]:
        node[_UNSTORABLE.sub("\ufffd", name)] = node.pop(name)


def _kind(value: object) -> str:
    names = {list: "list", str: "string", int: "number", float: "number", bool: "true or false"}
    return names.get(type(value), "null")
