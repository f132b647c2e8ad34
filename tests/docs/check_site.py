"""Checks that the pages of a built site load nothing from other hosts: no script, style, font, image or frame. Checks that
llms.txt names every page.

Usage: check_site.py DIR
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

# The attributes by which an element loads something. Links that a reader follows (`<a href>`) are not among them.
LOADS = {
    "script": ["src"], "img": ["src", "srcset"], "iframe": ["src"], "source": ["src", "srcset"], "video": ["src", "poster"],
    "audio": ["src"], "embed": ["src"], "object": ["data"], "use": ["href", "xlink:href"],
}
# Relations of <link> that load what they name; `canonical`, `prev` and `next` do not.
LINKS = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch", "manifest"}
EXTERNAL = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)
CSS = re.compile(r"(?:url\(\s*[\"']?|@import\s+[\"'])((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)
# The theme loads a script from another host for an element of this class.
DIAGRAM = "mermaid"


class Page(HTMLParser):
    def __init__(self, name):
        super().__init__()
        self.name, self.faults = name, []

    def handle_starttag(self, tag, attrs):
        values = {name: value or "" for name, value in attrs}
        loaded = [values[name] for name in LOADS.get(tag, []) if name in values]
        if tag == "link" and LINKS & set(values.get("rel", "").split()):
            loaded.append(values.get("href", ""))
        self.faults += [f"{self.name}: <{tag}> loads {url}" for url in loaded if EXTERNAL.match(url)]
        self.faults += [f"{self.name}: style loads {url}" for url in CSS.findall(values.get("style", ""))]
        if DIAGRAM in values.get("class", "").split():
            self.faults.append(f"{self.name}: has a diagram, for which the theme loads a script from another host")


def check_list(site, pages):
    """llms.txt links to the Markdown of every page, and to nothing else."""
    linked = re.findall(r"^- \[.+\]\((.+)\): \S", (site / "llms.txt").read_text(), re.MULTILINE)
    markdown = {str(path.relative_to(site)) for path in site.rglob("*.md")}
    rendered = {str(path.parent.relative_to(site)) + ".md" for path in pages if path.name == "index.html"} - {"..md"} | {"index.md"}
    faults = [f"llms.txt: does not link to {name} once" for name in sorted(markdown | rendered) if linked.count(name) != 1]
    faults += [f"llms.txt: links to {name}, which does not exist" for name in linked if name not in markdown]
    return faults + [f"{path.relative_to(site)}: has an include" for path in site.rglob("*.md") if "--8<--" in path.read_text()]


def main():
    site = Path(sys.argv[1])
    pages, faults = sorted(site.rglob("*.html")), []
    for path in pages:
        page = Page(path.relative_to(site))
        text = path.read_text()
        page.feed(text)
        faults += page.faults
        faults += [f"{page.name}: style loads {url}" for style in re.findall(r"<style.*?</style>", text, re.DOTALL)
                   for url in CSS.findall(style)]
    for path in sorted(site.rglob("*.css")):
        faults += [f"{path.relative_to(site)}: loads {url}" for url in CSS.findall(path.read_text())]
    faults += check_list(site, pages)
    if faults or not pages:
        sys.exit("\n".join(faults) or f"no pages in {site}")
    print(f"site: ok: {len(pages)} pages, nothing from other hosts")


if __name__ == "__main__":
    main()
