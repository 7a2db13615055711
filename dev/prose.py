#!/usr/bin/env python3
"""Checks the wording of code, documentation and messages, and the width of comments.

It reports constructions that readers often have to read twice, with the file and the line. To fix one, rewrite
the sentence instead of replacing a word.

    dev/prose.py [PATH]...    checks these files and directories; by default, all files that git does not ignore
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Each pattern matches whole words; in identifiers, underscores count as spaces.
BANNED = [
    (r"whoever|whomever", "name the person or the client"),
    (r"nobody|somebody|no one", "name the person or the client"),
    (r"(?:is|are|was|be) said", "use `reported` or `printed`"),
    (r"says? (?:so|nothing of)", "use `specifies` or `does not mention`"),
    (r"(?:stands?|stood) (?:in|at|there|before|behind|for|beside|twice|alone)", "use `is` or `is located`"),
    (r"of (?:its|their|his|your|one's) own(?: making| accord)?", "name the owner, or drop it"),
    (r"none where", "write `None if …`"),
    (r"is no [a-z]+ such as|no such \w+ as", "write `invalid X, expected Y`"),
    (r"(?:what|that which) is (?:asked|said|there|read|judged|known|found|missing|meant|wrong with)(?= |\.|,|$)",
     "use a noun"),
    (r"(?:gives?|giving|gave) way", "use `yields` or `is evicted`"),
    (r"at the price of|in so many words|of late|in sum|to come to nothing|came to nothing|comes of", "plain words"),
    (r"mend|mends|mended|mending|lest|anew|thereof|thereby|hither|likewise", "plain words"),
    (r"look(?:s|ed|ing)? after", "use `manage` or `renew`"),
    (r"folders?", "use `directory`"),
    (r"catalogues?", "use `catalog`"),
    (r"colours?|behaviours?|licences?", "US spelling"),
    (r"beside", "use `next to`, `besides` or `compared with`"),
    (r"by itself alone|for itself alone|and none other|no matter of", "plain words"),
    (r"he|him|his", "use `they`"),
    (r"shed|sheds|shedding", "use `reject`"),
    (r"judged?|judges|judging", "use `check`"),
    (r"excused?|excuses", "use `exempt` or `suppress`"),
    (r"silenced?|silences|silencing", "use `suppress`"),
]
PATTERN = re.compile("|".join(f"(?P<p{i}>\\b(?:{p})\\b)" for i, (p, _) in enumerate(BANNED)), re.IGNORECASE)

# Matches doc comments that describe an item by a clause instead of naming it.
DOC_START = re.compile(r"^\s*//[/!] (What (?:is|are|was|can|may|it|a|the|has|of)\b|Who\b|That\b|Of\b|How (?:bad|much)\b)")

MAX_COMMENT = 100
COMMENT = {".rs": "//", ".py": "#", ".sh": "#", ".toml": "#", ".yaml": "#", ".yml": "#"}
SUFFIXES = {".rs", ".md", ".py", ".sh", ".toml", ".yaml", ".yml", ".tpl", ".txt", ".json", ".go", ""}
# Third-party text, recorded data, and the list above.
SKIPPED = ("Cargo.lock", "LICENSE", "dev/prose.py", "tests/data/", "fuzz/Cargo.lock", "tests/fixtures/")
# Identifiers that contain a banned word.
ALLOWED = re.compile(r"grafana_folder|engine::judge|fn judge|\bjudge\(|use .*\bjudge\b|`judge`")


def tracked(paths):
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "--", *paths]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def problems(name, text):
    path = Path(name)
    marker = COMMENT.get(path.suffix)
    for number, line in enumerate(text.splitlines(), 1):
        if marker and line.lstrip().startswith(marker) and len(line) > MAX_COMMENT and "http" not in line:
            yield number, f"comment of {len(line)} columns, at most {MAX_COMMENT}"
        if path.suffix == ".rs" and DOC_START.match(line):
            yield number, "doc comment starts with a clause: name the thing, or start with a verb"
        words = ALLOWED.sub("", line).replace("_", " ")
        for match in PATTERN.finditer(words):
            hint = BANNED[int(match.lastgroup[1:])][1]
            yield number, f"`{match.group()}`: {hint}"


def main():
    count = 0
    for name in tracked(sys.argv[1:] or ["."]):
        path = ROOT / name
        if any(name.startswith(skipped) for skipped in SKIPPED) or path.suffix not in SUFFIXES:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
        for number, message in problems(name, text):
            print(f"{name}:{number}: {message}")
            count += 1
    if count:
        sys.exit(f"{count} problems; see the section Writing in CONTRIBUTING.md")


if __name__ == "__main__":
    main()
