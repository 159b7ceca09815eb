#!/usr/bin/env bash
# fuzz.sh [DURATION]: runs each fuzz target of the module for DURATION (20s).
# The targets are asked of go test, so that none is forgotten.
set -euo pipefail
cd "$(dirname "$0")/.."

duration=${1:-20s}
go=${GO:-go}

# go test -list prints the names of a package, then "ok <package> <time>".
targets=$("$go" test -list '^Fuzz' ./... | awk '
  /^Fuzz/ { names[++n] = $1 }
  /^ok/ { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }')
if [ -z "$targets" ]; then
  echo 'fuzz: the module has no fuzz target'
  exit 0
fi

passed=0 failed=0
while read -r package name; do
  echo "== $name ($package) for $duration"
  if "$go" test -run '^$' -fuzz "^$name\$" -fuzztime "$duration" "$package" </dev/null; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
  fi
done <<<"$targets"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
