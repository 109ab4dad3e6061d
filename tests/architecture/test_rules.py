"""What the import linter cannot see: lazy imports, file length, the environment, unpickling, machine paths."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGES, ROOT, files, imports, is_or_below, name, tree

LONGEST = 300
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}

WEB = ("flask", "sqlalchemy", "redis", "rq", "httpx", "label_studio_sdk", "alembic")
FORBIDDEN = {
    "strategies": ("ml_backend", "training", "torch", "torchvision", "timm", *WEB),
    "training": ("ml_backend", "strategies", *WEB),
}
ONLY_IN = {
    "faiss": ("strategies/near_duplicates/",),
    "flask": ("ml_backend/web/",),
    "httpx": ("ml_backend/label_studio/", "ml_backend/images/", "ml_backend/operations/launch/probes.py"),
    "label_studio_sdk": ("ml_backend/label_studio/",),
    "sqlalchemy": ("ml_backend/state/",),
    "alembic": ("ml_backend/state/",),
    "honcho": ("ml_backend/operations/launch/supervisor.py",),
    "typer": ("ml_backend/cli/",),
    "lightly": ("training/ssl/",),
}
"""Library -> its homes. httpx has three: Label Studio, images from other hosts, the probes of the stack's programs."""
HARMLESS = {"sqlalchemy.URL", "sqlalchemy.make_url", "sqlalchemy.exc"}
"""Addresses and errors of databases; statements stay in the store."""

UNPICKLERS = ("pickle", "cPickle", "dill", "shelve", "joblib", "cloudpickle")


@pytest.mark.parametrize("path", files(*PACKAGES, "tests", "tools", "docker"), ids=name)
def test_files_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{name(path)} has {lines} lines: make a folder of one-idea files of it"


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = [name(path) for path in files(*PACKAGES) if VAGUE & {path.stem, *path.relative_to(ROOT).parts[:-1]}]
    assert not vague


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_import_goes_the_wrong_way_even_lazily(package: str) -> None:
    wrong = [
        f"{name(path)}:{line} imports {module}"
        for path in files(package)
        for module, line in imports(path)
        if any(is_or_below(module, banned) for banned in FORBIDDEN[package])
    ]
    assert not wrong


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_has_one_home(library: str) -> None:
    wrong = [
        f"{name(path)}:{line}"
        for path in files(*PACKAGES)
        for module, line in imports(path)
        if is_or_below(module, library)
        and not name(path).startswith(ONLY_IN[library])
        and not any(is_or_below(module, fine) for fine in HARMLESS)
    ]
    assert not wrong, f"{library} belongs in {', '.join(ONLY_IN[library])} alone"


def test_detectron2_has_one_importer() -> None:
    importers = {
        name(path) for path in files(*PACKAGES) for module, _ in imports(path) if is_or_below(module, "detectron2")
    }
    assert len(importers) <= 1, sorted(importers)


def test_the_environment_is_read_in_settings_alone() -> None:
    wrong = []
    for path in files(*PACKAGES):
        if name(path) == "ml_backend/settings.py":
            continue
        wrong += _attributes(path, "environ", "environb", "getenv", "putenv")
    assert not wrong


def _attributes(path: Path, *names: str) -> list[str]:
    nodes = (node for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute))
    return [f"{name(path)}:{node.lineno}" for node in nodes if node.attr in names]


def test_nothing_unpickles() -> None:
    wrong = [
        f"{name(path)}:{line} imports {module}"
        for path in files(*PACKAGES)
        for module, line in imports(path)
        if any(is_or_below(module, banned) for banned in UNPICKLERS)
    ]
    for path in files(*PACKAGES):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "load":
                wrong += _unsafe_load(path, node, node.func)
    assert not wrong


def _unsafe_load(path: Path, call: ast.Call, function: ast.Attribute) -> list[str]:
    owner = function.value.id if isinstance(function.value, ast.Name) else ""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    wanted = {"torch": ("weights_only", True), "np": ("allow_pickle", False), "numpy": ("allow_pickle", False)}
    if owner not in wanted:
        return []
    option, value = wanted[owner]
    said = given.get(option)
    fine = isinstance(said, ast.Constant) and said.value is value
    return [] if fine else [f"{name(path)}:{call.lineno} {owner}.load without {option}={value}"]


def test_the_only_skip_is_the_one_for_missing_real_images() -> None:
    wrong = []
    for path in files("tests"):
        if name(path) == "tests/conftest.py":
            continue
        wrong += _attributes(path, "skip", "skipif", "xfail", "importorskip")
    assert not wrong


def _tracked() -> list[Path]:
    """Files that git tracks, or, in an unpacked archive, all text files."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0:
        return [ROOT / part for part in listed.stdout.decode().split("\0") if part and (ROOT / part).is_file()]
    return [
        path for path in ROOT.rglob("*") if path.suffix in (".py", ".md", ".toml", ".txt", ".sh") and path.is_file()
    ]


def test_no_file_names_a_machine() -> None:
    # Put together here, so that this file does not contain them.
    marks = ["/" + "work/main", "/" + "work/shared", "/" + "root/"]
    wrong = []
    for path in _tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        wrong += [f"{name(path)}: {mark}" for mark in marks if mark in text]
    assert not wrong
