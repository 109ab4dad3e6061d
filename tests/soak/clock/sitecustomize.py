"""Lets a soak set the clock of PapLoop's own processes: Python imports this at start where this folder is on its path.

`time.time` is moved by the seconds in the file that PAPLOOP_SOAK_CLOCK names; without that file nothing changes.
"""

import os
import time

_FILE = os.environ.get("PAPLOOP_SOAK_CLOCK", "")
_LOOK_EVERY = 0.1
_real, _real_ns = time.time, time.time_ns
_offset, _looked = 0.0, float("-inf")


def _moved() -> float:
    global _offset, _looked
    now = time.monotonic()
    if now - _looked > _LOOK_EVERY:
        _looked = now
        try:
            with open(_FILE) as file:
                _offset = float(file.read() or 0)
        except (OSError, ValueError):
            _offset = 0.0
    return _offset


if _FILE:
    time.time = lambda: _real() + _moved()
    time.time_ns = lambda: _real_ns() + int(_moved() * 1e9)
