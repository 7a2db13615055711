#!/usr/bin/env bash
# shellcheck disable=SC2016 # the backticks are part of a message
# Measures the cost of a policy with 500 exemptions and a baseline with 10,000 entries, compared
# with a run without them.
#
#   benches/policy.sh DIR
set -euo pipefail
dir="${1:?usage: benches/policy.sh DIR}"
program="${VOLCHECK:-volcheck}"
command -v hyperfine > /dev/null || { echo 'hyperfine is not installed'; exit 2; }
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
rules=(missing-scratch-volume sensitive-host-path unbounded-empty-dir untyped-host-path writable-host-path)
{
    printf 'version: 1\nlint:\n  baseline: baseline.json\nexemptions:\n'
    for i in $(seq 500); do
        printf '  - rules: [%s]\n    match: { namespace: team-%d, kind: DaemonSet, name: agent-%d-*, volume: data-%d, path: /var/lib/agent-%d/** }\n    reason: agent %d keeps its state on the node\n    expires: 2099-06-30\n' \
            "${rules[i % 5]}" $((i % 40)) "$i" "$i" "$i" "$i"
    done
} > "$work/volcheck.yaml"
{
    printf '{\n  "version": 1,\n  "entries": [\n'
    for i in $(seq 10000); do
        printf '    {"rule":"%s","group":"apps","kind":"Deployment","namespace":"team-%d","name":"web-%05d","fingerprint":"%016x","count":1,"message":"host path `/var/lib/web-%d` is mounted writable in container `web`"}%s\n' \
            "${rules[(i - 1) / 2000]}" $((10 + i / 250)) "$i" "$i" "$i" "$([ "$i" = 10000 ] || echo ,)"
    done
    printf '  ]\n}\n'
} > "$work/baseline.json"
hyperfine -N -i --warmup 5 --runs 200 "$program lint --no-policy $dir" "$program lint --policy $work/volcheck.yaml $dir"
