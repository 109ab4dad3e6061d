"""The background queue on Redis and RQ: names of jobs in, nothing else out.

Two lanes, so that no order, roll-back or poll waits while another project trains. Each is first come, first served, and
a project has one run at a time, so projects take turns.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

from ml_backend.errors import QueueUnavailable

SHORT: Final = "short"
"""Ranking, publishing, polls, cleaning up: seconds to a few minutes."""

LONG: Final = "long"
"""Training and judging a model: minutes to hours."""

SETTLING = timedelta(seconds=15)
"""A fresh job process needs this long to import what it needs and take its lock."""

if TYPE_CHECKING:
    from redis import Redis
    from rq import Queue


class WorkQueue:
    """Puts jobs of `ml_backend.loop.jobs` into RQ; safe to lose, because the pulse queues open runs again."""

    def __init__(self, url: str, name: str, job_timeout: int) -> None:
        self.url = url
        self.name = name
        self.job_timeout = job_timeout

    @cached_property
    def connection(self) -> Redis:
        """A Redis client with short timeouts, so that no caller hangs if Redis is unavailable."""
        from redis import Redis

        return Redis.from_url(self.url, socket_connect_timeout=2, health_check_interval=30)

    @cached_property
    def queue(self) -> Queue:
        """The RQ queue of the short lane."""
        return self._lane(self.name)

    @cached_property
    def long(self) -> Queue:
        """The RQ queue of the long lane."""
        return self._lane(f"{self.name}-long")

    def _lane(self, name: str) -> Queue:
        from rq import Queue
        from rq.serializers import JSONSerializer

        # RQ's default unpickles what lies in Redis; ours are names and numbers, which JSON carries.
        return Queue(name, connection=self.connection, serializer=JSONSerializer)

    def put(self, job: str, *arguments: object, key: str, lane: str = SHORT) -> bool:
        """Queue `ml_backend.loop.jobs.<job>(*arguments)` unless the same `key` already waits in either lane.

        Returns:
            True when it was added.

        Raises:
            QueueUnavailable: Redis does not answer.
        """
        from redis.exceptions import RedisError

        try:
            if self._has(key):
                return False
            number = self.connection.incr(f"paploop:{self.name}:jobs")
            (self.long if lane == LONG else self.queue).enqueue(
                f"ml_backend.loop.jobs.{job}",
                *arguments,
                job_id=f"{key}_{number}",
                job_timeout=self.job_timeout,
                result_ttl=600,
                failure_ttl=86400,
            )
        except (RedisError, OSError) as error:
            raise QueueUnavailable(
                f"Redis at {self.url.split('@')[-1]} does not respond. Start it; waiting work then continues "
                "automatically."
            ) from error
        return True

    def _has(self, key: str) -> bool:
        """Whether a job of this key waits, or was taken so short ago that it has not yet got to its lock."""
        return any(_holds(queue, f"{key}_") for queue in (self.queue, self.long))

    def workers(self) -> int:
        """Number of workers that take jobs from this queue.

        Raises:
            QueueUnavailable: Redis does not answer.
        """
        from redis.exceptions import RedisError
        from rq import Worker

        try:
            return int(Worker.count(queue=self.queue))
        except (RedisError, OSError) as error:
            raise QueueUnavailable("Redis does not respond. Start it and then the worker.") from error

    def waiting(self) -> int:
        """Number of jobs that no worker has taken yet."""
        from redis.exceptions import RedisError

        try:
            return int(self.queue.count) + int(self.long.count)
        except (RedisError, OSError) as error:
            raise QueueUnavailable("Redis does not respond. Start it and try again.") from error


def _holds(queue: Queue, prefix: str) -> bool:
    from rq.registry import StartedJobRegistry

    if any(job_id.startswith(prefix) for job_id in queue.job_ids):
        return True
    for job_id in StartedJobRegistry(queue=queue).get_job_ids():
        job = queue.fetch_job(job_id) if job_id.startswith(prefix) else None
        if job is not None and job.started_at is not None:
            started = job.started_at if job.started_at.tzinfo else job.started_at.replace(tzinfo=UTC)
            # A start that lies in the future was noted before the clock was set back.
            if timedelta(0) <= datetime.now(UTC) - started < SETTLING:
                return True
    return False
