#!/usr/bin/env bash
# ensure.sh GROUP...: makes sure that what a make target needs is there.
#
# On Debian and its kin, as root or with passwordless sudo, it installs what is
# missing; elsewhere it lists everything that is missing and how to get it. When
# all is there it only looks, and takes milliseconds.
set -euo pipefail
cd "$(dirname "$0")/.."

go_floor=1.26
golangci_lint=v2.15.0
govulncheck=v1.8.0
python_floor=3.10
node_floor=18

go=${GO:-go}
# Without links: npm ci takes a prefix behind one for another project.
mkdir -p .tools
tools=$(cd .tools && pwd -P)
packages=() # Debian packages to install
missing=()  # what to tell somebody who is not on Debian

say() { printf '%s\n' "$*" >&2; }
die() { say "ensure: $*"; exit 1; }

have() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null 2>&1; }

# need COMMAND PACKAGE HINT
need() {
  have "$1" && return
  packages+=("$2")
  missing+=("$1: $3")
}

# at_least HAVE FLOOR
at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# again COMMAND...: three tries, for a network that hiccups
again() {
  local try
  for try in 1 2 3; do
    "$@" && return
    [ "$try" = 3 ] || { say "ensure: try $try failed: $*"; sleep $((try * 3)); }
  done
  return 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_apt() {
  have apt-get || return 1
  [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2>/dev/null; }
}

# apt_install PACKAGE...: without starting a service that a package brings.
apt_install() {
  local policy=/usr/sbin/policy-rc.d ours=
  if [ ! -e "$policy" ]; then
    ours=1
    # shellcheck disable=SC2064 # the path is meant to be expanded now
    trap "as_root rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  say "ensure: installing $*"
  local log
  log=$(mktemp)
  if ! { again as_root apt-get -q update &&
    again as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "apt-get could not install $*; the whole output is in $log"
  fi
  rm -f "$log"
  if [ -n "$ours" ]; then
    as_root rm -f "$policy"
    trap - EXIT
  fi
}

# settle installs, or lists, all that the groups found missing.
settle() {
  [ ${#missing[@]} -gt 0 ] || return 0
  if can_apt; then
    apt_install "${packages[@]}"
    return
  fi
  say 'ensure: these are missing:'
  printf '  %s\n' "${missing[@]}" >&2
  say 'Install them and run the same command again.'
  exit 1
}

look_go() {
  have "$go" || die "Go is missing: failwell needs Go $go_floor or later, see https://go.dev/dl/"
  local version
  version=$("$go" env GOVERSION 2>/dev/null) || version=
  version=${version#go}
  [ -n "$version" ] && at_least "$version" "$go_floor" ||
    die "Go $go_floor or later is needed, $("$go" version 2>/dev/null || echo 'this one does not run') is what $(command -v "$go") is; see https://go.dev/dl/"
}

# The race detector is built with cgo.
look_race() {
  need "$("$go" env CC)" gcc 'a C compiler, for the race detector'
  if have dpkg && [ ! -e /usr/include/stdlib.h ]; then
    packages+=(libc6-dev)
    missing+=('libc6-dev: C headers, for the race detector')
  fi
}

# End-to-end tests put the gateway in front of programs in other languages.
look_e2e() {
  need python3 python3 "Python $python_floor or later, https://www.python.org/downloads/"
  need node nodejs "Node.js $node_floor or later, https://nodejs.org/"
  need npm npm 'npm, a part of Node.js'
  need curl curl 'curl, with which tests repeat what checks have found, https://curl.se/'
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    packages+=(python3-venv)
    missing+=("Python's venv and ensurepip: on Debian the package python3-venv, elsewhere part of Python")
  fi
}

make_e2e() {
  local version
  version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  at_least "$version" "$python_floor" || die "Python $python_floor or later is needed, python3 is $version"
  version=$(node --version)
  at_least "${version#v}" "$node_floor" || die "Node.js $node_floor or later is needed, node is $version"
  venv
  schemathesis
  node_clients
}

# node_clients holds the clients for Node.js that the tests run, in .tools/node.
node_clients() {
  local lock=scripts/clients/package-lock.json
  cmp -s "$lock" "$tools/node/package-lock.json" && [ -d "$tools/node/node_modules" ] && return
  say 'ensure: making .tools/node'
  mkdir -p "$tools/node"
  cp scripts/clients/package.json "$lock" "$tools/node/"
  # From within, because npm takes a prefix that is a link for another project.
  if ! (cd "$tools/node" && again npm ci --no-audit --no-fund --ignore-scripts --silent); then
    rm -rf "$tools/node"
    die "npm could not install $lock; is a package registry within reach?"
  fi
}

# venv holds the Python services and clients that the tests run, at
# .tools/venv/bin/python, and older versions of clients in .tools/venv/older.
venv() {
  local wanted=scripts/requirements.txt older=scripts/requirements-older.txt stamp=$tools/venv/requirements.txt
  cat "$wanted" "$older" | cmp -s - "$stamp" && "$tools/venv/bin/python" -c 'import fastapi, uvicorn' 2>/dev/null && return
  say 'ensure: making .tools/venv'
  rm -rf "$tools/venv"
  mkdir -p "$tools"
  python3 -m venv "$tools/venv"
  again "$tools/venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input install -r "$wanted" ||
    die "pip could not install $wanted; is a Python package index within reach?"
  again "$tools/venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input install --no-deps --target "$tools/venv/older" -r "$older" ||
    die "pip could not install $older; is a Python package index within reach?"
  cat "$wanted" "$older" >"$stamp"
}

# schemathesis has an environment of its own, .tools/schemathesis.
schemathesis() {
  local wanted=scripts/requirements-schemathesis.txt at=$tools/schemathesis
  cmp -s "$wanted" "$at/requirements.txt" && "$at/bin/python" -c 'import schemathesis' 2>/dev/null && return
  say 'ensure: making .tools/schemathesis'
  rm -rf "$at"
  python3 -m venv "$at"
  again "$at/bin/python" -m pip --quiet --disable-pip-version-check --no-input install -r "$wanted" ||
    die "pip could not install $wanted; is a Python package index within reach?"
  cp "$wanted" "$at/requirements.txt"
}

# go_tool NAME MODULE@VERSION: built from source into .tools/bin, pinned.
go_tool() {
  local stamp=$tools/bin/.$1 pin="$2 $("$go" env GOVERSION)"
  [ -x "$tools/bin/$1" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$pin" ] && return
  say "ensure: building $2"
  mkdir -p "$tools/bin"
  local log
  log=$(mktemp)
  if ! again env GOBIN="$tools/bin" GOFLAGS= "$go" install "$2" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "go could not build $2; is a Go module proxy within reach? The whole output is in $log"
  fi
  rm -f "$log"
  printf '%s\n' "$pin" >"$stamp"
}

look_lint() { need git git 'https://git-scm.com/'; }

make_lint() {
  go_tool golangci-lint "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$golangci_lint"
  go_tool govulncheck "golang.org/x/vuln/cmd/govulncheck@$govulncheck"
}

# Drivers are tested against real servers, which the tests start by themselves on
# ports and in folders of their own.
look_redis() { need redis-server redis-server 'Redis 7 or later, https://redis.io/downloads/'; }

# Debian keeps the programs of a PostgreSQL server off the PATH.
look_postgres() {
  local found
  for found in /usr/lib/postgresql/*/bin; do
    [ -x "$found/initdb" ] && [ -x "$found/postgres" ] && return
  done
  have initdb && have postgres && return
  packages+=(postgresql)
  missing+=('initdb and postgres: PostgreSQL 13 or later, https://www.postgresql.org/download/')
}

# The sandbox's page is tested in a browser without a window.
look_browser() {
  local found
  for found in chromium chromium-browser google-chrome google-chrome-stable headless-shell; do
    have "$found" && return
  done
  need chromium chromium 'Chromium or Chrome, https://www.chromium.org/'
}

# Generated rules are checked with the tool of Prometheus; a server that comes
# with it is not started.
look_promtool() { need promtool prometheus 'promtool, a part of Prometheus, https://prometheus.io/download/'; }

look_bench() {
  [ "$(uname -s)" = Linux ] || die 'the benchmark reads CPU time from /proc, so it needs Linux'
  need nginx nginx-light 'https://nginx.org/en/download.html'
  need wrk wrk 'https://github.com/wg/wrk'
}

groups='go, race, e2e, browser, redis, postgres, promtool, lint, bench'
[ $# -gt 0 ] || die "name a group: $groups"
for group in "$@"; do
  case $group in
  go | race | e2e | browser | redis | postgres | promtool | lint | bench) "look_$group" ;;
  *) die "no group is called $group; there are $groups" ;;
  esac
done
settle
for group in "$@"; do
  case $group in
  e2e | lint) "make_$group" ;;
  esac
done
