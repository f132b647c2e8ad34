# The real parts of the tests, for a script that has set `root`: MiniStack, which stands in for AWS, from PyPI, and
# Amazon's DynamoDB Local, from npm. Each is fetched once, into the target folder, answers on loopback alone and is ended
# with the script. Needs Python 3 with venv, and for DynamoDB Local npm and Java 11 or later.
# shellcheck shell=bash
parts=${CARGO_TARGET_DIR:-$root/target}/real-parts
mkdir -p "$parts"
folder=$(mktemp -d)
started=()
clean() {
  for pid in "${started[@]}"; do kill "$pid" 2> /dev/null && wait "$pid" 2> /dev/null || true; done
  rm -rf "$folder"
}
trap clean EXIT

# Who runs this may have a proxy, and credentials of AWS; neither is for this machine.
export no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost
unset "${!AWS_@}"
export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Makes a venv of these packages, named like its first argument.
venv() {
  [ ! -e "$parts/$1/ready" ] || return 0
  rm -rf "${parts:?}/$1"
  python3 -m venv "$parts/$1"
  "$parts/$1/bin/pip" install -q --disable-pip-version-check "${@:2}"
  touch "$parts/$1/ready"
}

# What AWS's own tools are pinned to.
sam=aws-sam-cli-1.170.0
# shellcheck disable=SC2034
sam_packages=(aws-sam-cli==1.170.0 aws-sam-translator==1.115.0)
# What docs/tutorials/deploy-to-aws.md installs to deploy with.
tools=sam-1.170.0-cargo-lambda-1.9.2
# shellcheck disable=SC2034
tools_packages=(aws-sam-cli==1.170.0 cargo-lambda==1.9.2 ziglang==0.17.1)

ministack=ministack-1.5.33-with-sam
# Starts MiniStack; it answers at `aws`.
start_ministack() {
  venv "$ministack" ministack==1.5.33 cryptography==50.0.2 aws-sam-translator==1.115.0
  local port
  port=$(free_port)
  aws=http://127.0.0.1:$port
  (cd "$folder" && exec env AWS_ENDPOINT_URL="$aws" HOME="$folder" BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" IOT_MTLS_ENABLED=0 LOG_LEVEL=WARNING \
    "$parts/$ministack/bin/ministack") > "$folder/ministack.log" 2>&1 &
  started+=($!)
}

dynamodb_local=amplify-dynamodb-simulator-2.9.30
# Starts DynamoDB Local; it answers at `dynamodb`.
start_dynamodb() {
  if [ ! -e "$parts/$dynamodb_local/ready" ]; then
    rm -rf "${parts:?}/$dynamodb_local"
    mkdir "$parts/$dynamodb_local"
    (cd "$parts/$dynamodb_local" && npm pack --silent amplify-dynamodb-simulator@2.9.30 > /dev/null && tar xzf ./*.tgz && rm ./*.tgz)
    touch "$parts/$dynamodb_local/ready"
  fi
  local port
  port=$(free_port)
  dynamodb=http://127.0.0.1:$port
  (cd "$parts/$dynamodb_local/package/emulator" && exec java -Djava.library.path=./DynamoDBLocal_lib -jar DynamoDBLocal.jar \
    -inMemory -port "$port") > "$folder/dynamodb.log" 2>&1 &
  started+=($!)
}

answers() { curl -sS -o /dev/null --max-time 5 "$1" 2> /dev/null; }
# Waits until all of these answer, or one of what was started has ended.
await() {
  for _ in $(seq 300); do
    local all=yes
    for url in "$@"; do answers "$url" || all=no; done
    [ $all = no ] || return 0
    for pid in "${started[@]}"; do kill -0 "$pid" 2> /dev/null || { cat "$folder"/*.log >&2; exit 1; }; done
    sleep 0.1
  done
  echo "these do not answer: $*" >&2
  exit 1
}
