#!/usr/bin/env python3
"""A generated block of docs/delivery.md is what standard input says.

    block.py NAME < TEXT

With VOLCHECK_BLESS=1 the block is written anew, as with the recorded outputs of `cargo test`.
"""

import os
import pathlib
import re
import sys

name = sys.argv[1]
page = pathlib.Path("docs/delivery.md")
wanted = "```\n" + sys.stdin.read().rstrip() + "\n```\n"
text = page.read_text(encoding="utf-8")
block = re.compile(f"(?s)(?<=<!-- {name}: generated -->\n).*?(?=<!-- {name}: end -->\n)")
found = block.findall(text)
if len(found) != 1:
    sys.exit(f"error: {page} has {len(found)} blocks `{name}`, not 1")
if os.environ.get("VOLCHECK_BLESS") == "1":
    page.write_text(block.sub(lambda _: wanted, text), encoding="utf-8")
elif found[0] != wanted:
    sys.exit(f"error: the block `{name}` of {page}, which VOLCHECK_BLESS=1 writes anew, should be:\n{wanted}")
