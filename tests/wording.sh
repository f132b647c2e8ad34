#!/usr/bin/env bash
# Fails if a former name or phrase returns that typos cannot tell from plain English: phrases anywhere, names where Rust code
# defines them, and paths. _typos.toml has the names and words that are wrong wherever they occur.
set -euo pipefail
cd "$(dirname "$0")/.."

# Phrases, as extended regular expressions that match whole words in any case.
phrases=(
  'a moment ago'
  'as it is,'
  'belongs? here'
  '(is|are|was|were) told'
  'for ever'
  'good for'
  'hand(s|ed)? out'
  'how manyth'
  'looks? after'
  'of ours'
  'stands? (here|in|there|twice)'
  'takes the place of'
  'what is sold'
)

# Names of types, modules and functions.
types=(
  Amiss Answer Asked Asker Begun Beginning Behind Call Churn Decided Flight Handed Honoured Keeper Kept KeyId Life Limited
  Listed Making Misfits Noted Once Patience Place Race Reach Refused Rules Sent Services Shown Standing Step Stepped Tagged
  Things Told Visit Visitor Within
)
modules=(
  begin behind documented edge enter finish guesses noted once patience reach refused room shop show things visitor within
)
functions=(
  draw fault of_ours sold words yes
)

# Files and directories.
paths=(
  behind.rs edge edge.rs enter.rs guesses.rs keymaking.rs noted.rs once.rs patience.rs reach.rs refused.rs rewrapping.rs room.rs shop.rs show.rs
  signing/begin.rs signing/finish.rs things.rs visitor.rs within.rs
)

joined() { local IFS='|'; echo "$*"; }
files=$(mktemp)
trap 'rm -f "$files"' EXIT
failed=0
# Prints the matches of a search; grep exits with 1 if there are none.
forbid() {
  local reason=$1 found
  shift
  found=$("$@") || [ $? = 1 ]
  if [ -n "$found" ]; then
    echo "$reason:"
    echo "$found"
    failed=1
  fi
}

forbid 'phrases to rewrite' git grep -InwiE "$(joined "${phrases[@]}")" -- \
  ':(exclude)LICENSE' ':(exclude)tests/wording.sh' ':(exclude)_typos.toml'
forbid 'former names' git grep -nE "\b((struct|enum|trait|type) ($(joined "${types[@]}"))|mod ($(joined "${modules[@]}"))|fn ($(joined \
  "${functions[@]}"))|(MOST|LEAST|FEWEST)_[A-Z_]+)\b" -- '*.rs'
git ls-files > "$files"
forbid 'former paths' grep -E "(^|/)($(joined "${paths[@]//./\\.}"))(/|$)" "$files"
exit $failed
