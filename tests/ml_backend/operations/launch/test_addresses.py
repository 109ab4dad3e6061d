"""Ports: asked for, remembered, or the next free one."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ml_backend.errors import Conflict
from ml_backend.operations.launch.addresses import choose_addresses
from ml_backend.operations.launch.ports import choose, is_free
from ml_backend.settings import ADDRESSES, Settings, read_settings
from ml_backend.state.files import DataDir
from tests.fakes.machine import free_port


@pytest.fixture
def taken() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_that_was_asked_for_and_is_taken_gives_a_sentence(taken: int) -> None:
    assert not is_free("127.0.0.1", taken)
    with pytest.raises(Conflict, match=rf"Port {taken} for PapLoop is in use .* make run PAPLOOP_PORT={taken + 1}"):
        choose("127.0.0.1", taken, fixed=True, program="PapLoop", variable="PAPLOOP_PORT", taken=frozenset())


def test_otherwise_the_next_free_one_is_taken(taken: int) -> None:
    found = choose("127.0.0.1", taken, fixed=False, program="x", variable="X", taken=frozenset({taken + 1}))
    assert found > taken + 1


def test_addresses_stay_the_same_at_the_next_start(tmp_path: Path) -> None:
    files = DataDir(tmp_path)
    given = Settings.model_validate({"data_dir": tmp_path, "port": free_port()})
    first = choose_addresses(given, files, free_port())
    again = choose_addresses(Settings.model_validate({"data_dir": tmp_path}), files, None)
    assert again == first
    assert urlsplit(first.redis_url).password
    assert (tmp_path / ADDRESSES).stat().st_mode & 0o077 == 0


def test_a_redis_and_a_label_studio_of_the_user_are_used_as_they_are(tmp_path: Path) -> None:
    given = Settings.model_validate(
        {"data_dir": tmp_path, "port": free_port(), "redis_url": "redis://r:1/2", "label_studio_url": "http://ls:3/sub"}
    )
    chosen = choose_addresses(given, DataDir(tmp_path), None)
    assert (chosen.redis_url, chosen.label_studio_url) == ("redis://r:1/2", "http://ls:3/sub")


def test_every_process_of_the_data_directory_reads_the_chosen_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ADDRESSES).write_text(json.dumps({"port": 9191, "label_studio_url": "http://127.0.0.1:8181"}))
    monkeypatch.setenv("PAPLOOP_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PAPLOOP_LABEL_STUDIO_URL", "http://elsewhere")
    settings = read_settings()
    assert (settings.port, settings.label_studio_url) == (9191, "http://elsewhere")


@pytest.mark.parametrize("content", ["", "[]", "{broken"])
def test_an_unreadable_address_file_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (tmp_path / ADDRESSES).write_text(content)
    monkeypatch.setenv("PAPLOOP_DATA_DIR", str(tmp_path))
    assert read_settings().port == 9090
