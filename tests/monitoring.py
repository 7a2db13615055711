#!/usr/bin/env python3
"""Prints rule files for promtool.

    monitoring.py rules CHART      converts the PrometheusRule in the rendered chart
    monitoring.py queries CHART    converts the queries of the dashboard in the rendered chart, and those of the documentation
"""

import json
import pathlib
import re
import sys

import yaml

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"


def queries(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"].replace("$__rate_interval", "5m").replace("$__range", "1h")
    for page in ("monitoring.md", "from-warn-to-deny.md"):
        yield from re.findall(r"```promql\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


try:
    command, path = sys.argv[1:]
    rendered = filter(None, yaml.safe_load_all(pathlib.Path(path).read_text()))
    objects = {f"{obj['kind']}/{obj['metadata']['name']}": obj for obj in rendered}
except ValueError:
    sys.exit(__doc__)
if command == "rules":
    groups = objects["PrometheusRule/volcheck"]["spec"]["groups"]
else:
    (text,) = objects["ConfigMap/volcheck-dashboard"]["data"].values()
    rules = [{"record": f"query{number}", "expr": query} for number, query in enumerate(queries(json.loads(text)))]
    groups = [{"name": "queries", "rules": rules}]
print(yaml.safe_dump({"groups": groups}))
