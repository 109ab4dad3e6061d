"""The worker: a pulse, and a lane each for short and for long jobs, so that a short one never waits for training."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from enum import StrEnum
from typing import Final

from ml_backend.errors import QueueUnavailable
from ml_backend.kin import end_with_parent
from ml_backend.loop.pulse import Pulse
from ml_backend.services import Services
from ml_backend.work_queue import LONG, SHORT, WorkQueue

log = logging.getLogger(__name__)

GRACE: Final = 5.0
"""Seconds that the other lane has to end in order."""

RESTART: Final = 5.0
"""Seconds between two starts of the other lane."""


class Lane(StrEnum):
    """The jobs that a worker takes."""

    ALL = "all"
    SHORT = SHORT
    LONG = LONG


class OtherLane:
    """The long lane in its own process, restarted whenever it ends; it never outlives the worker."""

    COMMAND: Final = (sys.executable, "-m", "ml_backend.cli", "worker", "--lane", LONG, "--beside")

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._over = False

    def keep(self) -> None:
        """Start the process unless it runs, or the worker is about to end."""
        if self._over:
            return
        now = time.monotonic()
        if self._process is not None:
            code = self._process.poll()
            if code is None or now - self._started < RESTART:
                return
            log.warning("the lane for long jobs ended with exit status %d and is restarted", code)
        self._started = now
        self._process = subprocess.Popen((*self.COMMAND, str(os.getpid())), stdin=subprocess.DEVNULL)

    def stop(self) -> None:
        """End the process, and start no other."""
        self._over = True
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def work(services: Services, *, lane: Lane = Lane.ALL, burst: bool = False, beside: int = 0) -> None:
    """Work until stopped.

    Args:
        services: the parts of the process.
        lane: short jobs, with the pulse; long ones; or both, the long ones in a second process.
        burst: take both lanes in turn, without a second process, and end when they are empty.
        beside: process id of the worker that this lane must not outlive, 0 for none.

    Raises:
        QueueUnavailable: Redis does not answer.
    """
    if lane is Lane.LONG:
        if beside:
            end_with_parent(signal.SIGKILL)
            if os.getppid() != beside:
                return  # it died before the kernel knew of the bond
        _take(services.queue, services.settings.redis_url, lane, burst)
        return
    other = OtherLane()
    pulse = Pulse(services, other.keep) if lane is Lane.ALL and not burst else Pulse(services)
    pulse.start()
    try:
        _take(services.queue, services.settings.redis_url, lane, burst)
    finally:
        # In this order: the lane was started by the pulse's thread, and the kernel kills it when that thread ends.
        other.stop()
        pulse.stop()


def _take(queue: WorkQueue, redis_url: str, lane: Lane, burst: bool) -> None:
    """Take jobs and start a fresh process for each: a forking worker hangs once torch was used in it (RQ 2.12)."""
    from redis.exceptions import RedisError
    from rq.serializers import JSONSerializer
    from rq.worker import SpawnWorker

    lanes = [queue.long] if lane is Lane.LONG else [queue.queue]
    if burst and lane is Lane.ALL:
        lanes.append(queue.long)
    try:
        worker = SpawnWorker(lanes, connection=queue.connection, serializer=JSONSerializer)
        worker.work(burst=burst, logging_level="WARNING", with_scheduler=False)
    except (RedisError, OSError) as error:
        raise QueueUnavailable(
            f"Redis at {redis_url.split('@')[-1]} does not respond. Start it and then the worker."
        ) from error
