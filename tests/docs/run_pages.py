"""Runs the shell blocks of README.md and the documentation pages.

For each page, the ```bash blocks run in order in one shell, in a temporary folder beside a stack in memory on a free port.
A comment on the line before a block changes that:

    <!-- not run: REASON -->          the block is only parsed (bash -n)
    <!-- run by SCRIPT -->            the block is parsed here, and SCRIPT, which must name the page, runs it

A ```json block after <!-- response --> must be like one of the JSON values that the page's blocks print: the same fields in the same
order, the same codes, booleans and nulls, and other values of the same type.

Usage: run_pages.py [PAGE...]
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ["CARGO_TARGET_DIR"])
SECONDS_PER_PAGE = 300
# Pages have a home of their own, without Rust.
RUST_HOMES = {"CARGO_HOME": ".cargo", "RUSTUP_HOME": ".rustup"}
TOOLCHAIN = re.search(r'channel = "(.*)"', (ROOT / "rust-toolchain.toml").read_text())[1]

FENCE = re.compile(r"^(?P<indent>\s*)(?P<ticks>`{3,})(?P<language>[\w-]*)")
NOT_RUN = re.compile(r"<!-- not run: \S.* -->")
RESPONSE = "<!-- response -->"
CODE = re.compile(r"[a-z_]+")
RUN_BY = re.compile(r"<!-- run by (?P<script>\S+) -->")
# Shell under another name would escape this script.
OTHER_SHELLS = {"sh", "shell", "zsh", "console", "shell-session"}

# What the output of a page's blocks must contain.
SHOWN = {
    "README.md": ["VERIFIED orbit-"],
    **{f"docs/how-to/verify-{language}.md": ["the app stops", "the app does not start"] for language in ["node", "python", "rust", "java"]},
    "docs/tutorials/license-your-first-app.md": ['"code": "seat_limit_reached"'],
    "docs/how-to/sell-subscriptions-with-stripe.md": ["without a signature: 400"],
    "docs/how-to/send-events-to-slack-and-email.md": ["webhook_endpoint.test", "Notifications work"],
    "docs/how-to/use-the-command-line.md": ['"type":"license.reinstated"', "exit status 1"],
    "docs/how-to/import-from-other-systems.md": [
        '"lines":7,"created":7,"unchanged":0,"failed":0', "exit status 2", '"code":"key_string_taken"', "exit status 1", "gumroad:-a7Bc9",
    ],
    "docs/how-to/issue-and-manage-license-keys.md": [
        '"valid":true', '"code":"generation_outdated"', '"ok":true', '"code":"revoked"',
    ],
}

# Directories of which a page finds the files in its folder: what a reader downloads from systems that the tests cannot use.
DOWNLOADS = {"docs/how-to/import-from-other-systems.md": "tests/fixtures/import"}

# Runs before a page's blocks. `cargo run` in a page starts what tests/docs.sh has built; `cargo test` has a step of its own in CI.
PRELUDE = r"""
set -Eeuo pipefail
trap 'echo "failed: $BASH_COMMAND" >&2' ERR
signet=
stop_signet() { if [ -n "$signet" ]; then kill "$signet" 2> /dev/null && wait "$signet" || true; fi; signet=; }
trap stop_signet EXIT
start_signet() {
  stop_signet
  rm -f .signet/local.json
  "$CARGO_TARGET_DIR/debug/signet" --memory "$@" --listen 127.0.0.1:0 > signet.out 2> signet.err &
  signet=$!
  for _ in $(seq 300); do
    [ ! -e .signet/local.json ] || return 0
    kill -0 "$signet" 2> /dev/null || { cat signet.err >&2; return 1; }
    sleep 0.1
  done
  echo "signet did not start" >&2
  return 1
}
signet() { "$CARGO_TARGET_DIR/debug/signet" "$@"; }
cargo() {
  case "$*" in
    run) start_signet ;;
    "run -- "*) start_signet "${@:3}" ;;
    "run -q -p verify-example -- "*) "$CARGO_TARGET_DIR/debug/verify-example" "${@:6}" ;;
    # The program of a guide, which uses the client library.
    "new "* | "add "* | "run --quiet") CARGO_TARGET_DIR=$CARGO_TARGET_DIR/clients/rust command cargo "$@" ;;
    "test --workspace") grep -qsE "cargo test --workspace|^test \\*args='--workspace'" "$ROOT/justfile" "$ROOT/.ci/run" ;;
    *) echo "tests/docs/run_pages.py does not know how to run: cargo $*" >&2; return 1 ;;
  esac
}
"""


@dataclass
class Block:
    line: int
    text: str
    run: bool


@dataclass
class Page:
    name: str
    blocks: list[Block] = field(default_factory=list)
    responses: list[Block] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def script(self) -> str:
        return "\n".join(block.text for block in self.blocks if block.run)


def read(path: Path) -> Page:
    """Finds the shell blocks of a page."""
    page = Page(str(path.relative_to(ROOT)))
    before, opened, lines = "", None, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fence = FENCE.match(line)
        if opened is None:
            if fence:
                opened, lines, start = fence, [], number
            else:
                before = line
        elif line.strip() == opened["ticks"]:
            add(page, opened["language"], start, lines, before.strip())
            opened, before = None, ""
        else:
            lines.append(line.removeprefix(opened["indent"]))
    if opened:
        page.faults.append(f"{page.name}:{start}: this block does not end")
    return page


def add(page: Page, language: str, line: int, lines: list[str], before: str) -> None:
    if language in OTHER_SHELLS:
        page.faults.append(f"{page.name}:{line}: write ```bash instead of ```{language}")
    if before == RESPONSE:
        page.responses.append(Block(line, "\n".join(lines), run=False))
    if language != "bash":
        return
    text = "\n".join(lines) + "\n"
    parsed = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    if parsed.returncode:
        page.faults.append(f"{page.name}:{line}: {parsed.stderr.strip()}")
    if by := RUN_BY.fullmatch(before):
        script = ROOT / by["script"]
        if not script.is_file() or page.name not in script.read_text():
            page.faults.append(f"{page.name}:{line}: {by['script']} does not run this page")
    page.blocks.append(Block(line, text, run=not by and not NOT_RUN.fullmatch(before)))


def outline(value: object) -> object:
    """What the example of a response has in common with a real one."""
    match value:
        case dict():
            return [(name, outline(one)) for name, one in value.items()]
        case list():
            return [outline(one) for one in value]
        case str():
            return value if CODE.fullmatch(value) else str
        case bool() | None:
            return value
    return type(value)


def printed(text: str) -> list[object]:
    """The outlines of the JSON objects in an output."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := text.find("{", at)) >= 0:
        try:
            value, at = decoder.raw_decode(text, at)
            found.append(outline(value))
        except ValueError:
            at += 1
    return found


def run(page: Page) -> Page:
    """Runs the blocks of a page. Its faults are empty if all is well."""
    if page.faults or not page.script():
        return page
    # A page without a `cargo run` expects one to be running.
    starts_it = any(line.startswith("cargo run") for line in page.script().splitlines())
    script = PRELUDE + ("" if starts_it else "start_signet\n") + page.script()
    with tempfile.TemporaryDirectory() as folder:
        # Copies, so that what a page installs or writes stays out of the repository.
        for name in ["clients", "events", "examples"]:
            shutil.copytree(ROOT / name, Path(folder, name), ignore=shutil.ignore_patterns("node_modules", "target", "scenarios"))
        if directory := DOWNLOADS.get(page.name):
            shutil.copytree(ROOT / directory, folder, dirs_exist_ok=True)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "HOME": folder, "ROOT": str(ROOT), "CARGO_TARGET_DIR": str(TARGET), "RUSTUP_TOOLCHAIN": TOOLCHAIN,
            **{name: os.environ.get(name) or str(Path.home() / default) for name, default in RUST_HOMES.items()},
            # A proxy of the caller's must not be used for the stack.
            "no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost",
        }
        try:
            done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True,
                                  timeout=SECONDS_PER_PAGE, check=False, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            page.faults.append(f"{page.name}: not finished after {SECONDS_PER_PAGE} s")
            return page
    if done.returncode:
        page.faults.append(f"{page.name}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    outlines = printed(done.stdout)
    for response in page.responses:
        if outline(json.loads(response.text)) not in outlines:
            page.faults.append(f"{page.name}:{response.line}: no response is like this one:\n{response.text}")
    for text in SHOWN.get(page.name, []):
        if text not in done.stdout:
            page.faults.append(f"{page.name}: the output does not contain {text}:\n{done.stdout[-4000:]}")
    return page


def check_quoted_log_texts() -> list[str]:
    """The log texts that the alarms page quotes must be in the source code."""
    name = "docs/how-to/respond-to-alarms.md"
    quoted = re.findall(r"`((?!operator |aws )[A-Za-z_][A-Za-z_'-]* [A-Za-z_' -]+)`", (ROOT / name).read_text())
    source = "\n".join(file.read_text() for folder in ["shared", "functions"] for file in (ROOT / folder).rglob("*.rs"))
    faults = [f"{name}: no source file has the text: {text}" for text in quoted if text not in source]
    return faults if quoted else [f"{name}: quotes no log texts"]


def check_pinned_versions(paths: list[Path]) -> list[str]:
    """The versions that pages install must be those that the other tests use."""
    files = [*(ROOT / "tests").glob("*.sh"), *(ROOT / "tests").rglob("requirements.txt"), *(ROOT / "examples").rglob("requirements.txt")]
    tested = "\n".join(file.read_text() for file in files)
    return [
        f"{path.name}: {pin} is not a version that a test uses"
        for path in paths for pin in re.findall(r"[\w-]+==[\d.]+\d", path.read_text()) if pin not in tested
    ]


def main() -> None:
    names = sys.argv[1:]
    paths = [ROOT / name for name in names] or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    with ThreadPoolExecutor(max_workers=4) as pool:
        pages = list(pool.map(run, map(read, paths)))
    faults = [fault for page in pages for fault in page.faults]
    if not names:
        faults += check_quoted_log_texts() + check_pinned_versions(paths)
        unknown = SHOWN.keys() - {page.name for page in pages}
        faults += [f"{name}: no such page" for name in unknown]
    for page in pages:
        if page.blocks:
            ran = sum(block.run for block in page.blocks)
            print(f"{page.name}: {ran} blocks run, {len(page.blocks) - ran} parsed")
    if faults:
        sys.exit("\n".join(faults))
    ran = sum(block.run for page in pages for block in page.blocks)
    parsed = sum(not block.run for page in pages for block in page.blocks)
    print(f"docs: ok: {len(pages)} pages, {ran} blocks run, {parsed} parsed")


if __name__ == "__main__":
    main()
