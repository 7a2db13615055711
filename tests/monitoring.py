#!/usr/bin/env python3
"""Checks the chart's objects for Prometheus and Grafana, and extracts queries for promtool.

    monitoring.py DEFAULT ALL SMALL    checks the chart as rendered by tests/monitoring.sh with three sets of values
    monitoring.py --rules              converts the PrometheusRule on standard input to a rule file
    monitoring.py --queries            prints the queries of the dashboard and the documentation as a rule file
"""

import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
DASHBOARD = ROOT / "charts/volcheck/files/dashboard.json"
KINDS = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}


def expect(what, actual, expected):
    if actual != expected:
        sys.exit(f"error: {what}: expected {expected!r}, found {actual!r}")


def read(path):
    """Returns the monitoring objects of a rendered chart by kind."""
    objects = [obj for obj in yaml.safe_load_all(pathlib.Path(path).read_text()) if obj]
    return {
        obj["kind"]: obj
        for obj in objects
        if obj["kind"] in KINDS or obj["metadata"]["name"] == "volcheck-dashboard"
    }


def alerts(rule):
    return {rule["alert"]: rule for group in rule["spec"]["groups"] for rule in group["rules"] if "alert" in rule}


def check(default, full, small):
    expect("objects by default", read(default), {})

    objects = read(full)
    expect("objects", set(objects), {"ServiceMonitor", "PrometheusRule", "ConfigMap"})
    monitor = objects["ServiceMonitor"]
    expect("namespace of the ServiceMonitor", monitor["metadata"]["namespace"], "prometheus")
    expect("label of the ServiceMonitor", monitor["metadata"]["labels"]["release"], "prometheus")
    expect("annotations of the ServiceMonitor", monitor["metadata"]["annotations"], {"note": "monitor"})
    expect("spec of the ServiceMonitor", monitor["spec"], {
        "jobLabel": "app.kubernetes.io/name",
        "namespaceSelector": {"matchNames": ["volcheck"]},
        "selector": {"matchLabels": {"app.kubernetes.io/name": "volcheck", "app.kubernetes.io/instance": "volcheck"}},
        "endpoints": [{
            "port": "admin",
            "honorLabels": True,
            "interval": "30s",
            "scrapeTimeout": "10s",
            "relabelings": [{"action": "labeldrop", "regex": "container"}],
            "metricRelabelings": [{"action": "drop", "sourceLabels": ["__name__"], "regex": "volcheck_findings_total"}],
        }],
    })
    rule = objects["PrometheusRule"]
    expect("namespace of the PrometheusRule", rule["metadata"]["namespace"], "prometheus")
    expect("label of the PrometheusRule", rule["metadata"]["labels"]["role"], "alert-rules")
    expect("annotations of the PrometheusRule", rule["metadata"]["annotations"], {"note": "rules"})
    found = alerts(rule)
    every = alerts({"spec": yaml.safe_load((ROOT / "charts/volcheck/files/rules.yaml").read_text())})
    expect("omitted alerts", set(every) - set(found), {"VolcheckSlow", "VolcheckBypassed"})
    for name, alert in found.items():
        expect(f"team of {name}", alert["labels"]["team"], "platform")
        expect(f"severity of {name}", alert["labels"]["severity"], every[name]["labels"]["severity"])
        url = f"https://docs.example/monitoring.html#{name.lower()}"
        expect(f"runbook of {name}", alert["annotations"]["runbook_url"], url)
        expect(f"query of {name}", alert["expr"], every[name]["expr"])
    config_map = objects["ConfigMap"]
    expect("namespace of the dashboard", config_map["metadata"]["namespace"], "grafana")
    expect("label of the dashboard", config_map["metadata"]["labels"]["dashboards"], "volcheck")
    expect("annotations of the dashboard", config_map["metadata"]["annotations"], {"grafana_folder": "Admission"})
    expect("dashboard", json.loads(config_map["data"]["volcheck.json"]), json.loads(DASHBOARD.read_text()))

    objects = read(small)
    expect("objects", set(objects), {"PodMonitor", "PrometheusRule", "ConfigMap"})
    for kind, obj in objects.items():
        expect(f"namespace of the {kind}", obj["metadata"]["namespace"], "volcheck")
        expect(f"annotations of the {kind}", "annotations" in obj["metadata"], False)
    endpoints = objects["PodMonitor"]["spec"]["podMetricsEndpoints"]
    expect("endpoints", endpoints, [{"port": "admin", "honorLabels": True, "interval": "1m"}])
    groups = [group["name"] for group in objects["PrometheusRule"]["spec"]["groups"]]
    expect("groups without the API server", groups, ["volcheck.rules", "volcheck.alerts"])
    omitted = {"VolcheckSingleReplica", "VolcheckCertificateNotRenewed"} & set(alerts(objects["PrometheusRule"]))
    expect("alerts that would always fire", omitted, set())
    expect("label for the sidecar", objects["ConfigMap"]["metadata"]["labels"]["grafana_dashboard"], "1")


def rule_file(queries):
    rules = [{"record": f"query{number}", "expr": query} for number, query in enumerate(queries)]
    return yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]})


def queries():
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"].replace("$__rate_interval", "5m").replace("$__range", "1h")
    for page in ("monitoring.md", "from-warn-to-deny.md"):
        yield from re.findall(r"```promql\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)


match sys.argv[1:]:
    case ["--rules"]:
        (rule,) = [obj for obj in yaml.safe_load_all(sys.stdin) if obj and obj["kind"] == "PrometheusRule"]
        print(yaml.safe_dump(rule["spec"]))
    case ["--queries"]:
        print(rule_file(queries()))
    case [default, full, small]:
        check(default, full, small)
    case _:
        sys.exit(__doc__)
