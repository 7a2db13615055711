#!/usr/bin/env bash
# shellcheck disable=SC2016 # the back-ticks are those of a message
# What a policy with 500 exemptions and a baseline of 10,000 entries cost, beside a run without either.
#
#   benches/policy.sh TREE
set -euo pipefail
tree="${1:?a folder of manifests}"
program="${VOLCHECK:-volcheck}"
command -v hyperfine > /dev/null || { echo 'absent: hyperfine, which measures'; exit 2; }
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
rules=(missing-scratch-volume sensitive-host-path unbounded-empty-dir untyped-host-path writable-host-path)
{
    printf 'version: 1\nlint:\n  baseline: baseline.json\nexemptions:\n'
    for at in $(seq 500); do
        printf '  - rules: [%s]\n    match: { namespace: team-%d, kind: DaemonSet, name: agent-%d-*, volume: data-%d, path: /var/lib/agent-%d/** }\n    reason: agent %d keeps its state on the node\n    expires: 2099-06-30\n' \
            "${rules[at % 5]}" $((at % 40)) "$at" "$at" "$at" "$at"
    done
} > "$folder/volcheck.yaml"
{
    printf '{\n  "version": 1,\n  "entries": [\n'
    for at in $(seq 10000); do
        printf '    {"rule":"%s","group":"apps","kind":"Deployment","namespace":"team-%d","name":"web-%05d","fingerprint":"%016x","count":1,"message":"host path `/var/lib/web-%d` is mounted writable in container `web`"}%s\n' \
            "${rules[(at - 1) / 2000]}" $((10 + at / 250)) "$at" "$at" "$at" "$([ "$at" = 10000 ] || echo ,)"
    done
    printf '  ]\n}\n'
} > "$folder/baseline.json"
hyperfine -N -i --warmup 5 --runs 200 "$program lint --no-policy $tree" "$program lint --policy $folder/volcheck.yaml $tree"
