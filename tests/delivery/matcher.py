#!/usr/bin/env python3
"""The problem matcher reads every line of `--format concise` as `--format json` has it.

The manifests are the examples and the fixtures of a rule of each severity, under paths that could be read wrongly:
with spaces, with colons, and under the letter of a drive. The program is VOLCHECK, target/debug/volcheck by default.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parents[2]
program = str(pathlib.Path(os.environ.get("VOLCHECK", root / "target/debug/volcheck")).resolve())
matchers = json.loads((root / ".problem-matcher.json").read_text(encoding="utf-8"))["problemMatcher"]


def lint(folder, *options):
    command = [program, "lint", "--no-policy", "--min-severity", "info", *options, "."]
    run = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8")
    if run.returncode not in (1, 2):
        sys.exit(f"error: {' '.join(command)} exits {run.returncode}: {run.stderr}")
    return run.stdout


def read(line):
    """What a runner of GitHub makes of a line: the first matcher that fits."""
    for matcher in matchers:
        (pattern,) = matcher["pattern"]
        found = re.search(pattern["regexp"], line, re.ASCII)
        if found:
            group = {key: found[number] for key, number in pattern.items() if key != "regexp"}
            group.setdefault("severity", matcher.get("severity"))
            return group
    sys.exit(f"error: no matcher reads: {line}")


# volcheck writes paths with `/` on every system. A folder here can be named as a drive.
places = {
    "plain": "examples",
    "with spaces": "my manifests (old)/the agents",
    "with a drive": "C:/deploy/my manifests",
    "with colons": "at 12:30:45/a: b",
}
manifests = sorted(root.glob("examples/**/*.yaml"))
for rule in ("untyped-host-path", "unclean-mount-path", "unanalyzed-document"):
    fixtures = sorted(root.glob(f"tests/fixtures/{rule}/bad/*"))
    if not fixtures:
        sys.exit(f"error: the rule {rule} has no fixtures")
    manifests += fixtures

with tempfile.TemporaryDirectory() as scratch:
    for place in places.values():
        for manifest in manifests:
            target = pathlib.Path(scratch, place, f"{manifest.parent.parent.name}-{manifest.name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(manifest, target)
    matched = [read(line) for line in lint(scratch, "--format", "concise").splitlines()]
    report = json.loads(lint(scratch, "--format", "json"))

severities = {"error": "error", "warning": "warning", "notice": "info"}
got = sorted(
    (m["file"], int(m["line"]), int(m["column"]), severities[m["severity"]], m["code"]) for m in matched
)
# What can't be judged is beside the findings in JSON; it is an error in concise.
wanted = sorted(
    (
        entry["file"],
        entry["span"]["start"]["line"] if entry["span"] else 1,
        entry["span"]["start"]["column"] if entry["span"] else 1,
        entry.get("severity", "error"),
        entry["rule"],
    )
    for entry in report["findings"] + report["errors"]
)
if got != wanted:
    for line in sorted(set(got) ^ set(wanted)):
        print("only in", "concise:" if line in got else "json:", line, file=sys.stderr)
    sys.exit("error: the matcher and JSON disagree")

for what, place in places.items():
    number = sum(line[0].startswith(place) for line in got)
    print(f"check: {number} lines of paths {what}")
    if number == 0:
        sys.exit("error: no line")
for severity in ("error", "warning", "info"):
    number = sum(line[3] == severity for line in got)
    print(f"check: {number} lines of severity {severity}")
    if number == 0:
        sys.exit("error: no line")

# Should a path ever come as Windows writes it.
windows = "C:\\my manifests\\agent.yaml:18:11: error[writable-host-path] host path `C:\\logs` is mounted"
if (read(windows)["file"], read(windows)["line"]) != ("C:\\my manifests\\agent.yaml", "18"):
    sys.exit(f"error: the matcher reads {read(windows)} in: {windows}")
# The summary, and what tools around it print, is no finding.
for other in ("Found 2 problems (2 errors) in 1 of 1 file.", "agent.yaml:18:11: note: see here", "error[x]: y"):
    if any(re.search(m["pattern"][0]["regexp"], other, re.ASCII) for m in matchers):
        sys.exit(f"error: a matcher reads: {other}")

# The page shows what is matched.
command = [program, "lint", "--format", "concise", "examples/first"]
shown = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8").stdout
blocks = [sys.executable, str(root / "tests/delivery/block.py"), "concise"]
if subprocess.run(blocks, cwd=root, input=shown, encoding="utf-8").returncode != 0:
    sys.exit(1)
print(f"matcher: {len(got)} lines read as JSON has them")
