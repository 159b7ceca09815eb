#!/usr/bin/env bash
# lint.sh: every check that needs no run of the program. All of them run even
# when one fails, so that one round shows everything.
set -uo pipefail
cd "$(dirname "$0")/.."

go=${GO:-go}
failed=()

section() { printf '\n== %s\n' "$1"; }

section 'gofmt'
unformatted=$(git ls-files -co --exclude-standard -z '*.go' | xargs -0 gofmt -l)
if [ -n "$unformatted" ]; then
  sed 's/$/: not formatted, run gofmt -w on it/' <<<"$unformatted"
  failed+=(gofmt)
fi

section 'the tree'
scripts/tree.sh || failed+=(tree)

section 'golangci-lint'
.tools/bin/golangci-lint config verify && .tools/bin/golangci-lint run ./... || failed+=(golangci-lint)

# A module of its own, whose peers nobody else has to carry. Its errors end the
# program that it is, and its replacement is the tree around it.
section 'bench/peers'
(cd bench/peers && "$go" vet ./... &&
  ../../.tools/bin/golangci-lint run --config ../../.golangci.yaml --disable wrapcheck,gomoddirectives ./...) || failed+=(bench/peers)

# Exit codes of govulncheck: 0 nothing found, 3 something found, 1 it could not
# look. Without its database it has nothing to say, which is not the tree's fault.
section 'govulncheck'
report=$(timeout 300 .tools/bin/govulncheck ${VULNDB:+-db "$VULNDB"} ./... 2>&1)
status=$?
printf '%s\n' "$report"
if [ "$status" = 1 ] && grep -q 'fetching vulnerabilities' <<<"$report"; then
  echo 'govulncheck: NOT CHECKED, its vulnerability database is out of reach here (set VULNDB to a mirror)'
elif [ "$status" = 124 ]; then
  echo 'govulncheck: NOT CHECKED, its vulnerability database did not answer within 300 s'
elif [ "$status" != 0 ]; then
  failed+=(govulncheck)
fi

section 'go.mod'
"$go" mod verify >/dev/null || failed+=('go mod verify')

if [ ${#failed[@]} -gt 0 ]; then
  printf '\nlint: failed: %s\n' "${failed[*]}"
  exit 1
fi
printf '\nlint: clean\n'
