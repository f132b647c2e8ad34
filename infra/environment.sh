# Reads the file of an environment, for the other scripts in this directory: sets `file`, `data` (the name of the data stack) and
# the region. Source it from a script that has set `root`; its first argument is the name of the environment, or the path of a
# file.
#
# shellcheck shell=bash
# Variables are read by the scripts that source this file.
# shellcheck disable=SC2034
case ${1:-} in
  '' | -*)
    echo "usage: $0 ENVIRONMENT|FILE.toml […], with the parameters in infra/environments/ENVIRONMENT.toml" >&2
    exit 2
    ;;
  *.toml) file=$(realpath "$1") ;;
  *) file=${root:?}/infra/environments/$1.toml ;;
esac
cd "${root:?}" || exit 1
if [ ! -f "$file" ]; then
  echo "$file does not exist. Copy infra/environments/example.toml and set its parameters." >&2
  exit 1
fi

data=$(sed -n 's/^ *"DataStack=\([^"]*\)".*/\1/p' "$file")
region=$(sed -n 's/^ *region *= *"\([^"]*\)".*/\1/p' "$file")
if [ -z "$data" ] || [ -z "$region" ]; then
  echo "$file must set region, and the parameter DataStack on a line of its own" >&2
  exit 1
fi
# The running stack declares this pattern, but the data stack is created first.
if ! [[ $data =~ ^[a-z][a-z0-9-]{0,29}$ ]]; then
  echo "$file: DataStack must consist of at most 30 lowercase letters, digits and hyphens, and begin with a letter" >&2
  exit 1
fi
export AWS_REGION=$region AWS_DEFAULT_REGION=$region

# SAM ignores parameters that a template does not declare, so that both templates can use the same file.
while read -r name; do
  if ! grep -q "^  $name:\$" infra/data.yaml template.yaml; then
    echo "$file: unknown parameter $name" >&2
    exit 1
  fi
done < <(sed -n 's/^ *"\([A-Za-z0-9]*\)=.*/\1/p' "$file")
