"""Undocumented features fail the build: settings, commands, endpoints, strategies, encoders, methods."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from pydantic import SecretStr

import strategies
from ml_backend.cli import build_app
from ml_backend.services import build_services
from ml_backend.settings import Settings
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.web.app import create_app
from ml_backend.web.redaction import ACTIONS
from tests.architecture.source import ROOT
from training.encoders import families

NOT_FOR_CALLERS = {"/", "/dashboard/static/<path:filename>"}


@cache
def documents() -> str:
    return "\n".join(
        path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    )


def in_code(word: str) -> bool:
    """Whether a name stands in code marks somewhere."""
    return re.search(rf"`[^`\n]*(?<![\w-]){re.escape(word)}(?![\w-])[^`\n]*`", documents()) is not None


def commands() -> list[str]:
    return sorted(str(c.name or getattr(c.callback, "__name__", "")) for c in build_app().registered_commands)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_settings(name: str) -> None:
    assert in_code(f"PAPLOOP_{name.upper()}")


@pytest.mark.parametrize("name", ProjectSettings.model_fields)
def test_project_settings(name: str) -> None:
    assert in_code(name)


@pytest.mark.parametrize("name", commands())
def test_commands(name: str) -> None:
    assert in_code(name)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_webhook_actions(name: str) -> None:
    assert in_code(name)


@pytest.mark.parametrize("name", strategies.names())
def test_strategies(name: str) -> None:
    assert in_code(name)


@pytest.mark.parametrize("name", strategies.names())
def test_the_table_of_strategies_says_what_their_docstrings_say(name: str) -> None:
    info = strategies.describe(name)
    needs = ", ".join(sorted(need.replace("_", " ") for need in info.needs))
    assert f"| `{name}` | {needs} | {info.summary} | {info.paper} |" in documents()


@pytest.mark.parametrize("name", [*families(), "head", "finetune", "auto"])
def test_encoders_and_methods(name: str) -> None:
    assert in_code(name)


def test_defaults_in_the_settings_table_are_true() -> None:
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, SecretStr) or default in ("", None, [], {}):
            continue
        assert f"| `PAPLOOP_{name.upper()}` | `{default}` |" in documents(), name


def test_endpoints(tmp_path: Path) -> None:
    services = build_services(Settings.model_validate({"data_dir": tmp_path}))
    app = create_app(services)
    rules = {rule.rule.replace("<action>", "settings") for rule in app.url_map.iter_rules()} - NOT_FOR_CALLERS
    app.extensions["paploop-inbox"].close()
    services.store.close()
    described = re.sub(r"\{\w+\}|<[^>]+>", "*", documents())
    missing = [rule for rule in sorted(rules) if not _described(rule, described)]
    assert not missing


def _described(rule: str, text: str) -> bool:
    pattern = re.sub(r"<[^>]+>", "*", rule).rstrip("/")
    return re.search(re.escape(pattern).replace(r"\*", r"(\*|\.\.\.)") + r"(?![\w/*])", text) is not None
