import json
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ml_backend.errors import Conflict, Unavailable
from ml_backend.state.files import DataDir, file_lock, folder_name, write_atomic
from ml_backend.state.secret_file import load_secrets, secrets_path
from tests.fakes.machine import fill_the_disk


def test_paths(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "state")
    assert data.run_dir(42) == tmp_path / "state" / "runs" / "000042"
    assert data.run_dir(1234567).name == "1234567"
    assert data.vectors_dir("lite0-ab12").name == "lite0-ab12"


def test_asking_for_a_path_creates_nothing(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "state")
    asked = [data.run_dir(42), data.vectors_dir("lite0"), data.cache_dir, data.imports_dir, data.runs_dir]
    assert not list(data.root.iterdir())
    assert all(data.make(folder).is_dir() for folder in asked)


@pytest.mark.parametrize("key", ["../../etc", "timm:a/b", "", ".", "..", ".hidden", "x" * 400, "a\nb", "ü"])
def test_keys_become_harmless_folder_names(tmp_path: Path, key: str) -> None:
    name = folder_name(key)
    assert (tmp_path / name).resolve().parent == tmp_path.resolve()
    assert len(name) < 140
    assert DataDir(tmp_path).vectors_dir(key) == tmp_path.resolve() / "vectors" / name


def test_different_keys_never_share_a_folder() -> None:
    assert len({folder_name(key) for key in ("a:b", "a/b", "a_b", "a b", ".a_b")}) == 5


def test_write_atomic(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, "ü")
    write_atomic(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_crash_in_the_middle_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, "old")

    fill_the_disk(monkeypatch)
    with pytest.raises(Unavailable, match=r"could not write .*a\.json because the disk is full\. Free some space"):
        write_atomic(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="could not write"):
        write_atomic(tmp_path / "missing" / "a.json", "x")


def test_readers_see_old_or_new(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    contents = ["a" * 5000, "b" * 5000]
    write_atomic(path, contents[0])
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for content in contents:
                write_atomic(path, content)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert all(path.read_text() in contents for _ in range(200))
    finally:
        stop.set()
        writer.join()


def test_locks(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    assert not data.is_held("run-1")
    with data.lock("run-1"):
        assert data.is_held("run-1")
        assert not data.is_held("run-2")
        with pytest.raises(Conflict, match="is using 'run-1'"), data.lock("run-1", wait=False):
            pass
    assert not data.is_held("run-1")
    with data.lock("run-1", wait=False):
        pass
    with data.lock("service", shared=True), data.lock("service", shared=True, wait=False):
        assert not data.is_held("service")
        with pytest.raises(Conflict), data.lock("service", wait=False):
            pass


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, time; from ml_backend.state.files import DataDir\n"
        "with DataDir(pathlib.Path(sys.argv[1])).lock('x'):\n"
        "    print('held', flush=True); time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    data = DataDir(tmp_path)
    assert data.is_held("x")
    process.kill()
    process.wait()
    process.stdout.close()
    with data.lock("x"):
        pass


def test_a_lock_is_released_by_an_exception(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), file_lock(tmp_path / "l.lock"):
        raise ZeroDivisionError
    with file_lock(tmp_path / "l.lock", wait=False):
        pass


def test_secrets_are_made_once(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with ThreadPoolExecutor(6) as pool:
        made = set(pool.map(lambda _: load_secrets(DataDir(tmp_path)), range(6)))
    assert len(made) == 1
    secrets = made.pop()
    assert stat.S_IMODE(secrets_path(data).stat().st_mode) == 0o600
    assert len(secrets.label_studio_token) == 40
    assert len({secrets.media_secret, secrets.webhook_secret, secrets.basic_auth_password}) == 3
    assert secrets.media_secret not in repr(secrets)


def test_secrets_can_be_given_and_are_completed(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    secrets_path(data).write_text(json.dumps({"media_secret": "kept", "unknown": "dropped"}))
    os.chmod(secrets_path(data), 0o644)
    secrets = load_secrets(data, label_studio_token="mine", webhook_secret="")
    assert (secrets.media_secret, secrets.label_studio_token) == ("kept", "mine")
    assert secrets.webhook_secret
    assert load_secrets(data) == secrets
    assert stat.S_IMODE(secrets_path(data).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["{", "[]", '{"media_secret": 5}'])
def test_a_broken_secrets_file_is_not_overwritten(tmp_path: Path, content: str) -> None:
    data = DataDir(tmp_path)
    secrets_path(data).write_text(content)
    with pytest.raises(Conflict, match=r"secrets\.json cannot be read"):
        load_secrets(data)
    assert secrets_path(data).read_text() == content


def test_the_data_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    made = DataDir(tmp_path / "deep" / "state")
    assert stat.S_IMODE(made.root.stat().st_mode) == 0o700


def test_a_data_directory_of_an_earlier_version_is_closed_and_a_shared_folder_is_left_alone(tmp_path: Path) -> None:
    old, shared = tmp_path / "old", tmp_path / "shared"
    for folder in (old, shared):
        folder.mkdir()
        folder.chmod(0o755)
    (old / "secrets.json").write_text("{}")
    (shared / "images").mkdir()
    assert stat.S_IMODE(DataDir(old).root.stat().st_mode) == 0o700
    assert stat.S_IMODE(DataDir(shared).root.stat().st_mode) == 0o755
