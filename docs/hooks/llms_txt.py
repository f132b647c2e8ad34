"""MkDocs hook: publishes every page as Markdown, too, and lists the pages for coding assistants.

A page `how-to/integrate.md` of the documentation is also `how-to/integrate.md` of the site, with its includes in place. `llms.txt`
(https://llmstxt.org) names all of them by the sections of the navigation, each with its first sentence. Sections for operators
and contributors are optional: an assistant that writes a client can skip them.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Sections of the navigation that do not concern integrators.
OPTIONAL = {"Operations", "Development", "Explanation"}
INCLUDE = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)
texts = {}


def on_page_markdown(markdown, page, **_):
    texts[page.file.src_uri] = include(markdown)
    return markdown


def on_post_build(config, **_):
    site = Path(config.site_dir)
    for name, text in texts.items():
        (site / name).write_text(text)
    (site / "llms.txt").write_text("\n".join(lines(config)))


def include(markdown):
    return INCLUDE.sub(lambda match: include((ROOT / match[1]).read_text().rstrip()), markdown)


def lines(config):
    yield from [f"# {config.site_name}", "", f"> {config.site_description}.", ""]
    yield "Begin with [Integrate Signet into an app and a back office](how-to/integrate.md): it needs no other page."
    optional = []
    for title, pages in sections(config.nav):
        if title in OPTIONAL:
            optional += pages
        else:
            yield from ["", f"## {title}", "", *map(link, pages)]
    yield from ["", "## Optional", "", *map(link, optional), ""]


def sections(nav, title="Overview"):
    """The pages of each section, as pairs of a title and a path. A section within a section is one of its own."""
    pages = [item for one in nav for item in one.items()]
    direct = [(name, path) for name, path in pages if isinstance(path, str)]
    if direct:
        yield title, direct
    for name, inner in pages:
        if not isinstance(inner, str):
            yield from sections(inner, name)


def link(page):
    title, path = page
    return f"- [{title}]({path}): {summary(texts[path])}"


def summary(text):
    """The first sentence of a page, without links."""
    paragraph = re.search(r"^# .+\n\n((?:.+\n)+)", text, re.MULTILINE)[1]
    plain = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", " ".join(paragraph.split()))
    return re.split(r"(?<=[.:]) (?=[A-Z`])", plain)[0].rstrip(".:")
