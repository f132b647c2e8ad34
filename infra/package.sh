#!/usr/bin/env bash
# Packs a release archive for AWS: the functions for one architecture, both templates, and the scripts and files that an operator
# needs. infra/deploy.sh in the archive builds nothing. The same commit, version and functions give the same archive, byte for byte.
#
#   infra/package.sh VERSION ARCH FUNCTIONS OUTPUT
#
# ARCH is x86_64 or arm64. FUNCTIONS is a directory of cargo-lambda with NAME/bootstrap for each function. Writes
# OUTPUT/signet-aws-VERSION-ARCH.tar.gz and prints its path. Needs git and GNU tar.
set -euo pipefail
if [ $# != 4 ]; then
  echo "usage: $0 VERSION x86_64|arm64 FUNCTIONS OUTPUT" >&2
  exit 2
fi
version=$1 arch=$2
root=$(cd "$(dirname "$0")/.." && pwd)
binaries=$(cd "$3" && pwd)
mkdir -p "$4"
output=$(cd "$4" && pwd)
cd "$root"
# The machine in the ELF header, in little-endian order.
case $arch in
  x86_64) machine=3e00 ;;
  arm64) machine=b700 ;;
  *)
    echo "$arch is not an architecture of Lambda: use x86_64 or arm64" >&2
    exit 2
    ;;
esac

name=signet-aws-$version-$arch
staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
archive=$staging/$name
mkdir -p "$archive/infra/environments"
for folder in functions/*/; do
  function=$(basename "$folder")
  binary=$binaries/$function/bootstrap
  if [ ! -f "$binary" ]; then
    echo "$binary does not exist: build all functions for $arch" >&2
    exit 1
  fi
  if [ "$(od -An -tx1 -j18 -N2 "$binary" | tr -d ' ')" != $machine ]; then
    echo "$binary is not for $arch" >&2
    exit 1
  fi
  mkdir -p "$archive/functions/$function"
  cp "$binary" "$archive/functions/$function/bootstrap"
  chmod 755 "$archive/functions/$function/bootstrap"
done
# CodeUri of each function is its directory, here with the binary instead of the sources. CloudFormation refuses to deploy the
# binaries as another architecture.
awk -v arch="$arch" '/^  [A-Za-z]+:$/ { inside = $1 == "Architecture:" }
  inside { sub(/Default: .*/, "Default: " arch); sub(/AllowedValues: .*/, "AllowedValues: [" arch "]") }
  { print }' template.yaml > "$archive/template.yaml"
sed "s/\"Architecture=.*\"/\"Architecture=$arch\"/" infra/environments/example.toml > "$archive/infra/environments/example.toml"
sed "s/VERSION/$version/g; s/ARCH/$arch/g" infra/release-archive.md > "$archive/README.md"
cp LICENSE CHANGELOG.md "$archive"
cp infra/{data,health-check,web-acl}.yaml infra/deployer-policy-*.json infra/{delete,deploy,environment,import,roll-back}.sh \
  "$archive/infra"

file=$output/$name.tar.gz
tar -C "$staging" --sort=name --mtime="@$(git log -1 --format=%ct)" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
  --format=ustar -cf - "$name" | gzip -n > "$file.part"
mv "$file.part" "$file"
echo "$file"
