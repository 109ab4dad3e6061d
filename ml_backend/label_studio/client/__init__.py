"""The client for Label Studio's HTTP API; the one place that knows its endpoints.

`LabelStudio` is one client put together from small parts, one a subject: projects, tasks, predictions, annotations,
connections (ML backends and webhooks) and files. All of them speak through `wire.Wire`, where credentials, time-outs
and the translation of failures into PapLoop's errors live.
"""

from __future__ import annotations

from ml_backend.label_studio.client.annotations import Annotations
from ml_backend.label_studio.client.connections import Connections
from ml_backend.label_studio.client.downloads import Downloads
from ml_backend.label_studio.client.predictions import Predictions, UnknownTasks
from ml_backend.label_studio.client.projects import Projects

__all__ = ["LabelStudio", "UnknownTasks"]


class LabelStudio(Projects, Predictions, Annotations, Connections, Downloads):
    """A client of one Label Studio; safe to share among threads.

    Args:
        url: address of Label Studio, with its path where it is served under one.
        token: a legacy token or a personal access token.
        transport: an httpx transport, for tests.
        timeout: seconds before a call is given up; long bulk calls get more.

    Raises:
        BadRequest: the address is not an http(s) URL.
    """
