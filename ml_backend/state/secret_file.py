"""Passwords and keys that PapLoop generates, in a file that only its user can read."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from ml_backend.errors import Conflict

from .files import DataDir, in_words, write_atomic


@dataclass(frozen=True)
class Secrets:
    """Made once per data directory; never shown by `repr`."""

    label_studio_token: str = field(repr=False)
    label_studio_password: str = field(repr=False)
    basic_auth_password: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    media_secret: str = field(repr=False)


def secrets_path(data: DataDir) -> Path:
    """Where `load_secrets` keeps them."""
    return data.root / "secrets.json"


def load_secrets(data: DataDir, **given: str) -> Secrets:
    """The secrets of a data directory, created at the first call; values in `given` replace what is stored.

    Safe when several processes start at once: all get the same.

    Raises:
        Conflict: the file is there but cannot be understood.
        Unavailable: the disk is full or cannot be written.
    """
    path = secrets_path(data)
    with data.lock("secrets"):
        stored = _read(path)
        # Label Studio's legacy token has 40 hexadecimal digits.
        wanted = {f.name: stored.get(f.name) or secrets.token_hex(20) for f in fields(Secrets)}
        wanted.update({name: value for name, value in given.items() if value})
        result = Secrets(**wanted)
        if asdict(result) != stored:
            write_atomic(path, json.dumps(asdict(result), indent=1) + "\n", mode=0o600)
        with in_words(f"protect {path}"):
            os.chmod(path, 0o600)
    return result


def _read(path: Path) -> dict[str, str]:
    try:
        values = json.loads(path.read_text())
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            raise ValueError("expected an object of strings")
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise Conflict(
            f"{path} cannot be read ({error}); restore it from a backup, or remove it and run `paploop connect` again."
        ) from error
    return {field_.name: values[field_.name] for field_ in fields(Secrets) if field_.name in values}
