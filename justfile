# Every task of this repository. The workflows in .github and .ci/run call these recipes.
# The recipes install the pinned tools that they need into target/tools (tests/tools.sh).

target := env("CARGO_TARGET_DIR", justfile_directory() / "target")
export PATH := (target / "tools" / "bin") + ":" + env("PATH")

# List the recipes
[private]
default:
    @just --list --unsorted

# Start the local server on http://127.0.0.1:8080 (see `just run --help` for its options)
[group('run')]
run *options:
    cargo run -- {{ options }}

# Start the local server with demo data
[group('run')]
demo:
    cargo run -- --demo

# Serve the documentation site on http://127.0.0.1:8000 and rebuild it on every change
[group('run')]
docs-serve:
    tests/docs.sh serve

# Check the formatting of the Rust code
[group('check')]
fmt:
    cargo fmt --all --check

# Lint the Rust code with Clippy
[group('check')]
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# Build the Rust API documentation without warnings
[group('check')]
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps

# Check licenses, duplicate versions and sources of dependencies
[group('check')]
deny: (_tool "cargo-deny")
    cargo deny check bans licenses sources

# Check dependencies for security advisories (downloads the RustSec database)
[group('check')]
advisories: (_tool "cargo-deny")
    cargo deny check advisories

# Find unused dependencies, and those that only tests use
[group('check')]
unused-deps: (_tool "cargo-shear")
    cargo shear

# Check spelling, and that no former name or phrase returns
[group('check')]
spelling: (_tool "checks")
    typos
    tests/wording.sh

# Check the links between Markdown files
[group('check')]
links: (_tool "checks")
    lychee --offline --include-fragments --no-progress --root-dir . '*.md' 'docs/**/*.md' 'infra/*.md' 'events/*.md' 'examples/**/*.md' 'clients/**/*.md' '.github/**/*.md'

# Lint the shell scripts
[group('check')]
shellcheck: (_tool "checks")
    git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck --external-sources

# Lint the GitHub workflows
[group('check')]
actionlint: (_tool "checks") (_tool "actionlint")
    actionlint

# Fix formatting and spelling in place
[group('check')]
fix: (_tool "checks")
    cargo fmt --all
    typos --write-changes

# Run the Rust tests (ARGS as for `cargo test`, for example `--workspace seats`)
[group('test')]
test *args='--workspace':
    cargo test {{ args }}

# Run the Rust tests and print the ten slowest (ARGS as for `cargo test`)
[group('test')]
slowest *args='--workspace':
    tests/slowest.sh {{ args }}

# Run the black-box tests with every combination of operations and invalid values, not one in five
[group('test')]
test-all-cases:
    SIGNET_ALL_CASES=1 cargo test --workspace --test api

# Run the Lambda function binaries on the events in events/
[group('test')]
functions:
    tests/functions.sh

# Run the commands in README.md and docs/
[group('test')]
docs *pages:
    tests/docs.sh {{ pages }}

# Check the OpenAPI documents, the Postman collection, and the running API against them
[group('test')]
openapi:
    tests/openapi.sh

# Import 100,000 license keys in requests that are interrupted and repeated (about ten minutes)
[group('test')]
large-import:
    SIGNET_IMPORT_LINES=100000 cargo test --workspace --test api -- many_license_keys_are_imported

# Try every interleaving of the calls of concurrent commands for a number of seconds (the model check of the seat protocol)
[group('test')]
model seconds='90':
    SIGNET_MODEL_SECONDS={{ seconds }} cargo test --workspace --test api -- activations::seats::model --nocapture

# Generate, compile and run clients in Python, TypeScript, Java and Go (CLIENTS as in tests/generated-clients.sh, default: all)
[group('test')]
generated-clients *clients: (_tool "go")
    tests/generated-clients.sh {{ clients }}

# Test the client libraries: conformance scenarios, packages, READMEs, and a day against a real stack (default: all LANGUAGES)
[group('test')]
clients *languages: (_tool "go")
    tests/clients.sh test {{ languages }}

# Print the size of each client library, the time of `open`, and the memory of an idle handle
[group('test')]
client-sizes *languages: (_tool "go")
    tests/clients.sh sizes {{ languages }}

# Test the integrations of examples/: Stripe, Slack and email
[group('test')]
examples:
    tests/examples.sh

# Run the webhook receivers of the documentation in Node, Python, Go and Java while they and the server fail, and measure deliveries
[group('test')]
webhooks: (_tool "go")
    tests/webhooks.sh

# Verify tokens with JOSE libraries for Node, Python and Java
[group('test')]
interop:
    tests/interop.sh

# Test the dashboard in Chromium (FILES as in tests/browser, default: all)
[group('test')]
browser *files:
    tests/browser.sh {{ files }}

# Lint and test the SAM template
[group('test')]
template:
    tests/template.sh

# Test against DynamoDB Local and MiniStack (KMS, Secrets Manager)
[group('test')]
real:
    tests/real.sh

# Test a function in the cargo-lambda emulator
[group('test')]
watch:
    tests/watch.sh

# Deploy to MiniStack and test the deployment
[group('test')]
deploy:
    tests/deploy.sh

# Measure the cryptography of a release build: signatures, verifications and key agreements per second
[group('test')]
bench:
    cargo run --release --package signet-bench

# Build the documentation site into target/site
[group('build')]
docs-build:
    tests/docs.sh build

# Make a Postman collection of the OpenAPI document, target/collection/signet.postman_collection.json
[group('build')]
collection:
    tests/collection.sh

# Regenerate every generated file: openapi.json, openapi-3.0.json, events/, the references of error codes and events, the snapshot of responses, the lines of imports, and infra/smoke-role.yaml
[group('build')]
generate:
    GENERATE=1 cargo test --workspace --test local -- openapi::checked_in import::convert::exports
    GENERATE=1 INSTA_UPDATE=always cargo test --workspace --test api -- documents::event_files:: documents::documentation::error_code_reference documents::event_catalog:: documents::responses::
    GENERATE=1 tests/template.sh test_smoke_role

# Take the screenshots of the dashboard in docs/
[group('build')]
screenshots:
    tests/browser.sh screenshots

# Build the functions as `sam build` does, into target/functions/ARCH (ARCH: x86_64 or arm64)
[group('build')]
build-functions arch='x86_64': (_tool "cargo-lambda")
    for folder in functions/*/; do \
      (cd "$folder" && cargo lambda build --release --bin "$(basename "$folder")" --lambda-dir {{ target }}/functions/{{ arch }} \
        {{ if arch == "arm64" { "--arm64" } else { "--x86-64" } }}) || exit 1; \
    done

# Build the functions and pack the release archive for AWS into target/archives
[group('build')]
package arch='x86_64' version='dev': (build-functions arch)
    infra/package.sh {{ version }} {{ arch }} {{ target }}/functions/{{ arch }} {{ target }}/archives

# Build the `signet` binary in release mode
[group('build')]
build-signet:
    cargo build --release --locked -p signet-local --bin signet

# Build the container image of the local server (needs Docker)
[group('build')]
build-image tag='signet':
    docker build --file infra/local/Dockerfile --tag {{ tag }} .

# Run every check and every test, as CI does
[group('ci')]
ci:
    .ci/run

# Install a development tool into target/tools
_tool name:
    @tests/tools.sh {{ name }}
