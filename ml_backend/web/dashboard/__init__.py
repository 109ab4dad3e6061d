"""One page a project: how the loop stands, what comes next and why, and the few switches a lead needs."""

from __future__ import annotations

from ml_backend.web.dashboard.views import dashboard

__all__ = ["dashboard"]
