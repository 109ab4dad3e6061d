"""Finds strategies by file name: `strategies/<family>/<name>.py` holds one strategy class and nothing is listed."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from strategies.base import NEEDS, Strategy, StrategyError

NO_FAMILY = "near_duplicates"
"""The one folder beside the families; folders and files that begin with an underscore are shared parts."""


@dataclass(frozen=True)
class StrategyInfo:
    """The description of a strategy.

    Attributes:
        name: file name without ending.
        family: folder.
        needs: what the pool must hold, of `strategies.base.NEEDS`.
        summary: first line of its docstring.
        paper: authors, year, title and DOI or arXiv id, or empty.
        parameters: name -> default of what `rank` takes beside the pool.
        revisits: it may order labeled items too.
    """

    name: str
    family: str
    needs: frozenset[str]
    summary: str
    paper: str
    parameters: Mapping[str, object]
    revisits: bool


@cache
def _modules() -> dict[str, str]:
    """Strategy name -> module path, in order of family and name."""
    found: dict[str, str] = {}
    root = Path(__file__).parent
    folders = [module.name for module in pkgutil.iter_modules([str(root)]) if module.ispkg]
    for family in folders:
        if family.startswith("_") or family == NO_FAMILY:
            continue
        for module in pkgutil.iter_modules([str(root / family)]):
            if module.name.startswith("_"):
                continue
            if module.name in found:
                raise StrategyError(f"Two strategy files are named {module.name}; rename one of them.")
            found[module.name] = f"strategies.{family}.{module.name}"
    return found


def names() -> list[str]:
    """Every strategy's name, sorted."""
    return sorted(_modules())


@cache
def _class_of(name: str) -> type[Strategy]:
    """The one strategy class of a file.

    Raises:
        StrategyError: no such strategy, or its file does not hold exactly one well-formed strategy class.
    """
    if name not in _modules():
        raise StrategyError(f"There is no strategy named {name!r}; choose one of {', '.join(names())}.")
    module = importlib.import_module(_modules()[name])
    classes = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == module.__name__ and hasattr(member, "rank") and hasattr(member, "needs")
    ]
    if len(classes) != 1:
        raise StrategyError(
            f"{module.__name__} contains {len(classes)} strategy classes. Each file must contain exactly one."
        )
    needs: frozenset[str] = vars(classes[0]).get("needs", frozenset())
    if not dataclasses.is_dataclass(classes[0]) or not needs <= NEEDS:
        raise StrategyError(f"The strategy {name} must be a dataclass whose needs are among {sorted(NEEDS)}.")
    return cast("type[Strategy]", classes[0])


def _parameters(name: str) -> dict[str, object]:
    fields = dataclasses.fields(cast(Any, _class_of(name)))
    return {
        f.name: f.default if f.default is not dataclasses.MISSING else cast(Any, f.default_factory)() for f in fields
    }


def describe(name: str) -> StrategyInfo:
    """What the strategy is, needs and takes.

    Raises:
        StrategyError: no such strategy.
    """
    cls = _class_of(name)
    lines = (inspect.getdoc(cls) or "").splitlines()
    papers = re.findall(r"^Paper: (.+(?:\n {4}.+)*)", "\n".join(lines), re.MULTILINE)
    return StrategyInfo(
        name=name,
        family=cls.__module__.split(".")[1],
        needs=cls.needs,
        summary=lines[0] if lines else "",
        paper="; ".join(" ".join(paper.split()) for paper in papers),
        parameters=_parameters(name),
        revisits=bool(getattr(cls, "revisits", False)),
    )


def accepted(name: str, parameters: Mapping[str, object]) -> dict[str, object]:
    """The part of `parameters` that the strategy takes; for callers that offer the same facts to every strategy.

    Raises:
        StrategyError: no such strategy.
    """
    known = _parameters(name)
    return {key: value for key, value in parameters.items() if key in known}


def create(name: str, parameters: Mapping[str, object]) -> Strategy:
    """A strategy with its parameters set.

    Raises:
        StrategyError: no such strategy, a parameter it does not take, or a value it refuses.
    """
    cls = _class_of(name)
    unknown = sorted(set(parameters) - set(_parameters(name)))
    if unknown:
        known = ", ".join(sorted(_parameters(name))) or "none"
        raise StrategyError(f"{name} has no parameter {', '.join(unknown)}. Its parameters are: {known}.")
    try:
        return cls(**parameters)
    except TypeError as error:
        raise StrategyError(f"{name} cannot use these parameters: {error}; check their types.") from error
