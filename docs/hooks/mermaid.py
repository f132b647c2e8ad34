"""MkDocs hook: adds Mermaid to pages that have a diagram, from the site itself.

The theme loads Mermaid from another host unless a page has loaded it already. `MERMAID_JS` is the path of `mermaid.min.js`;
`tests/docs.sh build` fetches it from npm.
"""

import logging
import os

from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url

SCRIPT = "assets/mermaid.min.js"
FENCE = "```mermaid"
log = logging.getLogger("mkdocs.hooks.mermaid")


def on_files(files, config, **_):
    path = os.environ.get("MERMAID_JS")
    if path:
        files.append(File.generated(config, SCRIPT, abs_src_path=path))
    else:
        log.warning("MERMAID_JS is not set: diagrams would be rendered by a script from another host")
    return files


def on_page_markdown(markdown, page, **_):
    if FENCE not in markdown:
        return markdown
    return f'{markdown}\n\n<script src="{get_relative_url(SCRIPT, page.url)}"></script>\n'
