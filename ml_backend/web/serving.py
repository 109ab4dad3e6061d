"""Builds what serves `/predict` from the parts of a web process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ml_backend.predictions.first_use import FirstUse
from ml_backend.predictions.serving import DEADLINE, Serving
from ml_backend.predictions.unanswered import Unanswered
from ml_backend.services import Services

if TYPE_CHECKING:
    from ml_backend.predictions.smart.tool import SmartTool


def serving_of(
    services: Services,
    *,
    first_use: FirstUse | None = None,
    unanswered: Unanswered | None = None,
    deadline: float = DEADLINE,
    timer: Callable[[], float] = time.monotonic,
) -> Serving:
    """The predictions of a web process; arguments as `Serving`."""
    kept = unanswered or Unanswered(services.clock)

    def make_smart() -> SmartTool:
        from ml_backend.predictions.smart.detectors import Detectors
        from ml_backend.predictions.smart.tool import SmartTool

        return SmartTool(
            services.store.items,
            services.images,
            services.settings.max_image_pixels,
            detectors=Detectors(services.models, timer),
            unanswered=kept,
        )

    asked = first_use or FirstUse(services.models, services.images, services.settings, timer)
    return Serving(services.store, asked, make_smart, kept, deadline=deadline, timer=timer)
