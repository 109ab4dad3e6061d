"""Environment -> one frozen `Settings`; nothing else in the project reads the environment."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL

from training.data.pixel_limit import MAX_PIXELS, allow_pixels

ADDRESSES = "addresses.json"
"""File in the data directory in which `paploop up` saves the ports it chose."""


class Settings(BaseSettings):
    """All settings of PapLoop, each read from `PAPLOOP_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="PAPLOOP_", frozen=True, extra="ignore")

    data_dir: Path = Field(Path(".paploop"), description="Folder for state, run folders and vectors.")
    database_url: str = Field("", description="SQLAlchemy URL; empty = an SQLite file in the data directory.")
    redis_url: str = Field("redis://127.0.0.1:6390/0", description="Redis server for the queue.")
    queue_name: str = Field(
        "paploop", description="Name of the RQ queue for short jobs; the queue for long jobs adds -long."
    )

    host: str = Field("127.0.0.1", description="Address the web process listens on.")
    port: int = Field(9090, ge=1, le=65535, description="Port the web process listens on.")
    public_url: str = Field("", description="URL at which Label Studio and browsers reach PapLoop.")

    label_studio_url: str = Field("http://127.0.0.1:8080", description="URL at which PapLoop reaches Label Studio.")
    label_studio_public_url: str = Field("", description="URL at which browsers reach Label Studio; empty = the same.")
    label_studio_token: SecretStr = Field(SecretStr(""), description="Legacy token or personal access token.")

    basic_auth_user: str = Field("paploop", description="User name that Label Studio sends with ML calls.")
    basic_auth_password: SecretStr = Field(
        SecretStr(""), description="Password for that user; empty = ML calls are refused."
    )
    webhook_secret: SecretStr = Field(
        SecretStr(""), description="Shared secret of event webhooks; empty = webhooks are refused."
    )
    media_secret: SecretStr = Field(SecretStr(""), description="Key that signs image URLs.")
    insecure_no_auth: bool = Field(False, description="Accept calls without credentials (never in production).")

    fetch_hosts: list[str] = Field(
        default_factory=list, description="Hosts besides Label Studio from which images may be fetched."
    )
    image_roots: list[Path] = Field(
        default_factory=list, description="Folders, besides ingested ones, from which local images may be read."
    )
    fetch_timeout: float = Field(20.0, gt=0, description="Time limit for fetching an image, seconds.")
    max_image_bytes: int = Field(256 * 2**20, gt=0, description="Largest image file accepted, bytes.")
    max_image_pixels: int = Field(MAX_PIXELS, gt=0, description="Largest image accepted, pixels.")
    image_cache_bytes: int = Field(
        5 * 2**30, gt=0, description="Maximum size of the cache of fetched and converted images, bytes."
    )
    max_request_bytes: int = Field(64 * 2**20, gt=0, description="Largest HTTP body accepted, bytes.")

    encoder: str = Field("lite0", description="Encoder of new projects.")
    threads: int = Field(0, ge=0, description="CPU threads for torch and BLAS; 0 = half the cores.")
    web_threads: int = Field(8, ge=1, description="Threads of the web process.")

    job_timeout: int = Field(4 * 3600, gt=0, description="Time limit for a queue job, seconds.")
    pulse_interval: float = Field(1.0, gt=0, description="Seconds between checks for new events and due runs.")
    reconcile_interval: float = Field(300.0, gt=0, description="Seconds between polls for lost webhooks.")
    retry_attempts: int = Field(
        8, ge=1, description="How often the process of a run step may die before the run is marked failed."
    )
    retry_base: float = Field(
        2.0, gt=0, description="First wait for an unavailable service, seconds; doubles each time."
    )
    retry_cap: float = Field(60.0, gt=0, description="Longest wait for an unavailable service, seconds.")
    keep_runs: int = Field(
        20, ge=1, description="Number of latest run folders kept per project; those of promoted models are always kept."
    )
    log_level: str = Field("INFO", description="Log level.")

    @property
    def resolved_database_url(self) -> str:
        """The database URL, or the SQLite default."""
        file = str(self.data_dir.expanduser().resolve() / "paploop.db")
        return self.database_url or URL.create("sqlite", database=file).render_as_string()

    @property
    def resolved_public_url(self) -> str:
        """PapLoop's own URL without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


def environment_settings() -> Settings:
    """The settings in the environment, with defaults for the rest."""
    return Settings.model_validate({})


def read_settings() -> Settings:
    """The environment's settings, completed with the addresses that `paploop up` chose."""
    given = environment_settings()
    try:
        chosen = json.loads((given.data_dir / ADDRESSES).read_text())
    except (OSError, ValueError):
        return given
    if not isinstance(chosen, dict):
        return given
    return Settings.model_validate({name: chosen[name] for name in chosen.keys() - given.model_fields_set})


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """The settings of this process, read once; the pixel limit then applies to every image reader."""
    settings = read_settings()
    allow_pixels(settings.max_image_pixels)
    return settings


def child_environment(**extra: str) -> dict[str, str]:
    """The environment for a program that PapLoop starts: its own plus `extra`."""
    return {**os.environ, **extra}
