# Starts emulators of AWS services for test scripts: MiniStack (from PyPI) and Amazon's DynamoDB Local (from npm). Source it
# from a script that has set `root`. Each emulator is installed once into the target directory, listens on loopback only, and is
# stopped when the script exits. Needs Python 3 with venv; DynamoDB Local also needs npm and Java 11 or later.
#
# shellcheck shell=bash
# Variables are read by the scripts that source this file, and version numbers look like arithmetic to ShellCheck.
# shellcheck disable=SC2034,SC2100
parts=${CARGO_TARGET_DIR:-$root/target}/real-parts
mkdir -p "$parts"
folder=$(mktemp -d)
started=()
clean() {
  for pid in "${started[@]}"; do kill "$pid" 2> /dev/null && wait "$pid" 2> /dev/null || true; done
  rm -rf "$folder"
}
trap clean EXIT

# Ignore a configured HTTP proxy and AWS credentials: every request goes to this machine.
export no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost
unset "${!AWS_@}"
export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Creates the virtual environment NAME with some PyPI packages: venv NAME PACKAGE…
venv() {
  [ ! -e "$parts/$1/ready" ] || return 0
  rm -rf "${parts:?}/$1"
  python3 -m venv "$parts/$1"
  "$parts/$1/bin/pip" install -q --disable-pip-version-check "${@:2}"
  touch "$parts/$1/ready"
}

# The SAM CLI for `sam validate`.
sam=aws-sam-cli-1.170.0
sam_packages=(aws-sam-cli==1.170.0 aws-sam-translator==1.115.0)
# The tools that docs/tutorials/deploy-to-aws.md installs.
tools=sam-1.170.0-cargo-lambda-1.9.2
tools_packages=(aws-sam-cli==1.170.0 cargo-lambda==1.9.2 ziglang==0.17.1)

ministack=ministack-1.5.33-with-sam
# Starts MiniStack and sets `aws` to its URL.
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
# Starts DynamoDB Local and sets `dynamodb` to its URL.
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

# Whether a server responds at a URL.
answers() { curl -sS -o /dev/null --max-time 5 "$1" 2> /dev/null; }
# Waits until all URLs respond; fails if a started process exits.
await() {
  for _ in $(seq 300); do
    local all=yes
    for url in "$@"; do answers "$url" || all=no; done
    [ $all = no ] || return 0
    for pid in "${started[@]}"; do kill -0 "$pid" 2> /dev/null || { cat "$folder"/*.log >&2; exit 1; }; done
    sleep 0.1
  done
  echo "no response from: $*" >&2
  exit 1
}
