#!/usr/bin/env bash
# Tests the receivers of docs/how-to/receive-webhooks.md: runs each as a program with the Standard Webhooks library of its language,
# through a day of an installation in which receivers and the server fail, and measures how fast events are delivered. Needs
# Python 3.11 with venv, Node 20 with npm, JDK 17, Maven and Go.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
sources=$root/tests/webhooks
"$root/tests/build.sh" --quiet
# What was downloaded stays for the next run.
work=$target/webhooks
rm -rf "$work/run"
mkdir -p "$work/run"
python3 "$sources/extract_receivers.py" "$root/docs/how-to/receive-webhooks.md" "$work/run"

# Installs the library of a language, and builds its receiver: prepare LANGUAGE
prepare() {
  cd "$work/run/$1"
  case $1 in
    node)
      cp "$sources"/package{,-lock}.json .
      npm ci --silent --no-audit --no-fund
      ;;
    python)
      if ! cmp -s "$sources/requirements.txt" "$work/venv/installed.txt"; then
        rm -rf "$work/venv"
        python3 -m venv "$work/venv"
        "$work/venv/bin/pip" install -q --disable-pip-version-check -r "$sources/requirements.txt"
        cp "$sources/requirements.txt" "$work/venv/installed.txt"
      fi
      ;;
    go)
      cp "$sources"/go.{mod,sum} .
      export GOMODCACHE=$work/go GOFLAGS='-modcacherw -buildvcs=false'
      go vet .
      go build -o receiver .
      ;;
    java)
      cp "$sources/pom.xml" .
      mvn -B -q -Dmaven.repo.local="$work/maven" dependency:copy-dependencies
      javac -Xlint:all -Werror -cp 'target/dependency/*' -d classes Receiver.java
      ;;
  esac
}

# Builds the receivers of some languages side by side, and sets `failed` to those that were not built: build LANGUAGE…
build() {
  local languages=("$@") pids=() i
  for i in "${!languages[@]}"; do
    (prepare "${languages[i]}") > "$work/run/${languages[i]}.log" 2>&1 &
    pids+=($!)
  done
  failed=()
  for i in "${!languages[@]}"; do
    wait "${pids[i]}" || {
      echo "${languages[i]}: the receiver was not built"
      cat "$work/run/${languages[i]}.log"
      failed+=("${languages[i]}")
    }
  done
}

build node python go java
# A registry can fail for a moment.
[ ${#failed[@]} = 0 ] || build "${failed[@]}"
[ ${#failed[@]} = 0 ] || exit 1
echo "webhooks: receivers built in $SECONDS s"

# A proxy that is configured in the environment must not be used for this machine.
export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1 PYTHONDONTWRITEBYTECODE=1
exec "$work/venv/bin/python" -u "$sources/day.py" "$target/debug/signet" "$work/run"
