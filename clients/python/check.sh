#!/usr/bin/env bash
# Tests, packages and measures the Python client.
#
#   check.sh test           format, lint, types, unit tests and conformance scenarios
#   check.sh package DIR    builds the wheel and the sdist, and installs the wheel in a new environment in DIR
#   check.sh readme DIR     runs the first program of README.md in DIR, with the license key from standard input
#   check.sh driver DIR     runs the driver of the conformance harness
#   check.sh size DIR       prints the size of the library as JSON
#
# Tools are installed below $CARGO_TARGET_DIR/clients/python, by default target/clients/python in the repository.
set -euo pipefail
client=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$client/../../target}
mkdir -p "$target/clients/python"
target=$(cd "$target/clients/python" && pwd)
export RUFF_CACHE_DIR=$target/ruff MYPY_CACHE_DIR=$target/mypy HYPOTHESIS_STORAGE_DIRECTORY=$target/hypothesis
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1

# environment NAME PYTHON REQUIREMENTS: creates a virtual environment, unless it is up to date.
environment() {
  local folder=$target/$1 python=$2 requirements=$client/tests/$3
  if ! cmp -s "$requirements" "$folder/requirements.txt"; then
    "$python" -m venv --clear "$folder"
    "$folder/bin/pip" install -q -r "$requirements" 'cryptography>=42'
    cp "$requirements" "$folder/requirements.txt"
  fi
}

# Prints the path of a Python 3.9, if there is one.
oldest_python() {
  local candidate
  for candidate in python3.9 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.9.*/bin/python3.9; do
    if "$candidate" -c '' 2> /dev/null; then
      echo "$candidate"
      return
    fi
  done
}

run_tests() {
  local bin=$target/tools/bin oldest
  environment tools python3 requirements.txt
  cd "$client"
  "$bin/ruff" format --check
  "$bin/ruff" check
  "$bin/mypy"
  "$bin/vermin" --target=3.9- --violations --eval-annotations --no-tips --quiet src
  oldest=$(oldest_python)
  if [ -n "$oldest" ]; then
    environment python-3.9 "$oldest" requirements-3.9.txt
    "$target/python-3.9/bin/python" -m pytest -q -p no:cacheprovider
  fi
  "$bin/python" -m pytest -q -p no:cacheprovider
}

# Prints the first Python block of README.md.
readme_program() {
  awk '/^```python$/ { inside = 1; next } /^```$/ && inside { exit } inside' "$client/README.md"
}

installed_bytes() {
  find "$1" -path '*/site-packages/*' -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }'
}

package() {
  local folder=$1
  environment tools python3 requirements.txt
  mkdir -p "$folder"
  rm -rf "$folder/dist" "$folder/venv"
  "$target/tools/bin/python" -m build --no-isolation --outdir "$folder/dist" "$client" > "$folder/build.log" 2>&1 ||
    { cat "$folder/build.log" >&2; return 1; }
  python3 -m venv "$folder/venv"
  installed_bytes "$folder/venv" > "$folder/empty-bytes"
  "$folder/venv/bin/pip" install -q "$folder"/dist/*.whl
  readme_program > "$folder/program.py"
  cp "$client/tests/driver.py" "$folder/driver.py"
}

size() {
  local folder=$1 storage lines bytes dependencies
  storage=$(mktemp -d)
  lines=$(python3 "$client/tests/count_lines.py" "$client/src")
  bytes=$(($(installed_bytes "$folder/venv") - $(cat "$folder/empty-bytes")))
  dependencies=$("$folder/venv/bin/pip" list --format=freeze | grep -cvE '^(pip|setuptools|wheel|signet-client)==')
  PYTHONPATH=$client/tests "$folder/venv/bin/python" "$client/tests/measure.py" "$storage" |
    jq -c --argjson lines "$lines" --argjson bytes "$bytes" --argjson dependencies "$dependencies" \
      '{language: "python", lines: $lines, install_bytes: $bytes, dependencies: $dependencies} + .'
  rm -rf "$storage"
}

case "${1:-}:$#" in
  test:1) run_tests ;;
  package:2) package "$2" ;;
  readme:2) cd "$2" && exec venv/bin/python program.py ;;
  driver:2) exec "$2/venv/bin/python" "$2/driver.py" ;;
  size:2) size "$2" ;;
  *)
    sed -n '2,/^set /{ /^#/s/^# \{0,1\}//p; }' "$0" >&2
    exit 2
    ;;
esac
