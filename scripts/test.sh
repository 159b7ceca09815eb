#!/usr/bin/env bash
# test.sh [go test flags]: runs every test under the race detector, and closes
# with one line that counts the packages. GOTESTFLAGS adds flags as well.
set -uo pipefail
cd "$(dirname "$0")/.."

# Tests remove what they write, but one that is killed cannot. Others may enter:
# PostgreSQL runs under another account than root.
TMPDIR=$(mktemp -d /tmp/failwell.XXXXXX) || exit 1
export TMPDIR
chmod 755 "$TMPDIR"
log=$TMPDIR/log
trap 'rm -rf "$TMPDIR"' EXIT

# shellcheck disable=SC2086 # GOTESTFLAGS is a list of words
"${GO:-go}" test -race -timeout 5m ${GOTESTFLAGS:-} "$@" ./... 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

passed=$(grep -c $'^ok  \t' "$log")
failed=$(grep -c $'^FAIL\t' "$log")
if [ "$status" = 0 ] && [ "$passed" = 0 ]; then
  echo 'test: no package has a test' >&2
  status=1
fi
echo "packages: $passed passed, $failed failed"
exit "$status"
