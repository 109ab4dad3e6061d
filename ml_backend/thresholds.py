"""From which score on an object is shown to the annotator."""

from __future__ import annotations

from collections.abc import Mapping

from ml_backend.services import Services


def thresholds_of(services: Services, project_id: int, run_id: int | None = None) -> Mapping[str, float] | float:
    """Least score of a pre-annotated object, one number for all classes or one by class name.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id.
        run_id: the run whose detector speaks; None: that of the active one.
    """
    return services.store.settings(project_id).shown_from
