#!/usr/bin/env bash
# Look for the system packages that `make run` (argument: run) or `make test` (argument: test) uses.
# As root on a machine with apt they are installed; elsewhere one line names what is missing and what
# is off without it. Missing packages stop the tests, but not a server.
set -euo pipefail
purpose=${1:?"usage: $0 run|test"}

missing=() # package names, as Debian calls them
without=() # what does not work without each

need() { # need <package> <what is off without it> <command that succeeds when it is there>...
  local package=$1 off=$2
  shift 2
  if ! "$@" >/dev/null 2>&1; then
    missing+=("$package")
    without+=("$package: $off")
  fi
}

any_command() {
  local name
  for name in "$@"; do command -v "$name" && return 0; done
  return 1
}

# The languages that the tests insist on, and some that they run where they are.
languages() { # languages <what to call>
  "$1" gcc 'no pads in C' any_command gcc
  "$1" libc6-dev 'no pads in C' test -e /usr/include/stdio.h
  "$1" g++ 'no pads in C++' any_command g++
  "$1" default-jdk-headless 'no pads in Java' eval 'any_command javac && any_command java'
  "$1" nodejs 'no pads in JavaScript' any_command node
  "$1" node-typescript 'no pads in TypeScript' any_command tsc esbuild
  "$1" golang-go 'no pads in Go' any_command go
  "$1" ruby 'no pads in Ruby' any_command ruby
  "$1" php-cli 'no pads in PHP' any_command php
  "$1" perl 'no pads in Perl' any_command perl
  "$1" lua5.4 'no pads in Lua' any_command lua5.4 lua5.3 lua luajit
  "$1" r-base-core 'no pads in R' any_command R
  "$1" tcl 'no pads in Tcl' any_command tclsh
}

look() {
  missing=() without=()
  need bubblewrap 'rooms cannot run code' any_command bwrap
  if [ "$purpose" = test ]; then
    languages need
    need chromium 'no browser tests (or set CHROMIUM to a browser)' \
      any_command "${CHROMIUM:-chromium}" chromium-browser google-chrome
    need postgresql 'no tests against PostgreSQL' \
      eval 'any_command initdb || compgen -G "/usr/lib/postgresql/*/bin/initdb"'
    need redis-server 'no tests of rate limits that several servers share' \
      any_command redis-server valkey-server
  fi
}

suggest() { # suggest <package> <what is off without it> <command that succeeds when it is there>...
  local package=$1
  shift 2
  "$@" >/dev/null 2>&1 || suggestions+=("$package")
}

if [ "$purpose" = run ]; then
  suggestions=()
  languages suggest
  [ ${#suggestions[@]} -eq 0 ] || echo "For pads in more languages install: ${suggestions[*]}"
fi

look
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing system packages: ${missing[*]}"
  if [[ " ${missing[*]} " == *' postgresql '* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    # The tests start a PostgreSQL of their own: no service has to run on this machine.
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  packages=("${missing[@]}")
  [[ " ${missing[*]} " == *' chromium '* ]] && packages+=(fonts-dejavu-core)
  export DEBIAN_FRONTEND=noninteractive
  install=(apt-get install -qq -y --no-install-recommends -o Dpkg::Options::=--force-confold)
  { "${install[@]}" "${packages[@]}" ||
    { apt-get update -qq && "${install[@]}" "${packages[@]}"; }; } </dev/null >/dev/null || true
  look
  [ ${#missing[@]} -eq 0 ] && exit 0
fi

summary=$(printf '; %s' "${without[@]}")
echo "Missing system packages (install them with your package manager) - ${summary#; }" >&2
[ "$purpose" = run ]
