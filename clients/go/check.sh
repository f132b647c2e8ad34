#!/usr/bin/env bash
# Tests and packages the Go client.
#
#   check.sh test          check the format, lint, and run all tests with the conformance scenarios
#   check.sh package DIR   create a project in DIR that uses the module as it is published, with the README's program and the driver
#   check.sh readme DIR    run the README's program in DIR, which contains signet-app.json; the license key is read from standard input
#   check.sh driver DIR    run the driver
#   check.sh size DIR      print the size of the client as a JSON line
set -euo pipefail
source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
module=github.com/signet-licensing/signet/clients/go
# The module has no dependencies: nothing is downloaded.
export GOPROXY=off GOTOOLCHAIN=local GOFLAGS=-buildvcs=false GOWORK=off

run_tests() {
  cd "$source"
  local unformatted
  unformatted=$(gofmt -l -s .)
  if [ -n "$unformatted" ]; then
    echo "run gofmt -s -w on: $unformatted" >&2
    exit 1
  fi
  go mod verify > /dev/null
  local system race=()
  for system in linux windows darwin; do
    GOOS=$system go vet ./...
  done
  if [ "$(go env CGO_ENABLED)" = 1 ] && command -v "$(go env CC)" > /dev/null; then
    race=(-race)
  fi
  # Without a list of packages, go test prints how many scenarios ran.
  go test "${race[@]}" -count=1
}

# Prints the files of the module.
list_files() {
  cd "$source"
  find . -type f \( -name '*.go' -o -name '*.md' -o -name go.mod -o -name LICENSE -o -name check.sh \) | sort
}

package() {
  local dir=$1
  mkdir -p "$dir/module" "$dir/readme" "$dir/driver" "$dir/measure" "$dir/bin"
  dir=$(cd "$dir" && pwd)
  list_files | tar -C "$source" -cf - -T - | tar -C "$dir/module" -xf -
  awk '/^```go$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' "$dir/module/README.md" > "$dir/readme/main.go"
  cp "$dir/module/internal/driver/main.go" "$dir/driver/"
  cp "$dir/module/internal/measure/main.go" "$dir/measure/"
  cd "$dir"
  cat > go.mod <<END
module example.com/app

go 1.22

require $module v0.1.0

replace $module => ./module
END
  go build -o bin/ ./readme ./driver ./measure
}

# Prints the number of lines without tests, comments and blank lines.
count_lines() {
  find "$source" -maxdepth 1 -name '*.go' ! -name '*_test.go' -exec cat {} + | grep -cvE '^\s*(//.*)?$'
}

size() {
  local open_ms idle_bytes install_bytes dependencies
  read -r open_ms idle_bytes < <("$1/bin/measure" "$source/../conformance")
  install_bytes=$(find "$1/module" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
  dependencies=$(cd "$1/module" && go list -m all | tail -n +2 | wc -l)
  printf '{"language": "go", "lines": %d, "install_bytes": %d, "dependencies": %d, "open_ms": %s, "idle_bytes": %d}\n' \
    "$(count_lines)" "$install_bytes" "$dependencies" "$open_ms" "$idle_bytes"
}

case "${1:-} ${2:+DIR}" in
  'test ') run_tests ;;
  'package DIR') package "$2" ;;
  'readme DIR') cd "$2" && exec ./bin/readme ;;
  'driver DIR') exec "$2/bin/driver" ;;
  'size DIR') size "$2" ;;
  *)
    sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
