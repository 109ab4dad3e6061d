"""Choosing a project's strategy and policy: by API, page or command line, effective at the next ranking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_backend.errors import BadRequest
from ml_backend.project_settings import ProjectSettings
from ml_backend.services import Services

POOL_HAS = frozenset({"probs", "members", "embeddings", "labels"})
"""What the pool of a running project brings, see `strategies.base.NEEDS`."""


def change_settings(services: Services, project_id: int, values: Mapping[str, Any]) -> ProjectSettings:
    """Change some settings of a project, all or none.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id.
        values: names of `ProjectSettings` with their new values. A new strategy drops the old one's parameters.

    Raises:
        NotFound: PapLoop does not know the project.
        BadRequest: a name, a value or a strategy is unknown; nothing was changed.
    """
    present = services.store.settings(project_id)
    values = dict(values)
    strategy = values.get("strategy")
    if strategy is not None and strategy != present.strategy:
        _check_strategy(strategy)
        values.setdefault("strategy_params", {})
    changed = present.changed(**values)
    _check_parameters(changed)
    services.store.save_settings(project_id, changed)
    return changed


def usable() -> list[str]:
    """Names of the strategies that a project's pool has everything for: those for detectors need regions."""
    import strategies

    return [name for name in strategies.names() if strategies.describe(name).needs <= POOL_HAS]


def strategy_list() -> list[dict[str, Any]]:
    """Every usable strategy with its family, needs, summary and paper."""
    import strategies

    infos = [strategies.describe(name) for name in usable()]
    return [
        {
            "name": info.name,
            "family": info.family,
            "needs": sorted(info.needs),
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
        raise BadRequest(f"The project settings were not changed: {error}") from error


def _check_strategy(name: Any) -> None:
    import strategies

    if name in strategies.names() and name not in usable():
        raise BadRequest(
            f"The strategy {name} ranks what a detector found, and this project labels whole images; "
            f"choose one of {', '.join(usable())}."
        )
    if name not in usable():
        raise BadRequest(f"There is no strategy {str(name)[:60]!r}; choose one of {', '.join(usable())}.")
