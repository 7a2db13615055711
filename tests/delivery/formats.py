"""Checks the files that formats.sh created for one run: `formats.py DIRECTORY SCHEMAS`.

The SARIF multitool must accept the SARIF report, with its own rules and those of GitHub. The JUnit report must match
the schemas of Jenkins. reviewdog must read the same findings from the SARIF and Checkstyle reports as JSON contains.
"""

import collections
import json
import pathlib
import sys

from lxml import etree

directory, schemas = map(pathlib.Path, sys.argv[1:])


def read(name):
    return json.loads((directory / name).read_text(encoding="utf-8-sig"))


def fail(message):
    sys.exit(f"error: {directory.name}: {message}")


def expect(what, actual, expected):
    if actual != expected:
        different = (actual - expected) + (expected - actual)
        fail(f"{what} differ from the JSON report: {list(different)[:5]}")
    print(f"check: {sum(actual.values())} {what}")


report = read("report.json")
entries = report["findings"] + report["errors"]

# The multitool warns that the tool has no `informationUri`. The documentation is not published yet.
results = [r for r in read("validated.sarif")["runs"][0].get("results", []) if r["ruleId"] != "SARIF2005"]
for result in results[:5]:
    print(result["ruleId"], json.dumps(result["message"]), file=sys.stderr)
if results:
    fail(f"{len(results)} results of the SARIF multitool")

junit = etree.parse(str(directory / "report.junit"))
paths = sorted(schemas.glob("*/junit-10.xsd"))
if not paths:
    fail(f"no schema in {schemas}")
for path in paths:
    schema = etree.XMLSchema(etree.parse(str(path)))
    if not schema.validate(junit):
        fail(f"{path}: {schema.error_log}")
failures, skipped = len(junit.findall(".//failure")), len(junit.findall(".//skipped"))
suppressed = sum(entry["suppressed"] is not None for entry in report["findings"])
if (failures, skipped) != (len(report["findings"]) - suppressed, suppressed):
    fail(f"the JUnit report has {failures} failures and {skipped} skipped tests")
print(f"check: {failures} failures and {skipped} skipped tests")


def diagnostics(name):
    """Returns the path, line, severity and rule of each diagnostic that reviewdog read."""
    # The line is absent if a SARIF result is about the whole file.
    return collections.Counter(
        (
            diagnostic["location"]["path"],
            diagnostic["location"].get("range", {}).get("start", {}).get("line", 1),
            diagnostic["severity"].lower(),
            diagnostic["code"]["value"].removeprefix("volcheck."),
        )
        for diagnostic in read(name).get("diagnostics") or []
    )


def expected(selected):
    return collections.Counter(
        (
            entry["file"],
            entry["span"]["start"]["line"] if entry["span"] and not entry["rendered"] else 1,
            entry["severity"],
            entry["rule"],
        )
        for entry in selected
    )


unsuppressed = [entry for entry in entries if entry["suppressed"] is None]
expect("diagnostics in Checkstyle XML", diagnostics("checkstyle.rdjson"), expected(unsuppressed))
expect("diagnostics in SARIF", diagnostics("sarif.rdjson"), expected(entries))
