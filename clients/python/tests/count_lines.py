"""Prints the number of lines of code of a package: without blank lines, comments and docstrings.

Usage: count_lines.py FOLDER
"""

import ast
import sys
import tokenize
from pathlib import Path

LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def is_documentation(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def count(path):
    lines = set()
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type not in LAYOUT and token.type != tokenize.ENCODING:
                lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(path.read_text())):
        if is_documentation(node):
            lines.difference_update(range(node.lineno, node.end_lineno + 1))
    return len(lines)


print(sum(count(path) for path in Path(sys.argv[1]).rglob("*.py")))
