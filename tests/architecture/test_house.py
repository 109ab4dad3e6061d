"""Every module has a wing, no import runs upward or in a ring, the files of a family know nothing of each other."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGES, ROOT, files, imports, name

FAMILIES = (
    "strategies/baseline",
    "strategies/detection",
    "strategies/diversity",
    "strategies/goals",
    "strategies/hybrid",
    "strategies/uncertainty",
    "training/encoders",
    "ml_backend/cli",
)
"""Folders whose files are found by their names; what several of them need begins with an underscore."""


def _modules() -> dict[str, Path]:
    found = {}
    for path in files(*PACKAGES):
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[dotted.removesuffix(".__init__")] = path
    return found


def _edges(modules: dict[str, Path]) -> dict[str, set[str]]:
    """Module -> modules that it imports anywhere: in functions and under TYPE_CHECKING too."""
    edges = {}
    for module, path in modules.items():
        targets = set()
        for imported, _ in imports(path):
            while imported and imported not in modules:
                imported = imported.rpartition(".")[0]
            targets.add(imported)
        edges[module] = targets - {"", module}
    return edges


def _circle(edges: dict[str, set[str]]) -> list[str]:
    """Some modules that import each other in a ring, empty where none do."""
    left = {module: set(targets) for module, targets in edges.items()}
    while free := [module for module, targets in left.items() if not targets & left.keys()]:
        for module in free:
            del left[module]
    return sorted(left)


def test_no_modules_import_each_other_in_a_ring() -> None:
    edges = _edges(_modules())
    assert sum(map(len, edges.values())) > 1000
    # A package's own name stands for its `__init__`, which may list what lies in it.
    assert not _circle(edges)


@pytest.mark.parametrize("family", FAMILIES)
def test_files_of_a_family_know_nothing_of_each_other(family: str) -> None:
    members = [path for path in files(family) if path.parent == ROOT / family and not path.stem.startswith("_")]
    dotted = {f"{family.replace('/', '.')}.{path.stem}" for path in members}
    assert len(dotted) > 0
    wrong = [
        f"{name(path)}:{line} imports {module}"
        for path in members
        for module, line in imports(path)
        if any(module == other or module.startswith(f"{other}.") for other in dotted)
    ]
    assert not wrong, "move what both need into a file of the family that begins with an underscore"


@pytest.fixture
def copy_of_the_house(tmp_path: Path) -> Path:
    for package in ("ml_backend", "strategies", "training"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.npy"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _verdict(house: Path) -> str:
    program = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=house, env={"PYTHONPATH": str(house)}, capture_output=True, check=False
    )
    text = re.sub(r"\s+", " ", done.stdout.decode())
    assert done.returncode in (0, 1), done.stderr.decode()
    assert ("0 broken" in text) == (done.returncode == 0), text
    return text


def test_the_check_fails_for_a_module_outside_the_wings_and_for_an_import_that_runs_upward(
    copy_of_the_house: Path,
) -> None:
    assert "0 broken" in _verdict(copy_of_the_house)
    (copy_of_the_house / "ml_backend" / "stray.py").write_text('"""Nowhere at home."""\n')
    (copy_of_the_house / "training" / "stray.py").write_text('"""Nowhere at home."""\n')
    upward = "def _late() -> None:\n    import ml_backend.loop.cycle\n"
    (copy_of_the_house / "ml_backend" / "images" / "upward.py").write_text(upward)
    said = _verdict(copy_of_the_house)
    assert "2 broken" in said
    assert said.count("stray") >= 2
    assert "ml_backend.images.upward -> ml_backend.loop.cycle" in said
