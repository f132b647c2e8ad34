#!/usr/bin/env bash
# Tests the documentation: README.md and the pages in docs/.
#
#   tests/docs.sh            run the shell blocks of every page, each page beside a stack of its own
#   tests/docs.sh PAGE…      run the shell blocks of some pages, for example docs/how-to/monitor.md
#   tests/docs.sh build      build the site into target/site, and check that it loads nothing from other hosts
#   tests/docs.sh serve      build the site and serve it on port 8000 while you edit
#
# Running the blocks takes bash, curl, jq, Python 3 with venv, Node with npm, and Java 17 with Maven. Building the site takes Python 3
# with venv; its packages come from PyPI, once, into the target directory.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
cd "$root"

case "${1:-}" in
  build | serve) ;;
  *)
    tests/build.sh
    exec python3 tests/docs/run_pages.py "$@"
    ;;
esac

venv=$CARGO_TARGET_DIR/docs-tools
if ! cmp -s docs/requirements.txt "$venv/installed.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check -r docs/requirements.txt
  cp docs/requirements.txt "$venv/installed.txt"
fi
# Material for MkDocs prints a notice about MkDocs 2 that is not about this site.
export NO_MKDOCS_2_WARNING=1
[ "$1" = build ] || exec "$venv/bin/mkdocs" serve
site=$CARGO_TARGET_DIR/site
"$venv/bin/mkdocs" build --strict --quiet --site-dir "$site"
python3 tests/docs/check_site.py "$site"
