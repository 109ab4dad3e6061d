#!/usr/bin/env bash
# A Chromium for the tests that look at Label Studio in a browser: keeps the one that is there, else asks apt for it.
# PAPLOOP_CHROMIUM names another one. Fails with one sentence where there is none; those tests then fail with it too.
set -euo pipefail

browser="${PAPLOOP_CHROMIUM:-chromium}"
if command -v "$browser" >/dev/null; then
  exit 0
fi
missing="No browser: '$browser' was not found, so the tests that look at Label Studio in a browser will fail."
if [ -n "${PAPLOOP_CHROMIUM:-}" ]; then
  echo "$missing Correct PAPLOOP_CHROMIUM, or unset it." >&2
  exit 1
fi
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
  echo "$missing Install it (Debian: sudo apt-get install --no-install-recommends chromium), or set PAPLOOP_CHROMIUM." >&2
  exit 1
fi
echo '[chromium] installing Chromium for the browser tests'
export DEBIAN_FRONTEND=noninteractive
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
# One mirror that does not answer is no reason to give up; the install says what is really missing.
apt-get update >"$log" 2>&1 || true
if ! apt-get install -y --no-install-recommends chromium >>"$log" 2>&1 || ! command -v chromium >/dev/null; then
  tail -n 5 "$log" >&2
  echo "$missing apt could not install it, see above; install one, or set PAPLOOP_CHROMIUM." >&2
  exit 1
fi
echo '[chromium] ready'
