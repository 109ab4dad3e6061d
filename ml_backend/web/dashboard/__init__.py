"""One page per project: state of the loop, what comes next and why, and the few controls a lead needs."""

from __future__ import annotations

from ml_backend.web.dashboard.views import dashboard

__all__ = ["dashboard"]
