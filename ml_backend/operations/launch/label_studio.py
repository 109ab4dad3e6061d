"""Label Studio as one of the programs of this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

from ml_backend.errors import NotFound
from ml_backend.operations.launch.programs import ONE_THREAD, Program
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.secret_file import Secrets

LOGIN = "expert@example.com"
"""User of the Label Studio that `paploop up` starts."""

SETTINGS_MODULE = "paploop_label_studio_settings"

DATABASE_SETTINGS = """\
# Written by PapLoop at each start. Label Studio's own settings, with an SQLite database that stands several writers:
# with Django's defaults an annotator's submit fails ("database is locked") while a large import or deletion runs.
from pathlib import Path

import label_studio

# Run in place, not imported: while it runs it reads itself back through django.conf.
source = Path(label_studio.__file__).parent / "core" / "settings" / "label_studio.py"
exec(compile(source.read_text(encoding="utf-8"), str(source), "exec"))

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 60,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
"""


def program(settings: Settings, files: DataDir, secrets: Secrets) -> Program:
    """Label Studio from its own environment, on SQLite in the data directory.

    Raises:
        NotFound: it is not installed beside this environment.
    """
    binary = Path(sys.prefix).parent / ".venv-label-studio" / "bin" / "label-studio"
    if not binary.is_file():
        raise NotFound(
            f"Label Studio is not installed in {binary.parent.parent}. Run `make setup`, or set "
            "PAPLOOP_LABEL_STUDIO_URL and PAPLOOP_LABEL_STUDIO_TOKEN to use a running one."
        )
    folder = _settings_folder(files)
    folder.mkdir(exist_ok=True)
    files.write_atomic(folder / f"{SETTINGS_MODULE}.py", DATABASE_SETTINGS)
    address = urlsplit(settings.label_studio_url)
    command = (
        str(binary),
        "start",
        "--no-browser",
        "--internal-host",
        str(address.hostname),
        "--port",
        str(address.port),
    )
    return Program("label-studio", command, environment(files, secrets))


def _settings_folder(files: DataDir) -> Path:
    return files.root / "label-studio-settings"


def environment(files: DataDir, secrets: Secrets) -> dict[str, str]:
    """Settings of a Label Studio that accepts a backend on the same machine and still blocks the metadata address.

    Only the built-in list of refused networks is replaced: local addresses are reachable, the cloud metadata
    network stays refused, the protection itself stays on.
    """
    return {
        "LABEL_STUDIO_BASE_DATA_DIR": str(files.root / "label-studio"),
        "LABEL_STUDIO_USERNAME": LOGIN,
        "LABEL_STUDIO_PASSWORD": secrets.label_studio_password,
        "LABEL_STUDIO_USER_TOKEN": secrets.label_studio_token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "USE_DEFAULT_BANNED_SUBNETS": "false",
        "USER_ADDITIONAL_BANNED_SUBNETS": "169.254.0.0/16",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(_settings_folder(files)),
        "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
        **ONE_THREAD,
    }
