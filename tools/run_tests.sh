#!/usr/bin/env bash
# The whole suite in two halves side by side: what needs a real Label Studio waits for it most of the time, and the rest
# is told as it comes. Ends with the worse exit status of the two.
#
#   tools/run_tests.sh PYTHON
set -uo pipefail
cd "$(dirname "$0")/.."
said=$(mktemp)
"$1" -m pytest -m e2e -p no:cacheprovider tests/e2e >"$said" 2>&1 &
e2e=$!
trap 'kill "$e2e" 2>/dev/null; wait "$e2e"; rm -f "$said"' EXIT
"$1" -m pytest -m "not e2e"
rest=$?
wait "$e2e"
real=$?
echo
echo '=== on a real Label Studio (tests/e2e) ==='
cat "$said"
exit $((rest > real ? rest : real))
