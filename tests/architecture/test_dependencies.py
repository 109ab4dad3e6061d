"""What the project imports it also asks for: a package that comes along with another may go with it."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from tests.architecture.source import PACKAGES, ROOT, files, imports, name


def _plain(distribution: str) -> str:
    """The name of a distribution, or of a line that asks for one, as pip compares it."""
    asked = re.match(r"[A-Za-z0-9._-]+", distribution)
    return re.sub(r"[-_.]+", "-", asked.group() if asked else "").lower()


def _declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # Detectron2 is installed by a line of its own, without its dependencies
    beside = (ROOT / "requirements-detectron2.txt").read_text(encoding="utf-8").splitlines()
    return {_plain(line) for line in [*project["dependencies"], *beside]} - {""}


def test_every_imported_package_is_declared() -> None:
    known, declared = packages_distributions(), _declared()
    missing: dict[str, str] = {}
    for path in files(*PACKAGES):
        for module, line in imports(path):
            top = module.split(".")[0]
            if top in sys.stdlib_module_names or top in PACKAGES:
                continue
            if not declared & {_plain(found) for found in known.get(top, ())}:
                missing.setdefault(top, f"{name(path)}:{line}")
    assert not missing, "add these to the dependencies of pyproject.toml, with the lowest version that works"
