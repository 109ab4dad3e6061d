"""Addresses of the programs of this machine: chosen once, kept in the data directory."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from ml_backend.loopback import LOCAL
from ml_backend.operations.launch.ports import choose
from ml_backend.settings import ADDRESSES, Settings
from ml_backend.state.files import DataDir

LABEL_STUDIO_PORT = 8080
REDIS_PORT = 6390


@dataclass(frozen=True)
class Addresses:
    """The part of the settings that `paploop up` decides."""

    port: int
    label_studio_url: str
    redis_url: str


def _remembered(files: DataDir) -> dict[str, object]:
    try:
        stored = json.loads((files.root / ADDRESSES).read_text())
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _redis_url(present: str) -> str:
    last = urlsplit(present)
    password = last.password or secrets.token_hex(20)
    port = choose(
        LOCAL,
        last.port or REDIS_PORT,
        fixed=False,
        program="Redis",
        variable="PAPLOOP_REDIS_URL",
        taken=frozenset(),
    )
    return f"redis://:{password}@{LOCAL}:{port}/0"


def choose_addresses(given: Settings, files: DataDir, label_studio_port: int | None) -> Addresses:
    """Addresses for a start, the same as last time if there was one.

    A Label Studio or Redis whose URL is set in the environment is somebody else's: it is used as it is.

    Args:
        given: what the environment sets.
        files: the data directory; the choice is written into it.
        label_studio_port: asked for on the command line, or None.

    Raises:
        Conflict: a port that is asked for, or that tasks already refer to, is in use.
    """
    last = _remembered(files)
    last_port = last.get("port")
    asked = "port" in given.model_fields_set
    port = choose(
        given.host,
        last_port if isinstance(last_port, int) and not asked else given.port,
        fixed=asked or isinstance(last_port, int),
        program="PapLoop",
        variable="PAPLOOP_PORT",
        taken=frozenset(),
    )
    label_studio_url = given.label_studio_url
    if "label_studio_url" not in given.model_fields_set:
        known = urlsplit(str(last.get("label_studio_url", ""))).port
        number = choose(
            LOCAL,
            label_studio_port or known or LABEL_STUDIO_PORT,
            fixed=bool(label_studio_port or known),
            program="Label Studio",
            variable="LABEL_STUDIO_PORT",
            taken=frozenset({port}),
        )
        label_studio_url = f"http://{LOCAL}:{number}"
    own_redis = "redis_url" not in given.model_fields_set
    redis_url = _redis_url(str(last.get("redis_url", ""))) if own_redis else given.redis_url
    chosen = Addresses(port, label_studio_url, redis_url)
    files.write_atomic(files.root / ADDRESSES, json.dumps(asdict(chosen), indent=1) + "\n", mode=0o600)
    return chosen
