"""From which score on an object is shown to the annotator."""

from __future__ import annotations

from collections.abc import Mapping

from ml_backend.services import Services


def thresholds_of(services: Services, project_id: int) -> Mapping[str, float] | float:
    """Least score of a pre-annotated object, one number for all classes or one by class name."""
    return services.store.settings(project_id).shown_from
