"""A program that stays down for a while, although its keeper would start it again."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ml_backend import kin
from ml_backend.operations.launch.stack import Stack

PATIENCE = 30.0


@contextmanager
def held(stack: Stack, name: str) -> Iterator[None]:
    """Stop the keeper, end the program and all below it, and let the keeper go on afterwards."""
    program = stack.pid(name)
    assert program is not None, f"{name} does not run: {stack.tail(name)}"
    keeper = kin.parents()[program]
    kin.kill_all([keeper], signal.SIGSTOP)
    try:
        family = [program, *kin.descendants(program)]
        kin.kill_all(family, signal.SIGTERM)
        end = time.monotonic() + PATIENCE
        while any(kin.is_alive(pid) for pid in family):
            assert time.monotonic() < end, f"{name} did not end: {stack.tail(name)}"
            time.sleep(0.05)
        yield
    finally:
        kin.kill_all([keeper], signal.SIGCONT)
