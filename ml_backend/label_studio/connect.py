"""Connects a Label Studio project to PapLoop: ML backend, webhook with its secret, sampling; repeating it repairs
them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ml_backend.errors import BadRequest, LabelStudioUnavailable
from ml_backend.label_studio.bodies.webhooks import ACTIONS
from ml_backend.label_studio.client import LabelStudio
from ml_backend.label_studio.client.wire import Json
from ml_backend.label_studio.config.smart import has_smart_tools
from ml_backend.loopback import place
from ml_backend.settings import Settings

TITLE = "PapLoop"


@dataclass
class Connection:
    """The result of `connect`.

    Attributes:
        backend_id: the ML backend in Label Studio.
        webhook_id: the webhook in Label Studio.
        done: what was changed, in words; empty when everything was right already.
        warnings: what a person should look at.
    """

    backend_id: int
    webhook_id: int
    done: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def connect(label_studio: LabelStudio, settings: Settings, project_id: int) -> Connection:
    """Connect a project, or repair its connection; PapLoop's web process must be up.

    Args:
        label_studio: the client.
        settings: public URL, basic-auth pair and webhook secret.
        project_id: Label Studio's project id.

    Raises:
        NotFound: Label Studio has no such project.
        BadRequest: a secret is missing, or Label Studio cannot reach PapLoop; the message says how to change that.
    """
    _require_secrets(settings)
    before = label_studio.project(project_id)
    done: list[str] = []
    everyone = label_studio.ml_backends(project_id)
    fields = _backend_fields(settings, interactive=has_smart_tools(str(before.get("label_config") or "")))
    backend, warnings = _backend(label_studio, settings, project_id, everyone, fields, done)
    webhook_id = _webhook(label_studio, settings, project_id, everyone, done)
    _project(label_studio, project_id, before, done)
    return Connection(backend, webhook_id, done, warnings)


def disconnect(label_studio: LabelStudio, settings: Settings, project_id: int) -> list[str]:
    """Remove this PapLoop's ML backend and webhooks from a project; labels, predictions and other backends stay.

    Returns:
        What was removed, in words; empty when nothing was left of PapLoop.

    Raises:
        NotFound: Label Studio has no such project.
    """
    # Listings of a project that is not there are empty or refused; only this tells.
    label_studio.project(project_id)
    everyone = label_studio.ml_backends(project_id)
    hooks = _our_webhooks(label_studio, settings, project_id, everyone)
    done = []
    for hook in hooks:
        label_studio.delete_webhook(int(hook["id"]))
        done.append(f"removed the webhook {hook.get('url')}")
    for entry in everyone:
        if _is_ours(entry, settings):
            label_studio.delete_ml_backend(int(entry["id"]))
            done.append(f"removed the ML backend {entry.get('url')}")
    return done


def _require_secrets(settings: Settings) -> None:
    if settings.insecure_no_auth:
        return
    for name in ("basic_auth_password", "webhook_secret"):
        if not getattr(settings, name).get_secret_value():
            raise BadRequest(
                f"PAPLOOP_{name.upper()} is empty. Set it; without it PapLoop refuses all calls.",
                code="settings.missing",
                setting=name,
            )


def _is_ours(backend: Json, settings: Settings) -> bool:
    same_place = place(str(backend.get("url", ""))) == place(settings.resolved_public_url)
    return same_place or backend.get("title") == TITLE


def _backend_fields(settings: Settings, *, interactive: bool) -> Json:
    password = settings.basic_auth_password.get_secret_value()
    if not password:
        return {"title": TITLE, "is_interactive": interactive}
    return {
        "title": TITLE,
        "is_interactive": interactive,
        "auth_method": "BASIC_AUTH",
        "basic_auth_user": settings.basic_auth_user,
        "basic_auth_pass": password,
    }


def _backend(
    label_studio: LabelStudio,
    settings: Settings,
    project_id: int,
    everyone: Sequence[Json],
    fields: Json,
    done: list[str],
) -> tuple[int, list[str]]:
    url = settings.resolved_public_url
    ours = [entry for entry in everyone if _is_ours(entry, settings)]
    try:
        if ours:
            number = int(ours[0]["id"])
            # The password cannot be read back, so it is written again each time.
            label_studio.update_ml_backend(number, project_id, url, **fields)
        else:
            number = int(label_studio.add_ml_backend(project_id, url, **fields)["id"])
            done.append(f"added the ML backend {url}")
    except (BadRequest, LabelStudioUnavailable) as error:
        _undo(label_studio, project_id, known={int(entry["id"]) for entry in everyone})
        raise _explained(error, url) from error
    for entry in ours[1:]:
        label_studio.delete_ml_backend(int(entry["id"]))
        done.append(f"removed the duplicate ML backend {entry['id']}")
    first = everyone[0] if everyone else None
    if first is not None and not _is_ours(first, settings):
        return number, [
            f"The project's first ML backend is {first.get('title')!r}: Label Studio requests live predictions "
            "only from that one. Delete it if you want PapLoop to make them."
        ]
    return number, []


def _undo(label_studio: LabelStudio, project_id: int, known: set[int]) -> None:
    """Label Studio can refuse a backend and keep its row all the same; repeating would pile them up."""
    try:
        for entry in label_studio.ml_backends(project_id):
            if int(entry["id"]) not in known and entry.get("title") == TITLE:
                label_studio.delete_ml_backend(int(entry["id"]))
    except LabelStudioUnavailable:
        return


def _explained(error: Exception, url: str) -> Exception:
    said = str(error)
    if "health check failed" in said or "resolve hostname" in said or "set up" in said:
        return BadRequest(
            f"Label Studio cannot reach PapLoop at {url}. Start PapLoop's web process and set "
            "PAPLOOP_PUBLIC_URL to an address that Label Studio's machine can open.",
            code="label_studio.cannot_reach_us",
        )
    return error


def _our_webhooks(
    label_studio: LabelStudio, settings: Settings, project_id: int, backends: Sequence[Json]
) -> list[Json]:
    """Those at our address, at an address we had before, or with our secret."""
    before = [str(entry.get("url", "")) for entry in backends if _is_ours(entry, settings)]
    wanted = {place(home.rstrip("/") + "/webhook") for home in (settings.resolved_public_url, *before)}
    bearer = _bearer(settings)
    ours = []
    for hook in label_studio.webhooks(project_id):
        headers = hook.get("headers")
        ours_by_secret = bool(bearer) and isinstance(headers, dict) and headers.get("Authorization") == bearer
        if place(str(hook.get("url", ""))) in wanted or ours_by_secret:
            ours.append(hook)
    return ours


def _bearer(settings: Settings) -> str:
    secret = settings.webhook_secret.get_secret_value()
    return f"Bearer {secret}" if secret else ""


def _webhook(
    label_studio: LabelStudio, settings: Settings, project_id: int, backends: Sequence[Json], done: list[str]
) -> int:
    url, bearer = settings.resolved_public_url + "/webhook", _bearer(settings)
    wanted: Json = {
        "url": url,
        "send_payload": True,
        "send_for_all_actions": False,
        "is_active": True,
        "headers": {"Authorization": bearer} if bearer else {},
        "actions": sorted(ACTIONS),
    }
    ours = _our_webhooks(label_studio, settings, project_id, backends)
    ours.sort(key=lambda hook: (hook.get("url") != url, int(hook["id"])))
    for hook in ours[1:]:
        label_studio.delete_webhook(int(hook["id"]))
        done.append(f"removed the left-over webhook {hook['id']}")
    if not ours:
        done.append("registered the webhook")
        return int(label_studio.create_webhook(project_id, **wanted)["id"])
    number = int(ours[0]["id"])
    have = {**ours[0], "actions": sorted(_strings(ours[0].get("actions")))}
    if any(have.get(key) != value for key, value in wanted.items()):
        label_studio.update_webhook(number, **wanted)
        done.append("set the webhook's secret and actions")
    return number


def _strings(value: object) -> Sequence[str]:
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []


def _project(label_studio: LabelStudio, project_id: int, before: Json, done: list[str]) -> None:
    """Order by prediction score, show predictions, and keep the version that was active before."""
    now = label_studio.project(project_id)
    change: Json = {}
    if now.get("sampling") != "Uncertainty sampling":
        change["sampling"] = "Uncertainty sampling"
    if now.get("show_collab_predictions") is False:
        change["show_collab_predictions"] = True
    # Adding a backend makes its title the version to show: a version without predictions, so the order would be
    # random and each opened task a live call.
    if now.get("model_version") == TITLE:
        version = str(before.get("model_version") or "")
        change["model_version"] = "" if version == TITLE else version
    if change:
        label_studio.update_project(project_id, **change)
        done.append("set " + ", ".join(sorted(change)))
