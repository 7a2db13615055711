#!/usr/bin/env bash
# Tests the chart's objects for Prometheus and Grafana: the values in `monitoring`, and, with
# Prometheus itself, the alerts and the syntax of all queries. `tests/it/monitoring.rs` checks the
# metrics and labels in the queries.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/delivery/lib.sh
go_tool helm helm.sh/helm/v4/cmd/helm v4.3.1
# Without the tag, the program includes the clients of many clouds.
GOFLAGS=-tags=remove_all_sd go_tool promtool github.com/prometheus/prometheus/cmd/promtool v0.316.0
venv pyyaml==6.0.4

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
render() { helm template volcheck charts/volcheck --namespace volcheck "$@"; }
rejects() {
    local message="$1"; shift
    if render "$@" > /dev/null 2> "$work/err"; then fail "accepted: $*"; fi
    grep -qF -- "$message" "$work/err" || { cat "$work/err"; fail "the error does not contain \`$message\`"; }
}

check 'invalid values are rejected'
rejects 'scrape the same metrics' --set monitoring.serviceMonitor.enabled=true --set monitoring.podMonitor.enabled=true
rejects 'there is no alert `VolcheckAway`' --set 'monitoring.rules.disabled={VolcheckAway}'
rejects "at '/monitoring/serviceMonitor/interval'" --set monitoring.serviceMonitor.interval=often
rejects "additional properties 'prometheusRule'" --set monitoring.prometheusRule.enabled=true
rejects "at '/monitoring/dashboard/labels/grafana_dashboard'" --set monitoring.dashboard.labels.grafana_dashboard=1

check 'the rendered objects'
cat > "$work/all.yaml" << 'END'
replicas: 3
certs: { mode: cert-manager }
monitoring:
  serviceMonitor:
    enabled: true
    namespace: prometheus
    labels: { release: prometheus }
    annotations: { note: monitor }
    interval: 30s
    scrapeTimeout: 10s
    relabelings: [{ action: labeldrop, regex: container }]
    metricRelabelings: [{ action: drop, sourceLabels: [__name__], regex: volcheck_findings_total }]
  rules:
    enabled: true
    namespace: prometheus
    labels: { role: alert-rules }
    annotations: { note: rules }
    alertLabels: { team: platform }
    runbookUrl: https://docs.example/monitoring.html
    disabled: [VolcheckSlow, VolcheckBypassed]
  dashboard:
    enabled: true
    namespace: grafana
    labels: { dashboards: volcheck }
    annotations: { grafana_folder: Admission }
END
render > "$work/default.yaml"
render -f "$work/all.yaml" > "$work/rendered.yaml"
render --set replicas=1 --set monitoring.rules.enabled=true --set monitoring.rules.apiServer=false \
    --set monitoring.podMonitor.enabled=true --set monitoring.podMonitor.interval=1m \
    --set monitoring.dashboard.enabled=true > "$work/small.yaml"
python3 tests/monitoring.py "$work/default.yaml" "$work/rendered.yaml" "$work/small.yaml"

check 'the alerts fire when they should'
render --set monitoring.rules.enabled=true --set certs.mode=cert-manager |
    python3 tests/monitoring.py --rules > "$work/rules.yaml"
cp tests/monitoring/rules.test.yaml "$work/"
promtool check rules --lint=all --lint-fatal "$work/rules.yaml"
promtool test rules "$work/rules.test.yaml"

check 'the syntax of the queries in the dashboard and the documentation'
python3 tests/monitoring.py --queries > "$work/queries.yaml"
promtool check rules "$work/queries.yaml"
echo 'monitoring: all checks passed'
