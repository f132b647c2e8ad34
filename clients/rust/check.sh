#!/usr/bin/env bash
# Tests, packages and measures the Rust client. Usage: check.sh test | package DIR | readme DIR | driver DIR | size DIR
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/clients/rust
export CARGO_TARGET_DIR

# Formats, lints, documents and tests.
run_tests() {
  cd "$here"
  cargo fmt --check
  cargo clippy --locked --all-targets --all-features -- -D warnings
  cargo clippy --locked -- -D warnings
  RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --all-features
  cargo test --locked --lib --all-features -- --nocapture every_scenario | grep -E '^[0-9]+ scenarios$'
  cargo test --locked --all-features
}

# Creates a project in the directory $1 that uses the packaged crate, with the program of the README and the driver.
package() {
  mkdir -p "$1/src"
  dir=$(cd "$1" && pwd)
  cd "$here"
  cargo package --locked --allow-dirty --no-verify --quiet
  rm -rf "$dir/signet-client-0.1.0"
  # With the present time: the files of a crate have a fixed one, by which Cargo would take changed files for those of its last build.
  tar -xzmf "$CARGO_TARGET_DIR/package/signet-client-0.1.0.crate" -C "$dir"
  awk '/^```rust$/ { if (!seen) inside = 1; seen = 1; next } /^```$/ { inside = 0 } inside' README.md > "$dir/src/readme.rs"
  cp driver/main.rs "$dir/src/driver.rs"
  cp measure/main.rs "$dir/src/measure.rs"
  cp Cargo.lock "$dir/Cargo.lock"
  cat > "$dir/Cargo.toml" <<END
[package]
name = "installed"
version = "0.0.0"
edition = "2021"
publish = false

[workspace]

[dependencies]
serde_json = "1"
signet-client = { path = "signet-client-0.1.0" }

[[bin]]
name = "readme"
path = "src/readme.rs"

[[bin]]
name = "driver"
path = "src/driver.rs"

[[bin]]
name = "measure"
path = "src/measure.rs"
END
  cd "$dir"
  cargo build --quiet
  mkdir -p bin
  cp "$CARGO_TARGET_DIR/debug/"{readme,driver,measure} bin/
}

# Prints the names, versions and manifests of the installed crates, the client last.
installed() {
  cargo metadata --format-version 1 --filter-platform "$(rustc --print host-tuple)" |
    jq -r '.resolve.nodes as $nodes | .packages as $packages
      | def dependencies($id): $nodes[] | select(.id == $id).deps[] | select(any(.dep_kinds[]; .kind != "dev")).pkg;
        ($packages[] | select(.name == "signet-client").id) as $client
      | {done: [], next: [$client]}
      | until(.next == []; .done += .next | .done as $done | .next = ([.next[] | dependencies(.)] | unique - $done))
      | .done[] as $id | $packages[] | select(.id == $id).manifest_path'
}

# Prints the measurements of the project in the directory $1.
measure() {
  cd "$1"
  lines=$(find signet-client-0.1.0/src -name '*.rs' -not -path '*/tests/*' -print0 | xargs -0 cat | grep -cvE '^\s*(//.*)?$')
  manifests=$(installed | sort -u)
  bytes=$(xargs -d '\n' -n1 dirname <<< "$manifests" | xargs -d '\n' du -sbc | tail -1 | cut -f1)
  storage=$(mktemp -d)
  scenario='.[] | select(.name == "a stored token is active without a request").storage'
  mkdir "$storage/storage"
  jq -c "$scenario | to_entries[]" "$root/clients/conformance/scenarios/states.json" | while read -r entry; do
    jq -rj .value <<< "$entry" > "$storage/storage/$(jq -r .key <<< "$entry")"
  done
  cp "$root/clients/conformance/config.json" "$storage/signet-app.json"
  read -r open_ms idle_bytes < <(HTTPS_PROXY=http://127.0.0.1:1 https_proxy='' NO_PROXY='' no_proxy='' bin/measure "$storage")
  rm -rf "$storage"
  jq -nc --argjson lines "$lines" --argjson install "$bytes" --argjson dependencies $(($(wc -l <<< "$manifests") - 1)) \
    --argjson open "$open_ms" --argjson idle "$idle_bytes" \
    '{language: "rust", lines: $lines, install_bytes: $install, dependencies: $dependencies, open_ms: $open, idle_bytes: $idle}'
}

case "${1-} ${2+dir}" in
  "test ") run_tests ;;
  "package dir") package "$2" ;;
  "readme dir") cd "$2" && exec bin/readme ;;
  "driver dir") exec "$2/bin/driver" ;;
  "size dir") measure "$2" ;;
  *) sed -n '2s/^# //p' "$0" >&2; exit 2 ;;
esac
