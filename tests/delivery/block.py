#!/usr/bin/env python3
"""Compares a generated block of docs/delivery.md with standard input.

    block.py [--plain] NAME < TEXT

The block is a code block or, with `--plain`, plain Markdown.
With VOLCHECK_BLESS=1, updates the block instead, as `cargo test` does with its golden files.
"""

import os
import pathlib
import re
import sys

name = sys.argv[-1]
page = pathlib.Path("docs/delivery.md")
expected = sys.stdin.read().rstrip() + "\n"
if "--plain" not in sys.argv:
    expected = f"```\n{expected}```\n"
text = page.read_text(encoding="utf-8")
block = re.compile(f"(?s)(?<=<!-- {name}: generated -->\n).*?(?=<!-- {name}: end -->\n)")
blocks = block.findall(text)
if len(blocks) != 1:
    sys.exit(f"error: expected one block `{name}` in {page}, found {len(blocks)}")
if os.environ.get("VOLCHECK_BLESS") == "1":
    page.write_text(block.sub(lambda _: expected, text), encoding="utf-8")
elif blocks[0] != expected:
    sys.exit(f"error: block `{name}` of {page} is outdated; set VOLCHECK_BLESS=1 to update it to:\n{expected}")
