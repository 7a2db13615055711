#!/usr/bin/env python3
"""Measures how many findings about the charts in tests/charts have the line of the template.

    template_lines.py VOLCHECK

Prints a table. Fails if an exact line is wrong. To check this, a copy of each chart gets a comment
with the line number on each literal line of its templates. helm copies the comments to its output.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

VOLCHECK = sys.argv[1]
CHARTS = pathlib.Path("tests/charts")
# Actions whose output can have several lines.
MULTILINE = re.compile(r"\{\{[^}]*\b(include|template|tpl|toYaml|nindent|indent)\b")
ACTION = re.compile(r"\{\{.*?\}\}")
MARK = re.compile(r" # line (\d+)$")


def marked(template):
    """Returns the template with comments that state the numbers of its lines."""
    lines, in_comment = [], False
    for number, line in enumerate(template.splitlines(), 1):
        in_comment = in_comment or "{{/*" in line
        is_literal = ACTION.sub("", line).strip(" -") and not MULTILINE.search(line)
        lines.append(f"{line} # line {number}" if is_literal and not in_comment else line)
        in_comment = in_comment and "*/" not in line
    return "\n".join(lines) + "\n"


def render(chart):
    command = ["helm", "template", "--include-crds", chart]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def findings(chart):
    command = [VOLCHECK, "lint", "--helm", chart, "--no-policy", "--profile", "restricted", "--format", "json"]
    report = json.loads(subprocess.run([*command, "--fail-on", "never"], capture_output=True, text=True).stdout)
    assert not report["errors"], report["errors"]
    return report["findings"]


print("| chart | findings | exact | approximate | unknown | exact lines that the comments confirm |")
print("|---|---|---|---|---|---|")
total = [0] * 5
for chart in sorted(CHARTS.iterdir()):
    with tempfile.TemporaryDirectory() as directory:
        copy = pathlib.Path(directory) / chart.name
        shutil.copytree(chart, copy)
        for template in copy.glob("templates/*.yaml"):
            template.write_text(marked(template.read_text()))
        rendered = render(copy)
    counts = [0] * 5
    for finding in findings(chart):
        line, template = finding["span"]["start"]["line"], finding["template"]
        counts[0] += 1
        if template is None:
            counts[3] += 1
            continue
        counts[1 if template["exact"] else 2] += 1
        mark = MARK.search(rendered[line - 1])
        found = template["span"]["start"]["line"]
        if mark and template["exact"]:
            if found != int(mark[1]):
                sys.exit(f"error: {chart}: rendered line {line} is from line {mark[1]}, not {found}")
            counts[4] += 1
    total = [a + b for a, b in zip(total, counts)]
    print(f"| `{chart.name}` | " + " | ".join(map(str, counts)) + " |")
print("| all | " + " | ".join(map(str, total)) + " |")
