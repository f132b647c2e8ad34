#!/usr/bin/env bash
# Generates clients with the commands of docs/how-to/generate-a-client.md, compiles them, and runs the programs of that page,
# tests/generated-clients, against a local server. Prints how many lines each client has. Needs Python 3.11 with venv, Node 20 with
# npm, JDK 17, Maven and Go.
#
#   tests/generated-clients.sh            all clients
#   tests/generated-clients.sh CLIENT…    some of them, for example hey-api
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
sources=$root/tests/generated-clients
page=$root/docs/how-to/generate-a-client.md
clients=(openapi-generator-java openapi-generator-go openapi-generator-python openapi-generator-typescript openapi-python-client hey-api oapi-codegen)
[ $# = 0 ] || clients=("$@")
"$root/tests/build.sh"

# What was downloaded stays for the next run.
work=$target/generated-clients
mkdir -p "$work"
export GOMODCACHE=$work/go/modules GOCACHE=$work/go/cache GOFLAGS=-modcacherw
if ! cmp -s "$sources/requirements.txt" "$work/venv/installed.txt"; then
  rm -rf "$work/venv"
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install -q --disable-pip-version-check -r "$sources/requirements.txt"
  cp "$sources/requirements.txt" "$work/venv/installed.txt"
fi
if ! cmp -s "$sources/package-lock.json" "$work/node_modules/installed.json"; then
  cp "$sources"/package{,-lock}.json "$work"
  (cd "$work" && npm ci --silent --no-audit --no-fund)
  cp "$sources/package-lock.json" "$work/node_modules/installed.json"
fi
# hey-api looks for it beside node_modules.
cp "$sources/typescript/tsconfig.json" "$work"
export PATH=$work/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1

rm -rf "$work/run"
mkdir "$work/run"
cd "$work/run"
signet=
trap 'if [ -n "$signet" ]; then kill "$signet" && wait "$signet" || true; fi' EXIT
"$target/debug/signet" --memory --listen 127.0.0.1:0 > signet.out 2> signet.err &
signet=$!
for _ in $(seq 300); do
  [ ! -e .signet/local.json ] || break
  kill -0 "$signet" 2> /dev/null || { cat signet.err; exit 1; }
  sleep 0.1
done
field() { sed -n "s/.*\"$1\": \"\(.*\)\".*/\1/p" .signet/local.json; }
SIGNET_URL=$(field base_url) SIGNET_API_KEY=$(field operator_api_key)
# A proxy that is configured in the environment must not be used for this machine.
export SIGNET_URL SIGNET_API_KEY no_proxy=127.0.0.1 NO_PROXY=127.0.0.1
curl -sS --fail -O "$SIGNET_URL/openapi.json" -O "$SIGNET_URL/openapi-3.0.json"

# Prints the commands of a section of the page.
commands() {
  awk -v heading="## $1" '
    /^## / { is_section = ($0 == heading) }
    /^```/ { is_block = 0 }
    is_section && is_block
    /^```bash/ { is_block = 1 }
  ' "$page"
}

# Installs the client that the commands generate beside the packages that it needs. The generators are installed already.
pip() {
  case $2 in
    ./*) command pip install -q --disable-pip-version-check --no-deps --no-build-isolation --target packages "$2" ;;
    *) grep -qxF "$2" "$sources/requirements.txt" || { echo "tests/generated-clients/requirements.txt has no $2"; return 1; } ;;
  esac
}

# Generates a client in this folder: generate SECTION
generate() {
  local script
  script=$(commands "$1")
  [ -n "$script" ] || { echo "the page has no commands under: $1"; return 1; }
  cp ../openapi.json ../openapi-3.0.json .
  eval "$script"
}

# Prints the number of lines in the files of a language: lines EXTENSION FOLDER
lines() { echo "lines: $(find "$2" -name "*.$1" -exec cat {} + | wc -l)"; }

python_client() {
  generate "$1"
  lines py packages
  export PYTHONPATH=$PWD/packages MYPYPATH=$PWD/packages
  cp "$sources/python/$2" .
  mypy --strict --follow-imports=silent --no-incremental --no-error-summary "$2"
  python "$2"
}

typescript_client() {
  ln -s "$work/node_modules" node_modules
  cp "$work"/{package,tsconfig}.json "$sources/typescript/$2" .
  generate "$1"
  lines ts signet
  npx tsc -p .
  node "out/${2%.ts}.js"
}

go_client() {
  cp "$sources"/go/go.{mod,sum} .
  mkdir "$2"
  cd "$2"
  cp ../../openapi*.json ..
  generate "$1"
  lines go signet
  cp "$sources/go/$2/main.go" .
  go vet .
  go run .
}

java_client() {
  generate "$1"
  lines java signet/src/main
  cp "$sources/java/pom.xml" .
  cp "$sources/java/Scenario.java" signet/src/main/java
  mvn -B -q -Dmaven.repo.local="$work/maven" compile
  java -cp 'target/classes:target/lib/*' Scenario
}

run() {
  mkdir "$1"
  cd "$1"
  case $1 in
    openapi-generator-python) python_client 'Python, with openapi-generator' openapi_generator.py ;;
    openapi-python-client) python_client 'Python, with openapi-python-client' openapi_python_client.py ;;
    openapi-generator-typescript) typescript_client 'TypeScript, with openapi-generator' openapi-generator.ts ;;
    hey-api) typescript_client 'TypeScript, with hey-api' hey-api.ts ;;
    openapi-generator-java) java_client 'Java, with openapi-generator' ;;
    openapi-generator-go) go_client 'Go, with openapi-generator' openapi-generator ;;
    oapi-codegen) go_client 'Go, with oapi-codegen' oapi-codegen ;;
    *) echo "unknown client: $1"; return 1 ;;
  esac
}

# Prints the result of a client: report CLIENT SECONDS STATUS
report() {
  if [ "$3" = 0 ]; then
    printf 'generated-clients: %-28s %6s lines, %3d s\n' "$1" "$(sed -n 's/^lines: //p' "$1.log")" "$2"
  else
    grep -v INFO "$1.log" || true
    echo "generated-clients: $1 failed"
    touch failed
  fi
}

# Runs clients one after another. In the background, because `set -e` has no effect in a function whose status is examined.
lane() {
  local client begun status
  for client in "$@"; do
    begun=$SECONDS status=0
    run "$client" < /dev/null > "$client.log" 2>&1 &
    wait $! || status=$?
    report "$client" $((SECONDS - begun)) $status
  done
}

# Two lanes for two cores, with every other client each.
even=() odd=()
for i in "${!clients[@]}"; do
  if [ $((i % 2)) = 0 ]; then even+=("${clients[i]}"); else odd+=("${clients[i]}"); fi
done
lane "${even[@]}" &
other=$!
lane "${odd[@]}"
wait $other
[ ! -e failed ]
