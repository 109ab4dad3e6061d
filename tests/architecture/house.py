"""The wings of the house as a table, drawn from the import contracts and the first line of every package.

`python -m tests.architecture.house` writes the tables into docs/architecture.md anew.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import ROOT

PAGE = ROOT / "docs" / "architecture.md"
MARKS = re.compile(r"(<!-- wings of (\w+): written by python -m tests.architecture.house -->\n).*?(<!-- end -->)", re.S)


def layers(package: str) -> list[list[str]]:
    """The wings of a package from the top down; those of one row know nothing of each other."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in settings["tool"]["importlinter"]["contracts"]:
        if contract.get("containers") == [package] and contract.get("exhaustive"):
            return [re.split(r"\s*\|\s*", row) for row in contract["layers"]]
    raise LookupError(f"no exhaustive contract for {package} in pyproject.toml")


def place(package: str, wing: str) -> Path:
    """The folder or file of a wing."""
    folder = ROOT / package / wing
    return folder if folder.is_dir() else folder.with_suffix(".py")


def purpose(path: Path) -> str:
    """The first line of a module's docstring, without its full stop."""
    file = path / "__init__.py" if path.is_dir() else path
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return said.split("\n", 1)[0].rstrip(".").replace("|", r"\|")


def rooms(path: Path) -> Iterator[str]:
    """The folders within a wing that hold Python files."""
    if path.is_dir():
        for folder in sorted(path.iterdir()):
            if folder.is_dir() and (folder / "__init__.py").is_file():
                yield folder.name


def table(package: str) -> str:
    """The wings of a package as a Markdown table, from the top down."""
    lines = ["| wing | for | rooms |", "| --- | --- | --- |"]
    for row in layers(package):
        for wing in row:
            path = place(package, wing)
            name = f"`{wing}/`" if path.is_dir() else f"`{wing}.py`"
            lines.append(f"| {name} | {purpose(path)} | {', '.join(f'`{room}/`' for room in rooms(path))} |")
    return "\n".join(lines) + "\n"


def drawn(page: str) -> str:
    """A page with its tables as the code has them now."""
    return MARKS.sub(lambda found: found[1] + table(found[2]) + found[3], page)


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
