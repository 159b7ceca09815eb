#!/usr/bin/env bash
# tree.sh: rules about files as such, whatever their language. It reads what git
# tracks and what it would track, never what is ignored.
set -uo pipefail
cd "$(dirname "$0")/.."

status=0
files() { git ls-files -co --exclude-standard -z -- "$@" ':!scripts/tree.sh'; }

# forbid WHY PATTERN [PATHSPEC...]: no text file may match the extended pattern.
forbid() {
  local why=$1 pattern=$2 found
  shift 2
  found=$(files "$@" | xargs -0 -r grep -HInE -s -- "$pattern" | cut -c 1-200)
  [ -n "$found" ] || return 0
  printf '%s\n' "$found" | sed "s|\$|   <- $why|"
  status=1
}

forbid 'a path of one machine; make it relative, or find it at run time' \
  '(^|[^A-Za-z0-9_.~/*-])/(home|Users|root|work|workspace|builds)/[A-Za-z0-9._-]'
forbid 'an unresolved merge' '^(<<<<<<<|>>>>>>>) '
forbid 'a private key; make one at run time' 'BEGIN [A-Z ]*PRIVATE KEY'
forbid 'unfinished work; finish it, or say it in docs/rough-edges.md' '\b(TODO|FIXME|XXX|HACK)\b' '*.go' '*.sh' '*.yaml' '*.yml' Makefile
forbid 'a skipped test; make it run, or remove it' '\b[tb]\.(Skip|Skipf|SkipNow)\(' '*_test.go'
forbid 'white space at the end of a line' '[[:blank:]]+$' '*.go' '*.sh' '*.yaml' '*.yml' '*.md' '*.html' '*.css' '*.js' '*.ts' '*.py' Makefile ':(exclude,glob)**/testdata/**'

# Big files make every clone slow, and are mostly there by accident.
while IFS= read -r -d '' file; do
  size=$(wc -c <"$file" 2>/dev/null || echo 0)
  if [ "$size" -gt 1048576 ]; then
    echo "$file: $size bytes   <- over 1 MiB; generate it, or make it smaller"
    status=1
  fi
done < <(files)

exit "$status"
