"""Changes a project's strategy and policy, by API, page or command line; effective from the next ranking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from ml_backend.errors import BadRequest, LabelConfigError
from ml_backend.label_studio.config import parse_label_config
from ml_backend.label_studio.config.job import Kind
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.rows.projects import ProjectRows

_BOXES = frozenset({"probs", "members", "embeddings", "background", "region_embeddings", "box_overlaps"})
POOL_HAS: Mapping[Kind, frozenset[str]] = {
    "classification": frozenset({"probs", "members", "embeddings", "labels"}),
    "detection": _BOXES,
    "segmentation": _BOXES | {"mask_overlaps"},
}
"""What the pool of a running project brings, see `strategies.base.NEEDS`."""


def pool_has(kind: Kind) -> frozenset[str]:
    """What the pool of a kind of job brings; where it is not listed, an item is one region, as a whole image is."""
    return POOL_HAS.get(kind, POOL_HAS["classification"])


AUTO = "auto"


def change_settings(projects: ProjectRows, project_id: int, values: Mapping[str, Any]) -> ProjectSettings:
    """Change some settings of a project, all or none.

    Args:
        projects: rows of the projects.
        project_id: Label Studio's project id.
        values: names of `ProjectSettings` with their new values. A new strategy drops the old one's parameters.

    Raises:
        NotFound: the project is not connected.
        BadRequest: a name, a value or a strategy is unknown; nothing was changed.
    """
    present = projects.settings(project_id)
    values = dict(values)
    strategy = values.get("strategy")
    if strategy is not None and strategy != present.strategy:
        _check_strategy(strategy, kind_of(projects, project_id))
        values.setdefault("strategy_params", {})
    changed = present.changed(**values)
    _check_parameters(changed)
    projects.save_settings(project_id, changed)
    return changed


def kind_of(projects: ProjectRows, project_id: int) -> Kind | None:
    """The kind of job in the project's label config; None if PapLoop cannot drive it.

    Raises:
        NotFound: the project is not connected.
    """
    try:
        return parse_label_config(projects.one(project_id).label_config).kind
    except LabelConfigError:
        return None


def usable(kind: Kind | None = "classification") -> list[str]:
    """Names of the strategies that can rank a project of a kind, None: of any.

    Where objects are drawn, strategies that read probabilities must know that the last class is the background: the
    others would take a doubt between nothing and something for one between two kinds of cell.
    """
    import strategies

    return [
        name
        for name in strategies.names()
        if any(_fits(name, each) for each in (POOL_HAS if kind is None else (kind,)))
    ]


def _fits(name: str, kind: Kind) -> bool:
    import strategies

    needs = strategies.describe(name).needs
    blind = (
        "background" in pool_has(kind) and bool(needs & {"probs", "members", "labels"}) and "background" not in needs
    )
    return needs <= pool_has(kind) and not blind


def fitting(settings: ProjectSettings, kind: Kind) -> tuple[ProjectSettings, str]:
    """The settings with a strategy that can rank this kind of project, and a note if it had to be replaced.

    A label config may change its kind after a strategy was chosen; the loop must go on all the same.
    """
    if settings.strategy in usable(kind):
        return settings, ""
    note = f"{settings.strategy} cannot rank this kind of project, so {AUTO} is used."
    return settings.model_copy(update={"strategy": AUTO, "strategy_params": {}}), note


class StrategyEntry(TypedDict):
    """A strategy in a list: name, family, needs, the kinds of projects that it ranks, summary and paper."""

    name: str
    family: str
    needs: list[str]
    ranks: list[Kind]
    summary: str
    paper: str


def strategy_list(kind: Kind | None = None) -> list[StrategyEntry]:
    """Every strategy for a kind of project, or of all, with its family, needs, summary and paper."""
    import strategies

    infos = [strategies.describe(name) for name in usable(kind)]
    return [
        {
            "name": info.name,
            "family": info.family,
            "needs": sorted(info.needs),
            "ranks": [each for each in POOL_HAS if _fits(info.name, each)],
            "summary": info.summary,
            "paper": info.paper,
        }
        for info in infos
    ]


def _check_parameters(settings: ProjectSettings) -> None:
    from strategies.base import StrategyError
    from strategies.registry import create

    try:
        create(settings.strategy, settings.strategy_params)
    except StrategyError as error:
        raise BadRequest(f"The project settings were not changed: {error}", code="settings.invalid") from error


def _check_strategy(name: object, kind: Kind | None) -> None:
    import strategies

    if name in strategies.names() and name not in usable(kind):
        needs = strategies.describe(name).needs
        why = (
            "ranks objects that a detector found, but this project labels whole images"
            if kind is not None and "background" not in pool_has(kind)
            else "compares outlines, but this project has only boxes"
            if "mask_overlaps" in needs
            else "ranks whole images by their class, but this project draws objects"
        )
        raise BadRequest(
            f"The strategy {name} {why}; choose one of {', '.join(usable(kind))}.", code="strategy.unusable"
        )
    if name not in usable(kind):
        raise BadRequest(
            f"There is no strategy {str(name)[:60]!r}; choose one of {', '.join(usable(kind))}.",
            code="strategy.unknown",
        )
