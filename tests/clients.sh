#!/usr/bin/env bash
# Tests the client libraries: their own tests with the conformance scenarios, their packages as a new project installs them, the program
# of each README, and a day against a real stack. With `sizes`, prints the size and the speed of each instead.
# Downloads and builds go to the target directory. Two languages are tested at a time.
#
# Usage: clients.sh [test|sizes] [LANGUAGE…]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
what="test"
case "${1:-}" in test | sizes) what=$1 && shift ;; esac
languages=("$@")
[ ${#languages[@]} -gt 0 ] || languages=(rust node python go java)
"$root/tests/build.sh" --quiet
work=$CARGO_TARGET_DIR/clients/run
rm -rf "$work"
mkdir -p "$work"
# A proxy that is configured in the environment must not be used for this machine.
export no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost

# Runs the program of the README in a new project, with a license key on standard input: readme LANGUAGE
readme() {
  python3 "$root/tests/clients/readme.py" "$CARGO_TARGET_DIR/debug/signet" "$work/$1-readme" "$work/$1" \
    "$root/clients/$1/check.sh" readme "$work/$1"
}

# Tests a language: test_language LANGUAGE
test_language() {
  local check=$root/clients/$1/check.sh
  "$check" test
  "$check" package "$work/$1"
  readme "$1"
  python3 "$root/tests/clients/day.py" "$CARGO_TARGET_DIR/debug/signet" "$work/$1-day" "$1" "$check" driver "$work/$1"
}

if [ "$what" = sizes ]; then
  for language in "${languages[@]}"; do
    "$root/clients/$language/check.sh" package "$work/$language" > "$work/$language.log" 2>&1
    "$root/clients/$language/check.sh" size "$work/$language"
  done
  exit
fi

node "$root/clients/conformance/generate.mjs" --check
# A lane takes the next language that no other lane has taken.
lane() {
  local language begun failed=0
  for language in "${languages[@]}"; do
    mkdir "$work/$language.taken" 2> /dev/null || continue
    begun=$SECONDS
    if test_language "$language" > "$work/$language.log" 2>&1; then
      echo "$language: ok in $((SECONDS - begun)) s"
    else
      echo "$language: failed"
      tail -n 60 "$work/$language.log"
      failed=1
    fi
  done
  return $failed
}
lane &
status=0
lane || status=1
wait $! || status=1
exit $status
