#!/usr/bin/env bash
# Installs Detectron2 into the environment given (default .venv): from PyPI by hash, or keeps the one that is there.
# Its ordinary dependencies are in pyproject.toml. Run as often as you like; about 6 s the first time.
#
#   tools/install_detectron2.sh [.venv]
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
python="${1:-$root/.venv}/bin/python"

if [ ! -x "$python" ]; then
  echo "No Python at $python: say 'make setup' first, or give the folder of the environment." >&2
  exit 1
fi
if "$python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("detectron2") is None)'; then
  exit 0
fi
# --no-deps: its own metadata pins packages of 2021. PYTHONPATH: a stand-in for torch that only its setup.py sees.
# --no-cache-dir: pip would otherwise give back a wheel that an older stand-in had made.
PYTHONPATH="$root/tools/d2build" "$python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
  --no-deps --no-build-isolation --require-hashes -r "$root/requirements-detectron2.txt"
