#!/usr/bin/env python3
"""Checks that the problem matcher reads every line of `--format concise` and agrees with `--format json`.

The manifests are the examples and the fixtures of one rule per severity. They are copied to paths that are hard to
parse: with spaces, with colons, and with a drive letter. The tested program is VOLCHECK, by default
target/debug/volcheck.
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


def lint(directory, *options):
    command = [program, "lint", "--no-policy", "--min-severity", "info", *options, "."]
    run = subprocess.run(command, cwd=directory, capture_output=True, encoding="utf-8")
    if run.returncode not in (1, 2):
        sys.exit(f"error: {' '.join(command)} exited with {run.returncode}: {run.stderr}")
    return run.stdout


def match(line):
    """Returns the groups of the first matcher that matches a line, as a GitHub runner does."""
    for matcher in matchers:
        (pattern,) = matcher["pattern"]
        groups = re.search(pattern["regexp"], line, re.ASCII)
        if groups:
            group = {key: groups[number] for key, number in pattern.items() if key != "regexp"}
            group.setdefault("severity", matcher.get("severity"))
            return group
    sys.exit(f"error: no matcher matches: {line}")


# volcheck writes paths with `/` on every system. On Unix, a directory can be named like a drive.
directories = {
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
    for directory in directories.values():
        for manifest in manifests:
            target = pathlib.Path(scratch, directory, f"{manifest.parent.parent.name}-{manifest.name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(manifest, target)
    matched = [match(line) for line in lint(scratch, "--format", "concise").splitlines()]
    report = json.loads(lint(scratch, "--format", "json"))

severities = {"error": "error", "warning": "warning", "notice": "info"}
actual = sorted(
    (m["file"], int(m["line"]), int(m["column"]), severities[m["severity"]], m["code"]) for m in matched
)
# Unchecked inputs are errors in the concise format. JSON lists them separately from the findings.
expected = sorted(
    (
        entry["file"],
        entry["span"]["start"]["line"] if entry["span"] else 1,
        entry["span"]["start"]["column"] if entry["span"] else 1,
        entry.get("severity", "error"),
        entry["rule"],
    )
    for entry in report["findings"] + report["errors"]
)
if actual != expected:
    for line in sorted(set(actual) ^ set(expected)):
        print("only in", "concise:" if line in actual else "json:", line, file=sys.stderr)
    sys.exit("error: the matcher and the JSON report differ")

for label, directory in directories.items():
    count = sum(line[0].startswith(directory) for line in actual)
    print(f"check: {count} lines with paths of type `{label}`")
    if count == 0:
        sys.exit("error: no line")
for severity in ("error", "warning", "info"):
    count = sum(line[3] == severity for line in actual)
    print(f"check: {count} lines of severity {severity}")
    if count == 0:
        sys.exit("error: no line")

# A Windows path.
windows = "C:\\my manifests\\agent.yaml:18:11: error[writable-host-path] host path `C:\\logs` is mounted"
if (match(windows)["file"], match(windows)["line"]) != ("C:\\my manifests\\agent.yaml", "18"):
    sys.exit(f"error: the matcher finds {match(windows)} in: {windows}")
# The summary and the output of other tools must not match.
for other in ("Found 2 problems (2 errors) in 1 of 1 file.", "agent.yaml:18:11: note: see here", "error[x]: y"):
    if any(re.search(m["pattern"][0]["regexp"], other, re.ASCII) for m in matchers):
        sys.exit(f"error: a matcher matches: {other}")

# The documentation shows output that the matcher reads.
command = [program, "lint", "--format", "concise", "examples/first"]
output = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8").stdout
command = [sys.executable, str(root / "tests/delivery/block.py"), "concise"]
if subprocess.run(command, cwd=root, input=output, encoding="utf-8").returncode != 0:
    sys.exit(1)
print(f"matcher: {len(actual)} lines agree with JSON")
