"""Honcho over the programs, as `python -m ml_backend.operations.launch.supervisor ORDERS.json`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import honcho.manager
from honcho.printer import Printer

from ml_backend.operations.launch.respawn import GRACE
from ml_backend.settings import child_environment


def main() -> None:
    """Start every program of the list and end them all together."""
    orders = json.loads(Path(sys.argv[1]).read_text())
    # honcho's own patience is shorter than what a program gets to end cleanly.
    honcho.manager.KILL_WAIT = GRACE * 2
    manager = honcho.manager.Manager(Printer(sys.stdout, colour=False))
    for order in orders:
        command = f"exec {shlex.join((sys.executable, '-m', 'ml_backend.operations.launch.respawn', order['file']))}"
        manager.add_process(order["name"], command, env=child_environment(**order["environment"]))
    manager.loop()
    sys.exit(manager.returncode)


if __name__ == "__main__":
    main()
