"""`make bench [NAME=...]`: run the benchmarks, one JSON line a measurement.

Every `bench_*.py` beside this file has `measurements() -> Iterator[dict]` and may have `NAMES`, the names that it can
measure. NAME picks one file (`web` for bench_web.py), several (`strategies` for all bench_strategies_*.py) or the
measurements whose name contains it. A line is
`{"name", "value", "unit", "baseline", "ratio", "target"}`; a ratio of at least its target is good. Exit status 1 when
one is not.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def chosen(name: str) -> Iterator[dict[str, Any]]:
    """The measurements that a name picks; all for an empty name."""
    stems = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    asked = [stem for stem in stems if name in ("", stem) or stem.startswith(f"{name}_")]
    whole = bool(asked)
    found = False
    for stem in asked or stems:
        module = importlib.import_module(f"tests.benchmarks.bench_{stem}")
        names = getattr(module, "NAMES", None)
        if not whole and names is not None and not any(name in one for one in names):
            continue
        for line in module.measurements():
            if whole or name in line["name"]:
                found = True
                yield line
    if not found:
        sys.exit(f"No benchmark is called {name!r}; there are the groups {', '.join(stems)}.")


def main() -> None:
    """Print one line a measurement and remember them in `bench-results/`."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    folder = Path("bench-results")
    folder.mkdir(exist_ok=True)
    missed = 0
    with (folder / f"{name or 'all'}.jsonl").open("w") as file:
        for line in chosen(name):
            print(json.dumps(line), file=file, flush=True)
            print(json.dumps(line), flush=True)
            missed += line["ratio"] < line["target"]
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
