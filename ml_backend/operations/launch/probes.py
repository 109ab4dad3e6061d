"""Whether each program responds."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import httpx

from ml_backend.loopback import reachable
from ml_backend.settings import Settings

PATIENCE = 2.0


def answers_http(url: str, auth: tuple[str, str] | None = None) -> bool:
    """Whether a GET succeeds."""
    try:
        return httpx.get(url, auth=auth, timeout=PATIENCE, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def redis_answers(settings: Settings) -> bool:
    """Whether Redis responds and accepts our password."""
    from redis import Redis
    from redis.exceptions import RedisError

    try:
        with Redis.from_url(settings.redis_url, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE) as client:
            return bool(client.ping())
    except (RedisError, OSError):
        return False


def label_studio_answers(settings: Settings) -> bool:
    """Whether Label Studio responds; its port opens seconds earlier."""
    address = urlsplit(settings.label_studio_url)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((str(address.hostname), port), PATIENCE).close()
    except OSError:
        return False
    return answers_http(f"{settings.label_studio_url.rstrip('/')}/health")


def web_answers(settings: Settings) -> bool:
    """Whether PapLoop's web process responds and accepts our password."""
    auth = (settings.basic_auth_user, settings.basic_auth_password.get_secret_value())
    return answers_http(f"http://{reachable(settings.host)}:{settings.port}/health", auth)
