#!/usr/bin/env bash
# Tests the alerts of the chart, and the syntax of all queries, with the program promtool of
# Prometheus. `tests/it/monitoring.rs` checks the metrics and labels in the queries, and `chart.sh`
# checks the values in `monitoring`.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/delivery/lib.sh
go_tool helm helm.sh/helm/v4/cmd/helm v4.3.1
# Without the tag, the program includes the clients of many clouds.
GOFLAGS=-tags=remove_all_sd go_tool promtool github.com/prometheus/prometheus/cmd/promtool v0.316.0
venv pyyaml==6.0.4

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
check 'the alerts fire when they should'
helm template volcheck charts/volcheck --namespace volcheck --set certs.mode=cert-manager \
    --set monitoring.rules.enabled=true --set monitoring.dashboard.enabled=true > "$work/rendered.yaml"
python3 tests/monitoring.py rules "$work/rendered.yaml" > "$work/rules.yaml"
cp tests/monitoring/rules.test.yaml "$work/"
promtool check rules --lint=all --lint-fatal "$work/rules.yaml"
promtool test rules "$work/rules.test.yaml"

check 'the syntax of the queries in the dashboard and the documentation'
python3 tests/monitoring.py queries "$work/rendered.yaml" > "$work/queries.yaml"
promtool check rules "$work/queries.yaml"
echo 'monitoring: all checks passed'
